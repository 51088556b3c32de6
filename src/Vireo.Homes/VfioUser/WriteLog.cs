using System.Numerics;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Homes.VfioUser;

/// <summary>Which pages of a client's memory the device has written, while the client copies that memory to another host.</summary>
/// <remarks>Queues set bits while the control thread takes them out; nothing else is shared.</remarks>
internal sealed class WriteLog : IDisposable
{
    /// <summary>Memory up to here can be logged: the bitmap has 256 MiB then, of which only what is touched costs anything.</summary>
    private const ulong AddressMax = (1ul << 43) - 1;

    private const int PagesPerWord = 32;

    private readonly MemoryMapping _bitmap;
    private readonly ulong _pageCount;

    private WriteLog(ulong lastAddress)
    {
        ulong words = lastAddress / DirtyLog.PageBytes / PagesPerWord + 1;
        _pageCount = words * PagesPerWord;
        _bitmap = MemoryMapping.MapAnonymous(
            (nuint)(words * sizeof(uint)),
            MappingAccess.ReadWrite,
            MappingOptions.NoReserve
        );
        Log = new(_bitmap.Address, words * sizeof(uint));
    }

    /// <summary>Where queues note what they write.</summary>
    public DirtyLog Log { get; }

    /// <summary>Begins a log.</summary>
    /// <param name="payload">The ranges that a client names, behind what it says about them.</param>
    /// <exception cref="RefusalException">They are none, not all there, wrap, or lie too high.</exception>
    public static WriteLog Start(ReadOnlySpan<byte> payload)
    {
        if (
            !Wire.TryRead(payload, out LoggingRequest request)
            || request.RangeCount == 0
            || (payload.Length - Wire.SizeOf<LoggingRequest>()) / Wire.SizeOf<LoggingRange>() < request.RangeCount
        )
        {
            throw new RefusalException($"{payload.Length} bytes do not hold the ranges to be logged");
        }

        ReadOnlySpan<LoggingRange> ranges = Wire.Reinterpret<byte, LoggingRange>(
            payload[Wire.SizeOf<LoggingRequest>()..]
        );
        ulong last = 0;
        foreach (LoggingRange range in ranges[..(int)request.RangeCount])
        {
            last = Math.Max(last, LastOf(range));
        }

        if (last > AddressMax)
        {
            throw new RefusalException(
                Errno.E2BIG,
                $"memory up to 0x{last:x} is to be logged, and 0x{AddressMax:x} is the last address"
            );
        }

        try
        {
            return new(last);
        }
        catch (LinuxException exception)
        {
            throw new RefusalException(exception.Error, $"there is no room for the log: {exception.Message}");
        }
    }

    /// <summary>How long the bitmap of a report is.</summary>
    /// <exception cref="RefusalException">The range is not logged, or pages are too small or no power of two.</exception>
    public int ReportBytes(LoggingReport report)
    {
        if (!BitOperations.IsPow2(report.PageBytes) || report.PageBytes < DirtyLog.PageBytes)
        {
            throw new RefusalException(
                $"pages of {report.PageBytes} bytes: a power of two from {DirtyLog.PageBytes} on is what can be reported"
            );
        }

        ulong last = LastOf(report.Range);
        ulong pages = (report.Range.LengthBytes - 1) / report.PageBytes + 1;
        if (report.Range.Address % report.PageBytes != 0 || last / DirtyLog.PageBytes >= _pageCount)
        {
            throw new RefusalException(
                $"0x{report.Range.LengthBytes:x} bytes at 0x{report.Range.Address:x} are not logged, or not aligned to a page"
            );
        }

        return pages <= MessageSocket.TransferBytesMax * 8ul
            ? (int)((pages + 63) / 64 * sizeof(ulong))
            : throw new RefusalException(Errno.E2BIG, $"{pages} pages are more than one message reports");
    }

    /// <summary>Reports what was written since the last report, and begins anew.</summary>
    /// <param name="report">The range; it has been checked.</param>
    /// <param name="bitmap">Zeros of the length that the report has.</param>
    public void Take(LoggingReport report, Span<byte> bitmap)
    {
        ulong first = report.Range.Address / DirtyLog.PageBytes;
        ulong last = LastOf(report.Range) / DirtyLog.PageBytes;
        ulong perBit = report.PageBytes / DirtyLog.PageBytes;
        for (ulong word = first / PagesPerWord; word <= last / PagesPerWord; word++)
        {
            ulong begin = word * PagesPerWord;
            uint wanted = uint.MaxValue;
            wanted <<= begin < first ? (int)(first - begin) : 0;
            wanted &= uint.MaxValue >> (begin + PagesPerWord - 1 > last ? (int)(begin + PagesPerWord - 1 - last) : 0);
            uint written = TakeWord(word, wanted);
            while (written != 0)
            {
                int bit = BitOperations.TrailingZeroCount(written);
                written &= written - 1;
                ulong page = (begin + (uint)bit - first) / perBit;
                bitmap[(int)(page / 8)] |= (byte)(1 << (int)(page % 8));
            }
        }
    }

    /// <summary>Ends the log; no queue uses it any more.</summary>
    public void Dispose() => _bitmap.Dispose();

    private static ulong LastOf(LoggingRange range) =>
        range.LengthBytes > 0 && range.LengthBytes - 1 <= ulong.MaxValue - range.Address
            ? range.Address + (range.LengthBytes - 1)
            : throw new RefusalException($"0x{range.LengthBytes:x} bytes at 0x{range.Address:x} are none, or wrap");

    private uint TakeWord(ulong word, uint wanted)
    {
        Span<byte> bytes = _bitmap.GetSpan((nuint)(word * sizeof(uint)), sizeof(uint));
        ref uint bits = ref Wire.Reinterpret<byte, uint>(bytes)[0];
        // Full: what a queue wrote before it set a bit is seen by whoever copies the page after this.
        return Interlocked.And(ref bits, ~wanted) & wanted;
    }
}
