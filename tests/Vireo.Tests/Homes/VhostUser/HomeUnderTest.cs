using Vireo.Core.Contract;
using Vireo.Homes.VhostUser;
using Vireo.Linux.Events;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>A home that listens in a folder of its own and runs on a thread of its own, until disposed.</summary>
internal sealed class HomeUnderTest : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly VhostUserHome _home;
    private readonly Thread _thread;

    public HomeUnderTest(VirtioDevice device, int loopCount = 1)
        : this(device, EventLoopGroup.Start(loopCount)) { }

    /// <summary>Serves a device whose backend needs the loops, too.</summary>
    /// <param name="device">The device; becomes this object's.</param>
    /// <param name="loops">The loops its queues run on; they become this object's.</param>
    public HomeUnderTest(VirtioDevice device, EventLoopGroup loops)
    {
        Device = device;
        Loops = loops;
        _home = VhostUserHome.Listen(Path, device, Loops, new() { Logger = Log });
        _thread = new(_home.Run) { IsBackground = true };
        _thread.Start();
    }

    public VirtioDevice Device { get; }

    public EventLoopGroup Loops { get; }

    public RecordedLog Log { get; } = new();

    public string Path => _folder["home.sock"];

    /// <summary>Connects and says nothing.</summary>
    public FrontEnd Connect() => FrontEnd.Connect(Path);

    /// <summary>Connects and negotiates all that is on offer, but for what the test leaves out.</summary>
    public FrontEnd Negotiate(ulong without = 0, ulong with = 0)
    {
        FrontEnd frontEnd = Connect();
        frontEnd.Negotiate(without, with);
        return frontEnd;
    }

    /// <summary>Waits until a line of the log holds a text.</summary>
    public void ExpectLog(string text) =>
        Assert.True(
            SpinWait.SpinUntil(() => Log.Holds(text), FrontEnd.Patience),
            $"no line with '{text}' in:\n{string.Join('\n', Log.Lines)}"
        );

    public void Dispose()
    {
        _home.Stop();
        Assert.True(_thread.Join(FrontEnd.Patience), "the home does not end");
        _home.Dispose();
        Loops.Dispose();
        Device.Dispose();
        _folder.Dispose();
    }
}
