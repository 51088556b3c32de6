using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Drivers.Entropy;

/// <summary>Drives an entropy device from this process (VIRTIO 1.4 §5.4).</summary>
/// <remarks>May be called by any thread, one call at a time.</remarks>
public sealed class EntropyDriver : IDisposable
{
    /// <summary>Bytes asked for with one request.</summary>
    private const int RequestBytes = 4096;

    private readonly DriverSession _session;
    private readonly QueueClient _queue;
    private readonly DriverBuffer _buffer;
    private readonly Lock _gate = new();

    private EntropyDriver(DriverSession session)
    {
        _session = session;
        session.StartQueues(1, descriptorsPerRequest: 1);
        _queue = session.Queues[0];
        _buffer = session.Memory.Allocate(RequestBytes);
    }

    /// <summary>What was negotiated.</summary>
    public FeatureSet Features => _session.Features;

    /// <summary>The hold on the device.</summary>
    public DriverSession Session => _session;

    /// <summary>Brings an entropy device up.</summary>
    /// <param name="device">The device; from here on the driver's, which disposes it, even when this call fails.</param>
    /// <param name="options">How; null takes the defaults.</param>
    /// <exception cref="DeviceException">The device refuses.</exception>
    public static EntropyDriver Open(VirtioDevice device, DriverOptions? options = null)
    {
        var session = DriverSession.Open(device, FeatureSet.Empty, options);
        try
        {
            return new(session);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Fills a buffer with random bytes of the device, and waits for them.</summary>
    /// <param name="destination">Filled.</param>
    /// <exception cref="DriverException">The device gave nothing, broke the rules, or has gone.</exception>
    public void Fill(Span<byte> destination)
    {
        lock (_gate)
        {
            while (destination.Length > 0)
            {
                DriverBuffer part = _buffer.Slice(0, Math.Min(destination.Length, _buffer.Length));
                _queue.TryAdd([], [part.Range], tag: 0);
                _queue.Submit();
                _queue.TryTake(Timeout.InfiniteTimeSpan, out DriverCompletion completion);
                if (completion.WrittenBytes == 0)
                {
                    throw new DriverException("the device answered a request for random bytes with none");
                }

                part.Bytes[..(int)completion.WrittenBytes].CopyTo(destination);
                destination = destination[(int)completion.WrittenBytes..];
            }
        }
    }

    /// <summary>Resets the device and ends it.</summary>
    public void Dispose() => _session.Dispose();
}
