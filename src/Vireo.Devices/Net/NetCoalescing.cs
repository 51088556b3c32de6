using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>What the driver asked for about notifications of each queue (VIRTIO 1.4 §5.1.6.5.10).</summary>
/// <remarks>
/// Kept and told, and met by calling more often: the device calls once or twice per turn, however many packets it brought, and delays nothing.
/// The specification leaves that to the device.
/// </remarks>
internal sealed class NetCoalescing
{
    private readonly Lock _gate = new();
    private readonly Parameters[] _queues;

    /// <summary>What was set for all receive and for all transmit queues.</summary>
    private readonly Parameters[] _directions = new Parameters[2];

    /// <summary>Makes the record.</summary>
    /// <param name="queueCount">How many receive and transmit queues there are.</param>
    public NetCoalescing(int queueCount) => _queues = new Parameters[queueCount];

    /// <summary>The parameters of a queue.</summary>
    public Parameters Get(int queueIndex)
    {
        lock (_gate)
        {
            return _queues[queueIndex];
        }
    }

    /// <summary>Sets those of one queue.</summary>
    public void Set(int queueIndex, Parameters parameters)
    {
        lock (_gate)
        {
            _queues[queueIndex] = parameters;
        }
    }

    /// <summary>Sets those of all queues of a direction.</summary>
    /// <param name="direction">0 for receive queues, 1 for transmit queues.</param>
    /// <param name="parameters">The parameters.</param>
    public void SetDirection(int direction, Parameters parameters)
    {
        lock (_gate)
        {
            _directions[direction] = parameters;
            for (int index = direction; index < _queues.Length; index += 2)
            {
                _queues[index] = parameters;
            }
        }
    }

    /// <summary>A queue starts: it has what was set for its direction.</summary>
    public void Begin(int queueIndex)
    {
        lock (_gate)
        {
            _queues[queueIndex] = _directions[queueIndex % 2];
        }
    }

    /// <summary>Nothing is coalesced.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            Array.Clear(_queues);
            Array.Clear(_directions);
        }
    }

    /// <summary>What is asked for (<c>struct virtio_net_ctrl_coal</c>).</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Parameters
    {
        /// <summary>How many packets may share a notification.</summary>
        public Le32 PacketsMax;

        /// <summary>For how long a notification may be delayed, in microseconds.</summary>
        public Le32 MicrosecondsMax;
    }
}
