using Vireo.Backends.Block.Null;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Devices.Block;
using Vireo.Drivers;
using Vireo.Linux.Events;

namespace Vireo.Benchmarks.Homes;

/// <summary>A home behind a socket, served by threads of this process as by <c>vireo block</c>: one for control, one for the queue.</summary>
/// <remarks>The ring and the sleeping are the same for all of them; how the driver gets there, and how it kicks, is not.</remarks>
internal abstract class SocketUnderLoad : HomeUnderLoad
{
    private const int MemoryBytes = 1 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("vireo-bench-").FullName;
    private readonly EventLoopGroup _loops = EventLoopGroup.Start(1);
    private DriverQueue _queue = null!;
    private Thread _control = null!;
    private IDisposable _home = null!;
    private Action _stop = null!;

    protected SocketUnderLoad()
    {
        DriverBuffer ring = Memory.Allocate(3 * 8192);
        ring.Bytes.Clear();
        Areas = new(QueueSize, ring.Address, new(ring.Address.Value + 8192), new(ring.Address.Value + 16384));
    }

    public override DriverQueue Queue => _queue;

    /// <summary>The device; the same in every home.</summary>
    protected BlockDevice Device { get; } = new(new NullDisk(HomesBenchmark.CapacitySectors));

    /// <summary>Where the home listens.</summary>
    protected string SocketPath => Path.Combine(_folder, "disk.sock");

    /// <summary>What runs the device's queue.</summary>
    protected EventLoopGroup Loops => _loops;

    /// <summary>What driver and device share.</summary>
    protected DriverMemory Memory { get; } = new(MemoryBytes);

    /// <summary>Where the ring lies.</summary>
    protected QueueAreas Areas { get; }

    /// <summary>What the device signals when requests are done.</summary>
    protected EventFd Call { get; } = EventFd.Create();

    public override GuestRange Allocate(uint lengthBytes) => Memory.Allocate((int)lengthBytes).Range;

    public override void Wait()
    {
        if (_queue.TryArmCalls())
        {
            DescriptorWait.TryWait(Call.Handle, LoopEvents.Readable, HomesBenchmark.Patience);
        }

        Call.TryDrain();
        _queue.SuppressCalls();
    }

    public override void Dispose()
    {
        Disconnect();
        _stop();
        _control.Join();
        _home.Dispose();
        _loops.Dispose();
        Device.Dispose();
        Call.Dispose();
        Memory.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Ends the driver's connection.</summary>
    protected abstract void Disconnect();

    /// <summary>Runs a home that listens already, until this is disposed.</summary>
    protected void Serve(IDisposable home, Action run, Action stop)
    {
        _home = home;
        _stop = stop;
        _control = new(() => run()) { Name = "control" };
        _control.Start();
    }

    /// <summary>Makes the driver's side of the ring.</summary>
    protected void Begin(FeatureSet features)
    {
        _queue = DriverQueue.Create(Areas, Memory.Memory, features);
        _queue.SuppressCalls();
    }
}
