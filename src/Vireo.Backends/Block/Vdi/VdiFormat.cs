using System.Buffers.Binary;
using Vireo.Backends.Block.Images;

namespace Vireo.Backends.Block.Vdi;

/// <summary>VirtualBox's disk images, for reading: dynamic and fixed ones.</summary>
internal static class VdiFormat
{
    private const int HeaderBytes = 512;
    private const uint Version = 0x0001_0001;
    private const int TypeDynamic = 1;
    private const int TypeFixed = 2;
    private const int BlockBytesMax = 256 << 20;

    /// <summary>Entries from this on name no block: never allocated, or discarded.</summary>
    private const uint FirstNowhere = 0xFFFF_FFFE;

    /// <summary>Opens an image.</summary>
    /// <param name="file">The file; becomes the image's unless this throws.</param>
    /// <exception cref="ImageException">It is not what it should be.</exception>
    public static DiskImage Open(ImageFile file)
    {
        ImageFields fields = new(file.Path, "vdi");
        byte[] bytes = new byte[HeaderBytes];
        file.Read(0, bytes);
        uint version = U32(bytes, 0x44);
        fields.Require(version == Version, "version", version, "1.1 (65537)");
        uint type = U32(bytes, 0x4C);
        fields.Require(type is TypeDynamic or TypeFixed, "type", type, "1 (dynamic) or 2 (fixed)");
        uint mapOffset = U32(bytes, 0x154);
        uint dataOffset = U32(bytes, 0x158);
        long length = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(0x170));
        uint blockBytes = U32(bytes, 0x178);
        uint blocks = U32(bytes, 0x180);
        bool isBlock = blockBytes >= HeaderBytes && blockBytes <= BlockBytesMax && blockBytes % HeaderBytes == 0;
        fields.Require(isBlock, "block size", blockBytes, $"a multiple of {HeaderBytes}, at most {BlockBytesMax}");
        fields.Require(
            blocks <= BlockMapImage.BlocksMax,
            "blocks in image",
            blocks,
            $"at most {BlockMapImage.BlocksMax}"
        );
        bool isCovered = length >= 0 && length <= (long)blocks * blockBytes;
        fields.Require(isCovered, "disk size", (ulong)Math.Max(length, 0), $"at most {(long)blocks * blockBytes}");
        bool isInFile = mapOffset + blocks * 4L <= file.LengthBytes;
        fields.Require(isInFile, "offset of the block map", mapOffset, $"a map of {blocks} entries within the file");

        byte[] map = new byte[blocks * 4L];
        file.Read(mapOffset, map);
        long[] places = new long[blocks];
        for (int block = 0; block < places.Length; block++)
        {
            uint entry = U32(map, block * 4);
            places[block] = entry >= FirstNowhere ? BlockMapImage.Nowhere : dataOffset + (long)entry * blockBytes;
        }

        return new BlockMapImage(file, ImageFormat.Vdi, length, (int)blockBytes, places);
    }

    private static uint U32(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));
}
