using System.Buffers.Binary;
using Vireo.Core.Memory;
using Vireo.Devices.Net;
using Vireo.Linux.Events;

namespace Vireo.GuestTests.Peers;

/// <summary>A network that sends numbered packets, and looks at each one that comes back.</summary>
/// <remarks>
/// So few are under way that whoever sends them back has room for all: none may be missing. A driver that starts throws away what is in
/// its rings by then, as DPDK's does after it has switched them on; so each pair is greeted until a greeting comes back.
/// </remarks>
/// <param name="loop">The loop that all queues run on.</param>
/// <param name="packetsPerPair">How many packets each pair is sent.</param>
/// <param name="pairs">How many pairs.</param>
internal sealed class CheckingPort(EventLoop loop, long packetsPerPair, int pairs) : INetPort
{
    private const int UnderWayMax = 96;
    private const int NumberOffset = 14;
    private const int FillOffset = NumberOffset + sizeof(long);

    /// <summary>In place of the number of a greeting.</summary>
    private const long Greeting = -1;

    /// <summary>Packets of 64 to 1,500 bytes, by their numbers.</summary>
    private const int LengthMin = 64;
    private const int Lengths = 1437;

    /// <summary>Bytes that count up, again and again: a packet has those from its number on.</summary>
    private static readonly byte[] Fill =
    [
        .. Enumerable.Range(0, byte.MaxValue + 1 + LengthMin + Lengths).Select(static at => (byte)(at & byte.MaxValue)),
    ];

    private readonly Pair[] _pairs = [.. Enumerable.Range(0, pairs).Select(static index => new Pair(index))];

    public NetPortTraits Traits { get; } = new() { PairsMax = pairs };

    public bool IsLinkUp => true;

    public Action? LinkChanged { get; set; }

    /// <summary>What was wrong first; empty for nothing.</summary>
    public string Complaint { get; private set; } = "";

    public long Returned => _pairs.Sum(static pair => Volatile.Read(ref pair.Returned));

    public bool IsDone => Complaint.Length > 0 || Returned == packetsPerPair * _pairs.Length;

    /// <summary>How far each pair has come.</summary>
    public override string ToString() =>
        string.Join(
            ", ",
            _pairs.Select(static pair =>
                $"pair {pair.Index} sent {pair.Sent} and got {Volatile.Read(ref pair.Returned)} back"
            )
        );

    public void SetReceiveOffloads(NetOffloads offloads) { }

    public void SetPairsUsed(int count) { }

    public INetSender OpenSender(int pairIndex, INetQueue queue) => new Sender(this, _pairs[pairIndex]);

    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue)
    {
        _pairs[pairIndex].Queue = queue;
        return new Receiver(this, _pairs[pairIndex], queue);
    }

    public void Inject(ReadOnlySpan<byte> frame) { }

    /// <summary>Greets each pair that has not been heard of. Any thread; now and then until packets come.</summary>
    public void Greet() =>
        loop.Post(() =>
        {
            foreach (Pair pair in _pairs)
            {
                pair.IsGreetingDue = !pair.IsHeard;
                pair.Queue?.Wake();
            }
        });

    private static int LengthOf(long number) =>
        number == Greeting ? LengthMin : LengthMin + (int)(number * 7 % Lengths);

    private static void Make(Span<byte> frame, int pair, long number)
    {
        MacAddress.Broadcast.Write(frame);
        MacAddress.Local((ulong)pair).Write(frame[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], 0x88b5);
        BinaryPrimitives.WriteInt64LittleEndian(frame[NumberOffset..], number);
        int first = (int)((number + FillOffset) & byte.MaxValue);
        Fill.AsSpan(first, frame.Length - FillOffset).CopyTo(frame[FillOffset..]);
    }

    private void Check(Pair pair, in NetFrame frame)
    {
        if (Complaint.Length > 0)
        {
            return;
        }

        if (IsGreeting(in frame))
        {
            pair.IsHeard = true;
            pair.Queue?.Wake();
            return;
        }

        long number = pair.Returned;
        int length = LengthOf(number);
        Span<byte> came = pair.Came.AsSpan(0, Math.Min(frame.LengthBytes, pair.Came.Length));
        Span<byte> expected = pair.Expected.AsSpan(0, length);
        Make(expected, pair.Index, number);
        if (frame.LengthBytes != length)
        {
            Complaint = $"packet {number} of pair {pair.Index} has {frame.LengthBytes} bytes, not {length}";
            return;
        }

        frame.CopyTo(came);
        if (!came.SequenceEqual(expected))
        {
            long other = BinaryPrimitives.ReadInt64LittleEndian(came[NumberOffset..]);
            Complaint = $"packet {number} of pair {pair.Index} is {other}, or was changed on its way";
            return;
        }

        Volatile.Write(ref pair.Returned, number + 1);
        if (pair.Sent < packetsPerPair)
        {
            pair.Queue?.Wake();
        }
    }

    private static bool IsGreeting(in NetFrame frame)
    {
        if (frame.LengthBytes != LengthMin)
        {
            return false;
        }

        Span<byte> came = stackalloc byte[LengthMin];
        frame.CopyTo(came);
        return BinaryPrimitives.ReadInt64LittleEndian(came[NumberOffset..]) == Greeting;
    }

    private sealed class Pair(int index)
    {
        public long Returned;

        public int Index => index;

        public long Sent { get; set; }

        public bool IsHeard { get; set; }

        public bool IsGreetingDue { get; set; }

        public INetReceiveQueue? Queue { get; set; }

        public byte[] Came { get; } = new byte[NetFrame.LengthMax];

        public byte[] Expected { get; } = new byte[LengthMin + Lengths];
    }

    private sealed class Sender(CheckingPort port, Pair pair) : INetSender
    {
        public bool HasRoom => true;

        public void Send(in NetFrame frame) => port.Check(pair, in frame);

        public void Flush() { }

        public void Dispose() { }
    }

    private sealed class Receiver(CheckingPort port, Pair pair, INetReceiveQueue queue) : INetReceiver
    {
        private readonly byte[] _frame = new byte[LengthMin + Lengths];

        public int Receive(int countMax)
        {
            int count = 0;
            if (pair.IsGreetingDue)
            {
                pair.IsGreetingDue = false;
                TryDeliver(Greeting);
            }

            if (!pair.IsHeard)
            {
                return 0;
            }

            while (count < countMax && pair.Sent < port.Limit && pair.Sent - pair.Returned < UnderWayMax)
            {
                if (!TryDeliver(pair.Sent))
                {
                    break;
                }

                pair.Sent++;
                count++;
            }

            return count;
        }

        public void Dispose() => pair.Queue = null;

        private bool TryDeliver(long number)
        {
            Span<byte> frame = _frame.AsSpan(0, LengthOf(number));
            Make(frame, pair.Index, number);
            return queue.Deliver(new NetFrame(default, frame, ReadOnlySpan<Segment>.Empty, frame.Length))
                != NetDelivery.Full;
        }
    }

    private long Limit => packetsPerPair;
}
