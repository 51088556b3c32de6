using System.Buffers.Binary;
using System.Text;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Qcow2;

/// <content>The table of snapshots.</content>
public sealed partial class Qcow2Image
{
    private const int SnapshotEntryBytes = 40;

    /// <summary>A table of snapshots is at most so long.</summary>
    private const int SnapshotTableBytesMax = 64 << 20;

    private const int SnapshotExtraMax = 1024;
    private const int SnapshotL1Max = (32 << 20) / 8;

    /// <summary>Reads the table of snapshots.</summary>
    /// <exception cref="ImageException">It cannot be.</exception>
    internal static Qcow2Snapshot[] ReadSnapshots(ImageFile file, Qcow2Header header)
    {
        var snapshots = new Qcow2Snapshot[header.SnapshotCount];
        long position = header.SnapshotsOffset;
        for (int index = 0; index < snapshots.Length; index++)
        {
            snapshots[index] = ReadSnapshot(file, header, ref position);
            if (position - header.SnapshotsOffset > SnapshotTableBytesMax)
            {
                throw new ImageException(
                    $"'{file.Path}': the table of snapshots is longer than {SnapshotTableBytesMax} bytes"
                );
            }
        }

        return snapshots;
    }

    /// <summary>Length of the table of snapshots in bytes.</summary>
    internal static long SnapshotTableBytes(ImageFile file, Qcow2Header header)
    {
        long position = header.SnapshotsOffset;
        for (int index = 0; index < header.SnapshotCount; index++)
        {
            ReadSnapshot(file, header, ref position);
        }

        return position - header.SnapshotsOffset;
    }

    private static Qcow2Snapshot ReadSnapshot(ImageFile file, Qcow2Header header, ref long position)
    {
        byte[] fixedPart = new byte[SnapshotEntryBytes];
        file.Read(position, fixedPart);
        ReadOnlySpan<byte> entry = fixedPart;
        ulong offset = BinaryPrimitives.ReadUInt64BigEndian(entry);
        uint entries = BinaryPrimitives.ReadUInt32BigEndian(entry[8..]);
        int idLength = BinaryPrimitives.ReadUInt16BigEndian(entry[12..]);
        int nameLength = BinaryPrimitives.ReadUInt16BigEndian(entry[14..]);
        uint extraLength = BinaryPrimitives.ReadUInt32BigEndian(entry[36..]);
        ulong mask = (1UL << header.ClusterBits) - 1;
        if (extraLength > SnapshotExtraMax || entries > SnapshotL1Max || offset >= 1UL << 56 || (offset & mask) != 0)
        {
            throw new ImageException(
                $"'{file.Path}': a snapshot has an L1 table of {entries} entries at {offset} and {extraLength} bytes of extra data; "
                    + $"expected at most {SnapshotL1Max} at the beginning of a cluster, and at most {SnapshotExtraMax} bytes"
            );
        }

        byte[] rest = new byte[extraLength + idLength + nameLength];
        file.Read(position + SnapshotEntryBytes, rest);
        ReadOnlySpan<byte> extra = rest.AsSpan(0, (int)extraLength);
        long stateBytes = BinaryPrimitives.ReadUInt32BigEndian(entry[32..]);
        long lengthBytes = header.LengthBytes;
        if (extra.Length >= 8)
        {
            stateBytes = (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(extra), long.MaxValue);
        }

        if (extra.Length >= 16)
        {
            lengthBytes = (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(extra[8..]), 1UL << 62);
        }

        ulong? instructions = extra.Length >= 24 ? BinaryPrimitives.ReadUInt64BigEndian(extra[16..]) : null;
        position += (SnapshotEntryBytes + rest.Length + 7) / 8 * 8;
        return new(
            Encoding.UTF8.GetString(rest.AsSpan((int)extraLength, idLength)),
            Encoding.UTF8.GetString(rest.AsSpan((int)extraLength + idLength, nameLength)),
            (long)offset,
            (int)entries,
            lengthBytes,
            BinaryPrimitives.ReadUInt32BigEndian(entry[16..]),
            BinaryPrimitives.ReadUInt32BigEndian(entry[20..]),
            BinaryPrimitives.ReadUInt64BigEndian(entry[24..]),
            stateBytes,
            instructions == ulong.MaxValue ? null : instructions
        );
    }
}
