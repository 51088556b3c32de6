using Vireo.Homes.Loops;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Events;

namespace Vireo.Homes.VfioUser.Interrupts;

/// <summary>How a client is told of interrupts, and what SET_IRQS changes about it.</summary>
/// <remarks>Control thread, but for the signals themselves.</remarks>
internal sealed class InterruptTable : IDisposable, ILoopWatcher
{
    private const uint ByEventFd = 1;
    private const uint Maskable = 2;
    private const uint MasksItself = 4;
    private const uint SetUpAsAWhole = 8;

    private readonly ReplaceableSignal[] _vectors;
    private readonly EventLoop _control;

    /// <summary>By which the client unmasks the line without a message.</summary>
    private EventFd? _unmask;
    private LoopWatch? _unmaskWatch;

    /// <summary>Makes a table in which nothing is announced.</summary>
    /// <param name="vectors">How many MSI-X vectors there are.</param>
    /// <param name="control">The home's loop.</param>
    public InterruptTable(int vectors, EventLoop control)
    {
        _control = control;
        _vectors = new ReplaceableSignal[vectors];
        for (int index = 0; index < vectors; index++)
        {
            _vectors[index] = new();
        }
    }

    /// <summary>The interrupt line.</summary>
    public LineInterrupt Line { get; } = new();

    /// <summary>Sends a message. Any thread.</summary>
    /// <param name="vector">Which; below the number of vectors.</param>
    public void CallVector(int vector) => _vectors[vector].Notify();

    /// <summary>Says what a type of interrupts can do.</summary>
    /// <param name="index">Which type.</param>
    /// <exception cref="RefusalException">There is no such type.</exception>
    public IrqInfo Describe(uint index) =>
        index switch
        {
            IrqIndex.Line => Info(index, ByEventFd | Maskable | MasksItself, 1),
            IrqIndex.Msi => Info(index, 0, 0),
            IrqIndex.Msix => Info(index, ByEventFd | SetUpAsAWhole, (uint)_vectors.Length),
            _ => throw new RefusalException($"there are no interrupts of type {index}"),
        };

    /// <summary>Does what SET_IRQS asks.</summary>
    /// <param name="set">What it asks.</param>
    /// <param name="message">The message, for its data and descriptors.</param>
    /// <returns>Whether vectors have got descriptors: the client is ready for what they announce.</returns>
    /// <exception cref="RefusalException">That cannot be done.</exception>
    public bool Apply(IrqSet set, Message message)
    {
        Check(set, message);
        if (set is { Count: 0, Flags: IrqSetFlags.DataNone | IrqSetFlags.ActionTrigger })
        {
            Disable(set.Index);
            return false;
        }

        return set.Index == IrqIndex.Msix ? ApplyToVectors(set, message) : ApplyToLine(set, message);
    }

    /// <summary>Announces nothing any more, and closes all descriptors.</summary>
    public void Clear()
    {
        Disable(IrqIndex.Line);
        Disable(IrqIndex.Msix);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        Line.Dispose();
        foreach (ReplaceableSignal vector in _vectors)
        {
            vector.Dispose();
        }
    }

    /// <inheritdoc/>
    void ILoopWatcher.OnEvents(LoopWatch watch, LoopEvents events)
    {
        if ((events & (LoopEvents.Error | LoopEvents.HangUp)) != LoopEvents.None)
        {
            watch.Dispose();
        }

        _unmask?.TryDrain();
        Line.Unmask();
    }

    private static IrqInfo Info(uint index, uint flags, uint count) =>
        new()
        {
            Index = index,
            Flags = flags,
            Count = count,
        };

