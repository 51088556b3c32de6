using Vireo.Core.Contract;
using Vireo.Core.Spec;
using Vireo.Homes.Vduse;
using Vireo.Linux.Events;
using Vireo.Tests.Homes.VhostUser;

namespace Vireo.Tests.Homes.Vduse;

/// <summary>A VDUSE home on a thread of its own, with the kernel's side and a driver's memory.</summary>
internal sealed class VduseUnderTest : IDisposable
{
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(2);
    private readonly Thread _thread;

    public VduseUnderTest(
        string statePath,
        GuestRam ram,
        bool isContinued = false,
        FeatureSet withheld = default,
        bool ownsBuffers = false
    )
    {
        Kernel = new(ram, Device.Queues.Count);
        Log = new();
        VduseOptions options = new()
        {
            Logger = Log,
            WithheldFeatures = withheld,
            OwnsBounceBuffers = ownsBuffers,
        };
        FeatureSet features = VduseSession.FeaturesOf(Device, withheld);
        var state = VduseState.Open(statePath, Device, features, isContinued);
        Home = new("test", null, Kernel, state, Device, _loops, options);
        _thread = new(() =>
        {
            try
            {
                Home.Run();
            }
            catch (DeviceException exception)
            {
                Failure = exception.Message;
            }
        });
    }

    public ProbeDevice Device { get; } = new();

    public FakeVduse Kernel { get; }

    public RecordedLog Log { get; }

    public VduseHome Home { get; }

    /// <summary>What the home ended with.</summary>
    public volatile string? Failure;

    public EventLoop LoopOf(int queueIndex) => _loops[queueIndex];

    public VduseUnderTest Start()
    {
        Home.Begin();
        _thread.Start();
        return this;
    }

    /// <summary>Waits for the home to end by itself.</summary>
    public void Join() => Assert.True(_thread.Join(FakeVduse.Patience), "the home does not end");

    /// <summary>Ends the home as SIGTERM does.</summary>
    public void Stop()
    {
        Home.Stop();
        if (_thread.IsAlive)
        {
            Join();
        }
    }

    public void Dispose()
    {
        Stop();
        Home.Dispose();
        Device.Dispose();
        _loops.Dispose();
    }
}
