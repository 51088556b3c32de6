using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;
using Vireo.Tests.Homes.VhostUser;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.Loops;

// Alone, because a test measures what processor time the process takes.
[Collection(DescriptorCountCollection.Name)]
public sealed class QueueLoopTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private readonly ProbeDevice _device = new();
    private readonly GuestRam _ram = new();
    private readonly QueueLoop _loop;
    private readonly TestRing _ring;

    public QueueLoopTests()
    {
        _loop = new(_loops[0]);
        _ring = new(_ram, 0, 16, FeatureSet.Empty);
        _device.Attach(new Host(_loop), _ram.Memory);
    }

    public void Dispose()
    {
        _device.StopQueue(0);
        _ring.Dispose();
        _ram.Dispose();
        _device.Dispose();
        _loops.Dispose();
    }

    [Fact]
    public void Start_EventDescriptor_RunsAtEachKick()
    {
        Start(new EventFdSignal(_ring.Kick));
        for (int count = 0; count < 100; count++)
        {
            _ring.Echo($"{count}");
        }
    }

    [Fact]
    public void Start_Pipe_RunsAtEachKickAndNeverFillsUp()
    {
        using Pipe pipe = new();
        using var reader = EventFd.Wrap(pipe.TakeReader());
        using var writer = EventFd.Wrap(pipe.TakeWriter());
        Start(new EventFdSignal(reader));
        for (int count = 0; count < 20_000; count++)
        {
            writer.Signal();
        }

        _ring.Add("through a pipe");
        writer.Signal();
        Assert.Equal("through a pipe", _ring.Take());
        Assert.False(SpinWait.SpinUntil(reader.TryDrain, TimeSpan.FromMilliseconds(20)), "kicks were left in the pipe");
        _device.StopQueue(0);
    }

    [Fact]
    public void Start_PipeWhoseOtherEndCloses_DoesNotSpin()
    {
        using Pipe pipe = new();
        using var reader = EventFd.Wrap(pipe.TakeReader());
        Start(new EventFdSignal(reader));
        pipe.TakeWriter().Dispose();
        TimeSpan before = Environment.CpuUsage.TotalTime;

        Thread.Sleep(200);

        Assert.True(Environment.CpuUsage.TotalTime - before < TimeSpan.FromMilliseconds(150));
        _device.StopQueue(0);
    }

    [Fact]
    public void Start_LoopSignal_RunsAtEachKick()
    {
        LoopSignal kick = new();
        Start(kick);
        for (int count = 0; count < 100; count++)
        {
            _ring.Add($"{count}");
            kick.Notify();
            Assert.Equal($"{count}", _ring.Take());
        }

        _device.StopQueue(0);
        kick.Notify();
    }

    [Fact]
    public void Start_NoKick_LooksAllTheTime()
    {
        Start(kick: null);

        _ring.Add("seen");

        Assert.Equal("seen", _ring.Take());
    }

    [Fact]
    public void Start_KickOfAnotherKind_IsRefusedAndLeavesNothingBehind()
    {
        Assert.Throws<ArgumentException>(() => Start(new CountingSignal()));

        Start(new EventFdSignal(_ring.Kick));
        _ring.Echo("the second attempt");
    }

    [Fact]
    public void Stop_RequestsInFlight_WaitsForThem()
    {
        Start(new EventFdSignal(_ring.Kick));
        _device.Hold();
        _ring.Add("kept");
        _ring.Kick.Signal();
        Assert.True(SpinWait.SpinUntil(() => _device.HeldCount == 1, Patience));
        QueueState? state = null;
        Thread stopper = new(() => state = _device.StopQueue(0));
        stopper.Start();
        Assert.False(stopper.Join(TimeSpan.FromMilliseconds(50)));

        _device.Release(_loops[0], 0);

        Assert.True(stopper.Join(Patience));
        Assert.Equal((ushort)1, state!.Value.AvailableIndex);
        Assert.Equal("kept", _ring.Take());
    }

    [Fact]
    public void Stop_OnTheLoopsOwnThread_GivesTurnsUntilAllIsDone()
    {
        Start(new EventFdSignal(_ring.Kick));
        _device.Hold();
        _ring.Add("kept");
        _ring.Kick.Signal();
        Assert.True(SpinWait.SpinUntil(() => _device.HeldCount == 1, Patience));
        using ManualResetEventSlim stopping = new();
        QueueState? state = null;
        Thread stopper = new(() =>
            _loops[0]
                .Invoke(() =>
                {
                    stopping.Set();
                    state = _device.StopQueue(0);
                })
        );
        stopper.Start();
        Assert.True(stopping.Wait(Patience, TestContext.Current.CancellationToken));

        _device.Release(_loops[0], 0);

        Assert.True(stopper.Join(Patience));
        Assert.Equal((ushort)1, state!.Value.AvailableIndex);
    }

    [Fact]
    public void Stop_HandlerThatDoesNotRun_DoesNothing()
    {
        Start(new EventFdSignal(_ring.Kick));
        _device.StopQueue(0);

        Assert.Null(_device.StopQueue(0));
    }

    [Fact]
    public void Turn_OnceWarm_AllocatesNothing()
    {
        Start(kick: null);
        // The probe itself allocates per request, so only empty turns and armed waits are measured here.
        _loops[0].Invoke(() => Allocations.AssertNone(() => _loops[0].RunNested(TimeSpan.Zero)));
    }

    private void Start(ISignal? kick) =>
        _device.StartQueue(new(0, GuestRam.Areas(0, 16), QueueState.Fresh, kick, new EventFdSignal(_ring.Call)));

    private sealed class Host(QueueLoop loop) : IDeviceHost
    {
        public IQueueLoop LoopFor(int queueIndex) => loop;

        public void NotifyConfigChanged() { }

        public void ReportFault(int queueIndex, QueueFault fault) { }

        public void ReportLoss(string reason) { }
    }

    private sealed class CountingSignal : ISignal
    {
        public void Notify() { }
    }
}
