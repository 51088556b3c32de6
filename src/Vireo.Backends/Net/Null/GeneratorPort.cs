using System.Buffers.Binary;
using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Null;

/// <summary>A network that sends the same frame over and over, as fast as the driver takes it, and takes every frame.</summary>
/// <remarks>The frame is broadcast, of an EtherType for experiments (0x88b5), and holds bytes that count up.</remarks>
public sealed class GeneratorPort : INetPort
{
    private readonly byte[] _frame;

    /// <summary>Makes a generator.</summary>
    /// <param name="frameBytes">Length of each frame, 60 to 65,535.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is out of range.</exception>
    public GeneratorPort(int frameBytes)
    {
        const int LengthMin = 60;
        const ushort EtherTypeExperiment = 0x88b5;
        ArgumentOutOfRangeException.ThrowIfLessThan(frameBytes, LengthMin);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frameBytes, ushort.MaxValue);
        _frame = new byte[frameBytes];
        for (int index = 0; index < frameBytes; index++)
        {
            _frame[index] = (byte)(index & 0xff);
        }

        MacAddress.Broadcast.Write(_frame);
        MacAddress.Local(1).Write(_frame.AsSpan(MacAddress.LengthBytes));
        BinaryPrimitives.WriteUInt16BigEndian(_frame.AsSpan(2 * MacAddress.LengthBytes), EtherTypeExperiment);
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
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) => new Receiver(_frame, queue);

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame) { }

    private sealed class Receiver(byte[] frame, INetReceiveQueue queue) : INetReceiver
    {
        public int Receive(int countMax)
        {
            NetFrame generated = new(default, frame, [], frame.Length);
            int count = 0;
            while (count < countMax && queue.Deliver(in generated) != NetDelivery.Full)
            {
                count++;
            }

            return count;
        }

        public void Dispose() { }
    }
}