    private void Check(IrqSet set, Message message)
    {
        uint count = Describe(set.Index).Count;
        IrqSetFlags data = set.Flags & IrqSetFlags.DataMask;
        IrqSetFlags action = set.Flags & IrqSetFlags.ActionsMask;
        bool isOneOfEach =
            data is IrqSetFlags.DataNone or IrqSetFlags.DataBool or IrqSetFlags.DataEventFd
            && action is IrqSetFlags.ActionMask or IrqSetFlags.ActionUnmask or IrqSetFlags.ActionTrigger;
        if (!isOneOfEach || (data | action) != set.Flags)
        {
            throw new RefusalException($"flags 0x{(uint)set.Flags:x} are not one kind of data and one action");
        }

        if (set.Start > count || set.Count > count - set.Start)
        {
            throw new RefusalException(
                $"{set.Count} interrupts from {set.Start} on, where type {set.Index} has {count}"
            );
        }

        bool wantsDescriptors = data == IrqSetFlags.DataEventFd;
        if (message.DescriptorCount != 0 && (!wantsDescriptors || (uint)message.DescriptorCount != set.Count))
        {
            throw new RefusalException($"{message.DescriptorCount} descriptors came for {set.Count} interrupts");
        }

        if (data == IrqSetFlags.DataBool && Bools(message).Length < set.Count)
        {
            throw new RefusalException($"{Bools(message).Length} bytes came for {set.Count} interrupts");
        }
    }

    private static ReadOnlySpan<byte> Bools(Message message) =>
        message.Payload[Vireo.Core.Spec.Wire.SizeOf<IrqSet>()..];

    /// <summary>Whether an interrupt is meant, counted from the first of the message.</summary>
    private static bool IsMeant(IrqSet set, Message message, int offset) =>
        !set.Flags.HasFlag(IrqSetFlags.DataBool) || Bools(message)[offset] != 0;

    private bool ApplyToVectors(IrqSet set, Message message)
    {
        if (!set.Flags.HasFlag(IrqSetFlags.ActionTrigger))
        {
            throw new RefusalException(Errno.ENOTTY, "vectors are masked in their table, not by message");
        }

        bool isWiring = set.Flags.HasFlag(IrqSetFlags.DataEventFd);
        for (int offset = 0; offset < set.Count; offset++)
        {
            ReplaceableSignal vector = _vectors[(int)set.Start + offset];
            if (isWiring)
            {
                vector.Replace(TakeEventFd(message, offset));
            }
            else if (IsMeant(set, message, offset))
            {
                vector.Notify();
            }
        }

        return isWiring && message.DescriptorCount > 0;
    }

    private bool ApplyToLine(IrqSet set, Message message)
    {
        bool isWiring = set.Flags.HasFlag(IrqSetFlags.DataEventFd);
        if (set.Count == 0 || !isWiring && !IsMeant(set, message, 0))
        {
            return false;
        }

        switch (set.Flags & IrqSetFlags.ActionsMask)
        {
            case IrqSetFlags.ActionTrigger when isWiring:
                Line.Replace(TakeEventFd(message, 0));
                break;
            case IrqSetFlags.ActionTrigger:
                Line.Trigger();
                break;
            case IrqSetFlags.ActionUnmask when isWiring:
                WatchForUnmask(TakeEventFd(message, 0));
                break;
            case IrqSetFlags.ActionUnmask:
                Line.Unmask();
                break;
            case IrqSetFlags.ActionMask when isWiring:
                throw new RefusalException(Errno.ENOTTY, "the line is not masked by descriptor");
            default:
                Line.Mask();
                break;
        }

        return false;
    }

    private void Disable(uint index)
    {
        if (index == IrqIndex.Msix)
        {
            foreach (ReplaceableSignal vector in _vectors)
            {
                vector.Replace(null);
            }
        }
        else if (index == IrqIndex.Line)
        {
            Line.Replace(null);
            WatchForUnmask(null);
        }
    }

    private void WatchForUnmask(EventFd? descriptor)
    {
        _unmaskWatch?.Dispose();
        _unmask?.Dispose();
        _unmaskWatch = null;
        _unmask = descriptor;
        if (descriptor is not null)
        {
            _unmaskWatch = _control.Watch(descriptor.Handle, LoopEvents.Readable, this);
        }
    }

    private static EventFd? TakeEventFd(Message message, int index)
    {
        if (message.DescriptorCount == 0)
        {
            return null;
        }

        try
        {
            return EventFd.Wrap(message.TakeDescriptor(index));
        }
        catch (LinuxException exception)
        {
            throw new RefusalException(exception.Error, exception.Message);
        }
    }
}
