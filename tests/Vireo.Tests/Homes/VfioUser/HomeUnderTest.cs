using Vireo.Core.Contract;
using Vireo.Homes.VfioUser;
using Vireo.Linux.Events;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VfioUser;

/// <summary>A home that listens in a folder of its own and runs on a thread of its own, until disposed.</summary>
internal sealed class HomeUnderTest : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly VfioUserHome _home;
    private readonly Thread _thread;

    public HomeUnderTest(VirtioDevice device, VfioUserOptions? options = null)
    {
        Device = device;
        Loops = EventLoopGroup.Start(1);
        _home = VfioUserHome.Listen(Path, device, Loops, new() { Logger = Log, Vectors = options?.Vectors });
        _thread = new(_home.Run) { IsBackground = true };
        _thread.Start();
    }

    public VirtioDevice Device { get; }

    public EventLoopGroup Loops { get; }

    public RecordedLog Log { get; } = new();

    public string Path => _folder["home.sock"];

    /// <summary>Connects and says nothing.</summary>
    public Client Connect() => Client.Connect(Path);

    /// <summary>Connects and agrees on a version.</summary>
    public Client Agree()
    {
        Client client = Connect();
        client.Agree();
        return client;
    }

    /// <summary>Waits until a line of the log holds a text.</summary>
    public void ExpectLog(string text) =>
        Assert.True(
            SpinWait.SpinUntil(() => Log.Holds(text), Client.Patience),
            $"no line with '{text}' in:\n{string.Join('\n', Log.Lines)}"
        );

    public void Dispose()
    {
        _home.Stop();
        Assert.True(_thread.Join(Client.Patience), "the home does not end");
        _home.Dispose();
        Loops.Dispose();
        Device.Dispose();
        _folder.Dispose();
    }
}
