using System.Buffers.Binary;

namespace Vireo.Backends.Block.Qcow2;

/// <summary>Reference counts of neighbouring clusters, as they are in the file.</summary>
/// <param name="bytes">One cluster.</param>
/// <param name="order">A count has 2 to the power of this bits.</param>
internal sealed class RefcountBlock(byte[] bytes, int order)
{
    /// <summary>The counts as they are in the file.</summary>
    public byte[] Bytes { get; } = bytes;

    /// <summary>Whether it is not in the file as it is here.</summary>
    public bool IsDirty { get; set; }

    /// <summary>A count.</summary>
    public ulong this[int index]
    {
        get =>
            order switch
            {
                < 3 => (ulong)(Bytes[index >> (3 - order)] >> Shift(index)) & Most,
                3 => Bytes[index],
                4 => BinaryPrimitives.ReadUInt16BigEndian(Bytes.AsSpan(index * 2)),
                5 => BinaryPrimitives.ReadUInt32BigEndian(Bytes.AsSpan(index * 4)),
                _ => BinaryPrimitives.ReadUInt64BigEndian(Bytes.AsSpan(index * 8)),
            };
        set
        {
            IsDirty = true;
            switch (order)
            {
                case < 3:
                    ref byte place = ref Bytes[index >> (3 - order)];
                    place = (byte)((place & ~((int)Most << Shift(index))) | ((int)value << Shift(index)));
                    break;
                case 3:
                    Bytes[index] = (byte)value;
                    break;
                case 4:
                    BinaryPrimitives.WriteUInt16BigEndian(Bytes.AsSpan(index * 2), (ushort)value);
                    break;
                case 5:
                    BinaryPrimitives.WriteUInt32BigEndian(Bytes.AsSpan(index * 4), (uint)value);
                    break;
                default:
                    BinaryPrimitives.WriteUInt64BigEndian(Bytes.AsSpan(index * 8), value);
                    break;
            }
        }
    }

    /// <summary>The largest count there is room for.</summary>
    private ulong Most => order == 6 ? ulong.MaxValue : (1UL << (1 << order)) - 1;

    /// <summary>The place of a count of less than a byte within its byte: the first is in the lowest bits.</summary>
    private int Shift(int index) => (index & ((1 << (3 - order)) - 1)) << order;
}
