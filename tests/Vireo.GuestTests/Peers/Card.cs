using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Peers;

/// <summary>Our driver of a network card with one pair of queues, for peers that need no guest.</summary>
internal sealed class Card : IDisposable
{
    private const int ReceiveQueue = 0;
    private const int SendQueue = 1;
    private const int HeaderBytes = 12; // struct virtio_net_hdr_v1
    private const int BufferBytes = 2048;
    private const int MergeReceiveBuffers = 15;

    private readonly DriverSession _session;
    private readonly DriverBuffer[] _received;
    private readonly DriverBuffer[] _sent;
    private readonly Stack<int> _free = new(Enumerable.Range(0, Buffers));

    /// <summary>Starts the card.</summary>
    /// <param name="device">The device; becomes the card's.</param>
    /// <param name="ringFeatures">What the rings are like, as far as the device can do it.</param>
    public Card(VirtioDevice device, FeatureSet ringFeatures)
    {
        _session = DriverSession.Open(
            device,
            FeatureSet.Of(MergeReceiveBuffers),
            new() { Depth = 256, RingFeatures = ringFeatures }
        );
        _session.StartQueues(2, descriptorsPerRequest: 1);
        _received = Allocate();
        _sent = Allocate();
        for (int index = 0; index < Buffers; index++)
        {
            Assert.True(Receiving.TryAdd([], [_received[index].Range], (ulong)index));
        }

        Receiving.Submit();
    }

    /// <summary>How many frames can come before one is taken.</summary>
    public static int Buffers => 64;

    public FeatureSet Features => _session.Features;

    private QueueClient Receiving => _session.Queues[ReceiveQueue];

    private QueueClient Sending => _session.Queues[SendQueue];

    /// <summary>Sends a frame, as soon as a buffer is free for it.</summary>
    public void Send(ReadOnlySpan<byte> frame)
    {
        DriverCompletion done;
        while (Sending.TryTake(out done))
        {
            _free.Push((int)done.Tag);
        }

        if (_free.Count == 0)
        {
            Assert.True(Sending.TryTake(RigTimeouts.Program, out done), "no buffer to send comes back");
            _free.Push((int)done.Tag);
        }

        int slot = _free.Pop();
        Span<byte> bytes = _sent[slot].Bytes[..(HeaderBytes + frame.Length)];
        bytes[..HeaderBytes].Clear();
        frame.CopyTo(bytes[HeaderBytes..]);
        Assert.True(Sending.TryAdd([_sent[slot].Slice(0, bytes.Length).Range], [], (ulong)slot));
        Sending.Submit();
    }

    /// <summary>Takes the next frame.</summary>
    /// <returns>It; null if none has come in time.</returns>
    public byte[]? Receive(TimeSpan timeout)
    {
        if (!Receiving.TryTake(timeout, out DriverCompletion completion))
        {
            return null;
        }

        DriverBuffer buffer = _received[completion.Tag];
        byte[] frame = buffer.Bytes[HeaderBytes..(int)completion.WrittenBytes].ToArray();
        Assert.True(Receiving.TryAdd([], [buffer.Range], completion.Tag));
        Receiving.Submit();
        return frame;
    }

    public void Dispose() => _session.Dispose();

    private DriverBuffer[] Allocate() =>
        [.. Enumerable.Range(0, Buffers).Select(_ => _session.Memory.Allocate(BufferBytes))];
}
