using Vireo.Homes.Loops;
using Vireo.Homes.Peers;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;

namespace Vireo.Homes.VhostUser;

/// <summary>What the front-end has said of one ring.</summary>
/// <remarks>Owns the ring's descriptors. Whether its queue runs is the lifecycle's to know.</remarks>
internal sealed class Ring : IDisposable
{
    /// <summary>The byte order as SET_VRING_ENDIAN has it.</summary>
    private const uint BigEndian = 1;

    /// <summary>Makes a ring that is stopped and disabled.</summary>
    /// <param name="index">Which queue of the device.</param>
    public Ring(int index) => Index = index;

    /// <summary>Which queue of the device.</summary>
    public int Index { get; }

    /// <summary>How many descriptors; 0 until said.</summary>
    public ushort Size { get; set; }

    /// <summary>Where it lies; null until said.</summary>
    public VringAddress? Address { get; set; }

    /// <summary>Where its queue begins, or where it stopped; see <see cref="RingPosition"/>.</summary>
    public uint Position { get; set; }

    /// <summary>Whether the ring is started: from its kick to the question for its position.</summary>
    public bool IsStarted { get; set; }

    /// <summary>Whether the ring is enabled.</summary>
    public bool IsEnabled { get; set; }

    /// <summary>Announces buffers; null for a ring that is to be looked at all the time.</summary>
    public EventFd? Kick { get; private set; }

    /// <summary>Announces buffers by messages; null where a descriptor does, or nothing.</summary>
    public LoopSignal? MessageKick { get; private set; }

    /// <summary>Whether a call as a message waits for its answer.</summary>
    public bool IsCallPending { get; set; }

    /// <summary>Whether there was something to call for while a call waited for its answer.</summary>
    public bool IsCallDue { get; set; }

    /// <summary>Announces used buffers.</summary>
    public ReplaceableSignal Call { get; } = new();

    /// <summary>Announces errors; null when the front-end does not want to know.</summary>
    public EventFd? Error { get; private set; }

    /// <summary>Whether the queue should run.</summary>
    public bool ShouldRun => IsStarted && IsEnabled && Size != 0 && Address is not null;

    /// <summary>Takes another kick. The queue does not run.</summary>
    /// <param name="kick">The descriptor, which becomes the ring's, or null.</param>
    public void ReplaceKick(EventFd? kick)
    {
        Kick?.Dispose();
        Kick = kick;
        MessageKick = null;
    }

    /// <summary>Is kicked by messages from now on. The queue does not run.</summary>
    public void UseMessages()
    {
        ReplaceKick(null);
        MessageKick = new();
    }

    /// <summary>Takes another descriptor for errors.</summary>
    /// <param name="error">The descriptor, which becomes the ring's, or null.</param>
    public void ReplaceError(EventFd? error)
    {
        Error?.Dispose();
        Error = error;
    }

    /// <summary>Sets the byte order: what rings have since VIRTIO 1.0 is taken, the other refused (decision 0023).</summary>
    /// <param name="order">0 for little-endian, 1 for big-endian.</param>
    /// <exception cref="ProtocolException">It is neither, or the ring is started.</exception>
    /// <exception cref="RefusalException">It is big-endian.</exception>
    public void SetByteOrder(uint order)
    {
        if (order > BigEndian)
        {
            throw new ProtocolException(
                $"ring {Index} was given byte order {order}, where 0 (little-endian) or 1 (big-endian) was expected"
            );
        }

        if (IsStarted)
        {
            throw new ProtocolException($"ring {Index} cannot change its byte order once it is started");
        }

        if (order == BigEndian)
        {
            throw new RefusalException(
                $"ring {Index} cannot be big-endian: rings and requests are little-endian here, as VIRTIO 1 has them, and legacy "
                    + "drivers of big-endian guests are not served"
            );
        }
    }

    /// <summary>Stops the ring. The queue does not run.</summary>
    public void Stop()
    {
        IsStarted = false;
        // What the kick still says is ours: a front-end that looks at the descriptor next must not find it.
        Kick?.TryDrain();
        ReplaceKick(null);
    }

    /// <summary>Forgets what a reset of the device forgets. The queue does not run.</summary>
    public void Reset()
    {
        Stop();
        IsEnabled = false;
        Size = 0;
        Address = null;
        Position = 0;
    }

    /// <summary>Closes all descriptors. The queue does not run.</summary>
    public void Dispose()
    {
        ReplaceKick(null);
        ReplaceError(null);
        Call.Dispose();
    }
}
