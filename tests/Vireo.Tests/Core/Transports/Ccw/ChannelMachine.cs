using System.Buffers.Binary;
using Vireo.Core.Memory;
using Vireo.Core.Transports.Ccw;

namespace Vireo.Tests.Core.Transports.Ccw;

/// <summary>A channel device with memory: runs programs that a test writes word by word.</summary>
internal sealed class ChannelMachine : ICcwAccess, IDisposable
{
    public const uint Subchannel = 0x0001_0000;

    /// <summary>Where programs are put.</summary>
    public const uint ProgramAt = 0x8000;

    /// <summary>Where data is put.</summary>
    public const uint DataAt = 0x9000;

    private readonly OwnedMemory _memory = new(1 << 20);

    public ChannelMachine(ProbeDevice device, ProbeHost host, CcwOptions? options = null)
    {
        Memory = new([_memory.At(new(0))]);
        Device = new(device, host, options);
        Device.Attach(Memory);
    }

    public CcwDevice Device { get; }

    public MappedMemory Memory { get; }

    public ChannelResult Start(ChannelRequest request) => Device.Start(request);

    // The upper half of the register is the driver's to leave as it is.
    public ulong Notify(ulong data, ulong cookie) =>
        Device.Notify(0xdead_beef_0000_0000 | Subchannel, data, cookie)!.Value;

    /// <summary>Runs one command with data at the usual place.</summary>
    public ChannelResult Run(int command, Span<byte> data, int flags = 0, int? count = null)
    {
        Assert.True(Memory.TryWrite(new(DataAt), data));
        ChannelResult result = RunWords(Word(command, flags, count ?? data.Length, DataAt));
        Assert.True(Memory.TryRead(new(DataAt), data));
        return result;
    }

    /// <summary>Runs words in format 1.</summary>
    public ChannelResult RunWords(params ReadOnlySpan<byte[]> words)
    {
        Put(ProgramAt, words);
        return Device.Start(new(ProgramAt));
    }

    /// <summary>Puts words or other bytes one behind the other.</summary>
    public void Put(uint address, params ReadOnlySpan<byte[]> parts)
    {
        foreach (byte[] part in parts)
        {
            Assert.True(Memory.TryWrite(new(address), part));
            address += (uint)part.Length;
        }
    }

    public byte[] Get(uint address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(Memory.TryRead(new(address), bytes));
        return bytes;
    }

    /// <summary>A word of format 1.</summary>
    public static byte[] Word(int command, int flags, int count, uint address)
    {
        byte[] word = [(byte)command, (byte)flags, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(word.AsSpan(2), (ushort)count);
        BinaryPrimitives.WriteUInt32BigEndian(word.AsSpan(4), address);
        return word;
    }

    /// <summary>A word of format 0.</summary>
    public static byte[] OldWord(int command, int flags, int count, uint address)
    {
        byte[] word = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(word, (uint)command << 24 | address);
        word[4] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(word.AsSpan(6), (ushort)count);
        return word;
    }

    public static byte[] Big16(params ReadOnlySpan<ushort> values)
    {
        byte[] bytes = new byte[values.Length * 2];
        for (int index = 0; index < values.Length; index++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(index * 2), values[index]);
        }

        return bytes;
    }

    public static byte[] Big32(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Big64(params ReadOnlySpan<ulong> values)
    {
        byte[] bytes = new byte[values.Length * 8];
        for (int index = 0; index < values.Length; index++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(index * 8), values[index]);
        }

        return bytes;
    }

    public void Dispose() => _memory.Dispose();
}
