using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Vireo.Core.Memory;
using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Capture;

/// <summary>Writes frames into a file that Wireshark, tshark and tcpdump read (pcapng).</summary>
/// <remarks>
/// Any thread: several queues write into one file. Frames are gathered and written together; a file that cannot be written any more ends the
/// recording and is counted, the network goes on.
/// </remarks>
public sealed class PcapngWriter : IDisposable
{
    private const int SnapMin = NetFrame.EthernetBytes;
    private const int SnapMax = 262_144;
    private const uint SectionBlock = 0x0a0d0d0a;
    private const uint InterfaceBlock = 1;
    private const uint PacketBlock = 6;
    private const uint ByteOrder = 0x1a2b3c4d;
    private const ushort Ethernet = 1;
    private const int PacketFixedBytes = 28;

    /// <summary>Option of a packet block: its direction; and the end of options, and the length at the block's end.</summary>
    private const int PacketTrailerBytes = 8 + 4 + 4;

    private const int BufferBytes = 1 << 20;

    private readonly Lock _gate = new();
    private readonly CaptureOptions _options;
    private readonly TimeProvider _time;
    private readonly string _path;
    private readonly string _interfaceName;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly long _startNs;
    private readonly long _startStamp;
    private FileStream? _file;
    private int _used;
    private long _fileBytes;
    private long _lost;

    /// <summary>Begins a file; one of that name is replaced.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="interfaceName">What the interface is called in it.</param>
    /// <param name="options">How frames are recorded; null for the defaults.</param>
    /// <param name="time">The clock; null for the host's.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The user may not make it.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public PcapngWriter(string path, string interfaceName, CaptureOptions? options = null, TimeProvider? time = null)
    {
        _options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.SnapBytes, SnapMin, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.SnapBytes, SnapMax, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.FilesMax, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(_options.FileBytesMax, nameof(options));
        _time = time ?? TimeProvider.System;
        _path = path;
        _interfaceName = interfaceName;
        _startNs = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        _startStamp = _time.GetTimestamp();
        _file = Begin();
    }

    /// <summary>Frames that could not be recorded, because the file could not be written.</summary>
    // Acquire: pairs with the writer's stores; a number only has to be current.
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Records a frame.</summary>
    /// <param name="frame">The frame; segments that are yet to be cut are recorded as they are.</param>
    /// <param name="isFromDriver">Whether the driver sent it, rather than received it.</param>
    public void Write(in NetFrame frame, bool isFromDriver)
    {
        lock (_gate)
        {
            if (_file is null)
            {
                _lost++;
                return;
            }

            int kept = Math.Min(frame.LengthBytes, _options.SnapBytes);
            int padded = (kept + 3) & ~3;
            int length = PacketFixedBytes + padded + PacketTrailerBytes;
            bool isFull = _options.FileBytesMax != 0 && _fileBytes + length > _options.FileBytesMax;
            if (isFull && !TryRotate())
            {
                _lost++;
                return;
            }

            if (_used + length > _buffer.Length && !TryFlush())
            {
                _lost++;
                return;
            }

            Add(in frame, kept, padded, length, isFromDriver);
        }
    }

