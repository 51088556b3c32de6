using Microsoft.Extensions.Logging;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Transports.Pci;
using Vireo.Homes.Loops;
using Vireo.Homes.VfioUser.Interrupts;
using Vireo.Linux.Events;

namespace Vireo.Homes.VfioUser;

/// <summary>The PCI function that clients see one after another, and what it needs of this process: kicks, loops, interrupts.</summary>
/// <remarks>Lives as long as the home: the device's state outlives a client, so that one that comes back finds it.</remarks>
internal sealed class ServedFunction : IPciHost, IDisposable
{
    private static readonly MappedMemory NoMemory = new([]);

    private readonly QueueLoop[] _loops;
    private readonly EventFdSignal[] _kicks;
    private readonly ILogger _log;

    /// <summary>Whether the device stands still because its client has gone, or a new one is not ready.</summary>
    private bool _isParked;

    /// <summary>What the device reaches now.</summary>
    private GuestMemory _memory = NoMemory;

    /// <summary>Whether the device stands still because a ring of it lies in memory that its client has taken away.</summary>
    private bool _isWaitingForMemory;

    /// <summary>Makes a function that stands still until a client is ready.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="control">The home's loop.</param>
    /// <param name="loops">The loops that queues are dealt out to, in turn.</param>
    /// <param name="options">How the home behaves.</param>
    /// <param name="log">Where it is said what goes wrong.</param>
    public ServedFunction(
        VirtioDevice device,
        EventLoop control,
        QueueLoop[] loops,
        VfioUserOptions options,
        ILogger log
    )
    {
        _loops = loops;
        _log = log;
        _kicks = new EventFdSignal[device.Queues.Count];
        for (int index = 0; index < _kicks.Length; index++)
        {
            _kicks[index] = new(EventFd.Create());
        }

        PciFunctionOptions function = new()
        {
            Features = options.Features,
            Vectors = options.Vectors,
            IsVectorTableElsewhere = true,
            HasAdminQueue = options.HasAdminQueue,
            TakesDistantMemory = true,
        };
        Function = new(device, this, function);
        Interrupts = new(Function.VectorCount, control);
        Park();
    }

    /// <summary>The function.</summary>
    public PciFunction Function { get; }

    /// <summary>How the client is told of interrupts.</summary>
    public InterruptTable Interrupts { get; }

    /// <summary>How memory of the client is reached that is not mapped; null without a client.</summary>
    public DmaMessages? Distant { get; set; }

    /// <inheritdoc/>
    public bool HasWritesInFlight => Distant is { HasWritesInFlight: true };

    /// <summary>How many queues the device has.</summary>
    public int QueueCount => _kicks.Length;

    /// <inheritdoc/>
    public IQueueLoop LoopFor(int queueIndex) => _loops[queueIndex % _loops.Length];

    /// <inheritdoc/>
    public ISignal KickFor(int queueIndex) => _kicks[queueIndex];

    /// <summary>The descriptor of a queue's kick.</summary>
    public EventFd KickDescriptor(int queueIndex) => _kicks[queueIndex].Descriptor;

    /// <inheritdoc/>
    public void SetInterruptLine(bool isAsserted) => Interrupts.Line.Set(isAsserted);

    /// <inheritdoc/>
    public void CallVector(int vector) => Interrupts.CallVector(vector);

    /// <inheritdoc/>
    public void OnNeedsReset(string reason) => _log.NeedsReset(reason);

    /// <summary>The client has gone: the device keeps its state, and reaches neither memory nor client.</summary>
    public void Park()
    {
        if (!_isParked)
        {
            _isParked = true;
            Function.Lifecycle.Hold();
        }

        SetMemory(NoMemory);
        Interrupts.Clear();
    }

    /// <summary>Gives the device other memory. Queues stop meanwhile; those whose rings are in the new memory go on there.</summary>
    /// <remarks>
    /// Clients change their map piece by piece: QEMU takes away all memory above 768 KiB and makes it known again some fifteen times
    /// while firmware starts, which may have a queue running. So a device whose rings are gone stands still until they are back.
    /// </remarks>
    /// <param name="memory">The memory; it lives until it is replaced.</param>
    public void SetMemory(GuestMemory memory)
    {
        _memory = memory;
        if (!_isWaitingForMemory)
        {
            _isWaitingForMemory = true;
            Function.Lifecycle.Hold();
        }

        Function.Attach(memory);
        GoOnIfMemoryIsThere();
    }

    /// <summary>Lets a device go on that waited for memory it does not need any more, or that has come back.</summary>
    public void GoOnIfMemoryIsThere()
    {
        if (_isWaitingForMemory && Function.Lifecycle.HasRingsIn(_memory))
        {
            _isWaitingForMemory = false;
            Function.Lifecycle.Release();
        }
    }

    /// <summary>The client is ready: the device goes on where it stood.</summary>
    public void Unpark()
    {
        if (_isParked)
        {
            _isParked = false;
            Function.Lifecycle.Release();
        }
    }

    /// <summary>Stops the device and closes what was made for it.</summary>
    public void Dispose()
    {
        Park();
        Function.Reset();
        Interrupts.Dispose();
        foreach (EventFdSignal kick in _kicks)
        {
            kick.Descriptor.Dispose();
        }
    }
}
