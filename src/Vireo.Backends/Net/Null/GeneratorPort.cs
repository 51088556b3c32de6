using System.Buffers.Binary;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Null;

/// <summary>A network that sends the same frame over and over, as fast as the driver takes it, and takes every frame.</summary>
/// <remarks>The frame is broadcast, of an EtherType for experiments (0x88b5), and holds bytes that count up.</remarks>
public sealed class GeneratorPort : INetPort, IDisposable
{
    private readonly OwnedMemory _memory;

    /// <summary>The frame, over and over.</summary>
    private readonly Segment[] _burst = new Segment[DeviceQueue.PeekMax];

    /// <summary>Makes a generator.</summary>
    /// <param name="frameBytes">Length of each frame, 60 to 65,535.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is out of range.</exception>
    public GeneratorPort(int frameBytes)
    {
        const int LengthMin = 60;
        const ushort EtherTypeExperiment = 0x88b5;
        ArgumentOutOfRangeException.ThrowIfLessThan(frameBytes, LengthMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frameBytes, ushort.MaxValue);
        _memory = new((ulong)frameBytes);
        Segment segment = _memory.Slice(0, frameBytes);
        Span<byte> frame = segment.Bytes;
        for (int index = 0; index < frameBytes; index++)
        {
            frame[index] = (byte)(index & 0xff);
        }

        MacAddress.Broadcast.Write(frame);
        MacAddress.Local(1).Write(frame[MacAddress.LengthBytes..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[(2 * MacAddress.LengthBytes)..], EtherTypeExperiment);
        Array.Fill(_burst, segment);
    }

    /// <inheritdoc/>
    public NetPortTraits Traits { get; } =
        new()
        {
            PairsMax = NetDevice.PairsLimit,
            SendOffloads = NetOffloads.All,
            ReadsFrames = false,
        };

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) => new NullPort();

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) => new Receiver(_burst, queue);

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame) { }

    /// <summary>Frees the frame. The device has to be gone.</summary>
    public void Dispose() => _memory.Dispose();

    private sealed class Receiver(Segment[] burst, INetReceiveQueue queue) : INetReceiver
    {
        public int Receive(int countMax)
        {
            int count = 0;
            while (count < countMax)
            {
                int wanted = Math.Min(burst.Length, countMax - count);
                int taken = queue.Deliver(new NetBurst(burst.AsSpan(0, wanted), [])).Taken;
                count += taken;
                if (taken < wanted)
                {
                    break;
                }
            }

            return count;
        }

        public void Dispose() { }
    }
}
