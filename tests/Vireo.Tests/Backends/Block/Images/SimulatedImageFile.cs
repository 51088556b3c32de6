using Vireo.Backends.Block.Images;
using Vireo.Linux;

namespace Vireo.Tests.Backends.Block.Images;

/// <summary>
/// A file in memory on a disk that loses power and fails when a test says so. What was not synced is on the disk or not, each sector for itself, in any
/// order.
/// </summary>
internal sealed class SimulatedImageFile : ImageFile
{
    private const int SectorBytes = 512;

    private readonly List<(long Offset, byte[] Bytes)> _unsynced = [];
    private byte[] _now;
    private byte[] _stable;
    private long _length;

    public SimulatedImageFile(byte[] content, bool isReadOnly = false)
        : base("simulated", isReadOnly)
    {
        _now = [.. content];
        _stable = [.. content];
        _length = content.Length;
    }

    /// <summary>Asked before each call: an error for it to fail with, or null.</summary>
    public Func<SimulatedCall, long, int, Errno?>? Fault { get; set; }

    /// <summary>Called before each call that changes the file or the disk.</summary>
    public Action? Changing { get; set; }

    public override bool IsRegular => true;

    public override long LengthBytes => _length;

    /// <summary>What is on the disk if the power goes now.</summary>
    public byte[] LosePower(Random random)
    {
        byte[] disk = [.. _stable];
        int portion = random.Next(5);
        foreach ((long offset, byte[] bytes) in _unsynced)
        {
            int at = 0;
            while (at < bytes.Length)
            {
                int count = Math.Min(bytes.Length - at, SectorBytes - (int)((offset + at) % SectorBytes));
                if (random.Next(4) < portion)
                {
                    Grow(ref disk, offset + at + count);
                    bytes.AsSpan(at, count).CopyTo(disk.AsSpan((int)offset + at));
                }

                at += count;
            }
        }

        return disk;
    }

    public override void Read(long offset, Span<byte> destination)
    {
        ThrowIfFaulty(SimulatedCall.Read, offset, destination.Length);
        int inside = (int)Math.Clamp(_length - offset, 0, destination.Length);
        _now.AsSpan((int)Math.Min(offset, _length), inside).CopyTo(destination);
        destination[inside..].Clear();
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        Changing?.Invoke();
        ThrowIfFaulty(SimulatedCall.Write, offset, source.Length);
        Put(offset, source.ToArray());
    }

    public override void WriteZeroes(long offset, long length, bool mayUnmap)
    {
        Changing?.Invoke();
        ThrowIfFaulty(SimulatedCall.Write, offset, (int)length);
        Put(offset, new byte[length]);
    }

    public override void Free(long offset, long length)
    {
        Changing?.Invoke();
        long inside = Math.Clamp(_length - offset, 0, length);
        Put(offset, new byte[inside]);
    }

    public override (bool IsData, long LengthBytes) Find(long offset, long length) => (true, length);

    public override void Resize(long lengthBytes)
    {
        Array.Resize(ref _now, (int)lengthBytes);
        Array.Resize(ref _stable, (int)lengthBytes);
        _length = lengthBytes;
    }

    public override void Sync()
    {
        Changing?.Invoke();
        ThrowIfFaulty(SimulatedCall.Sync, 0, 0);
        foreach ((long offset, byte[] bytes) in _unsynced)
        {
            Grow(ref _stable, offset + bytes.Length);
            bytes.CopyTo(_stable, offset);
        }

        _unsynced.Clear();
    }

    public override void Dispose() { }

    private void ThrowIfFaulty(SimulatedCall call, long offset, int length)
    {
        if (Fault?.Invoke(call, offset, length) is { } error)
        {
            throw new LinuxException(error, call.ToString(), Path);
        }
    }

    private void Put(long offset, byte[] bytes)
    {
        Grow(ref _now, offset + bytes.Length);
        bytes.CopyTo(_now, offset);
        _length = _now.Length;
        _unsynced.Add((offset, bytes));
    }

    private static void Grow(ref byte[] bytes, long length)
    {
        if (bytes.Length < length)
        {
            Array.Resize(ref bytes, (int)length);
        }
    }
}