    /// <summary>Writes what was gathered.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            TryFlush();
        }
    }

    /// <summary>Writes what was gathered, and closes the file.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            TryFlush();
            _file?.Dispose();
            _file = null;
        }
    }

    private void Add(in NetFrame frame, int kept, int padded, int length, bool isFromDriver)
    {
        const ushort FlagsOption = 2;
        const uint Inbound = 1;
        const uint Outbound = 2;
        Span<byte> block = _buffer.AsSpan(_used, length);
        long elapsed = (long)_time.GetElapsedTime(_startStamp).TotalMicroseconds * 1000;
        ulong time = (ulong)(_startNs + elapsed);
        Write32(block, PacketBlock);
        Write32(block[4..], (uint)length);
        Write32(block[8..], 0);
        Write32(block[12..], (uint)(time >> 32));
        Write32(block[16..], (uint)(time & uint.MaxValue));
        Write32(block[20..], (uint)kept);
        Write32(block[24..], (uint)frame.LengthBytes);
        Copy(in frame, block.Slice(PacketFixedBytes, kept));
        block.Slice(PacketFixedBytes + kept, padded - kept).Clear();
        Span<byte> trailer = block[(PacketFixedBytes + padded)..];
        BinaryPrimitives.WriteUInt16LittleEndian(trailer, FlagsOption);
        BinaryPrimitives.WriteUInt16LittleEndian(trailer[2..], sizeof(uint));
        Write32(trailer[4..], isFromDriver ? Outbound : Inbound);
        Write32(trailer[8..], 0);
        Write32(trailer[12..], (uint)length);
        _used += length;
        _fileBytes += length;
    }

    private static void Copy(in NetFrame frame, Span<byte> destination)
    {
        int count = Math.Min(frame.Head.Length, destination.Length);
        frame.Head[..count].CopyTo(destination);
        destination = destination[count..];
        foreach (Segment segment in frame.Rest)
        {
            count = Math.Min(segment.Length, destination.Length);
            segment.Bytes[..count].CopyTo(destination);
            destination = destination[count..];
        }
    }

    private bool TryFlush()
    {
        if (_file is null)
        {
            return false;
        }

        try
        {
            _file.Write(_buffer, 0, _used);
            _used = 0;
            return true;
        }
        catch (IOException)
        {
            // A full disk must not end anybody's network.
            _file.Dispose();
            _file = null;
            return false;
        }
    }

    private bool TryRotate()
    {
        if (!TryFlush())
        {
            return false;
        }

        _file!.Dispose();
        _file = null;
        try
        {
            for (int number = _options.FilesMax - 1; number >= 1; number--)
            {
                string older = number == 1 ? _path : NameOf(number - 1);
                if (File.Exists(older))
                {
                    File.Move(older, NameOf(number), overwrite: true);
                }
            }

            _file = Begin();
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{_path}.{number}");

    private FileStream Begin()
    {
        // Whoever may look at a guest's packets is for its owner to say.
        FileStream file = new(
            _path,
            new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                Share = FileShare.Read,
                BufferSize = 0,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }
        );
        byte[] beginning = MakeBeginning();
        file.Write(beginning);
        _fileBytes = beginning.Length;
        return file;
    }

    /// <summary>The blocks every file begins with: a section, and one interface whose times are nanoseconds.</summary>
    private byte[] MakeBeginning()
    {
        const ushort NameOption = 2;
        const ushort ResolutionOption = 9;
        const int SectionBytes = 28;
        byte[] name = Encoding.UTF8.GetBytes(_interfaceName);
        int namePadded = (name.Length + 3) & ~3;
        int interfaceBytes = 16 + 4 + namePadded + 8 + 4 + 4;
        byte[] bytes = new byte[SectionBytes + interfaceBytes];
        Span<byte> section = bytes.AsSpan(0, SectionBytes);
        Write32(section, SectionBlock);
        Write32(section[4..], SectionBytes);
        Write32(section[8..], ByteOrder);
        BinaryPrimitives.WriteUInt16LittleEndian(section[12..], 1);
        // The length of the section is not known.
        BinaryPrimitives.WriteInt64LittleEndian(section[16..], -1);
        Write32(section[24..], SectionBytes);
        Span<byte> block = bytes.AsSpan(SectionBytes);
        Write32(block, InterfaceBlock);
        Write32(block[4..], (uint)interfaceBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(block[8..], Ethernet);
        Write32(block[12..], (uint)_options.SnapBytes);
        Span<byte> options = block[16..];
        BinaryPrimitives.WriteUInt16LittleEndian(options, NameOption);
        BinaryPrimitives.WriteUInt16LittleEndian(options[2..], (ushort)name.Length);
        name.CopyTo(options[4..]);
        options = options[(4 + namePadded)..];
        BinaryPrimitives.WriteUInt16LittleEndian(options, ResolutionOption);
        BinaryPrimitives.WriteUInt16LittleEndian(options[2..], 1);
        options[4] = 9;
        Write32(block[(interfaceBytes - 4)..], (uint)interfaceBytes);
        return bytes;
    }

    private static void Write32(Span<byte> destination, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(destination, value);
}
