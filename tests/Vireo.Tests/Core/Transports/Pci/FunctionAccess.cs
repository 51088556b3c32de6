using System.Buffers.Binary;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports.Pci;

/// <summary>Reaches a function in this process.</summary>
internal sealed class FunctionAccess(PciFunction function) : IPciAccess
{
    public void ReadConfig(ulong offset, Span<byte> destination) => function.ReadConfig(offset, destination);

    public void WriteConfig(ulong offset, ReadOnlySpan<byte> source) => function.WriteConfig(offset, source);

    public void ReadBar(int bar, ulong offset, Span<byte> destination) => function.ReadBar(bar, offset, destination);

    public void WriteBar(int bar, ulong offset, ReadOnlySpan<byte> source) => function.WriteBar(bar, offset, source);

    public uint Config(ulong offset, int width = 4)
    {
        byte[] bytes = new byte[4];
        function.ReadConfig(offset, bytes.AsSpan(0, width));
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    public void Config(ulong offset, int width, uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        function.WriteConfig(offset, bytes.AsSpan(0, width));
    }

    public ulong Bar(int bar, ulong offset, int width)
    {
        byte[] bytes = new byte[8];
        function.ReadBar(bar, offset, bytes.AsSpan(0, width));
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    public void Bar(int bar, ulong offset, int width, ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        function.WriteBar(bar, offset, bytes.AsSpan(0, width));
    }
}
