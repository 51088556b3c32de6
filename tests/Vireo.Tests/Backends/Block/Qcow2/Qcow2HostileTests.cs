using System.Buffers.Binary;
using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Qcow2;
using Vireo.Core.Contract;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Qcow2;

/// <summary>Images that lie: each costs an error that says what is wrong, or a part of the disk, and never more.</summary>
public sealed class Qcow2HostileTests : IDisposable
{
    private const int DiskBytes = 1 << 20;
    private const int ClusterBytes = 4096;

    private readonly TemporaryFolder _folder = new();

    private string ImagePath => _folder["hostile.qcow2"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0, 0x51464900u, "is no qcow2 image")]
    [InlineData(4, 4u, "version of the qcow2 header is 4")]
    [InlineData(20, 8u, "cluster_bits")]
    [InlineData(20, 22u, "cluster_bits")]
    [InlineData(20, 0xFFFF_FFFFu, "cluster_bits")]
    [InlineData(24, 0xFFFF_FFFFu, "size")]
    [InlineData(32, 1u, "encrypted (AES)")]
    [InlineData(32, 2u, "encrypted (LUKS)")]
    [InlineData(36, 0xFFFF_FFFFu, "l1_size")]
    [InlineData(36, 0u, "l1_size")]
    [InlineData(40, 0xFFFF_FFFFu, "l1_table_offset")]
    [InlineData(44, 0x3001u, "l1_table_offset")]
    [InlineData(52, 0x1001u, "refcount_table_offset")]
    [InlineData(56, 0u, "refcount_table")]
    [InlineData(56, 0xFFFF_FFFFu, "refcount_table_clusters")]
    [InlineData(60, 0xFFFF_FFFFu, "nb_snapshots")]
    [InlineData(68, 7u, "snapshots_offset")]
    [InlineData(76, 32u, "incompatible features")]
    [InlineData(76, 4u, "keeps its data in another file")]
    [InlineData(76, 8u, "compression_type")]
    [InlineData(76, 16u, "cluster_bits")]
    [InlineData(96, 7u, "refcount_order")]
    [InlineData(100, 103u, "header_length")]
    [InlineData(100, 8192u, "header_length")]
    [InlineData(112, 0x1234_5678u, null)]
    [InlineData(116, 0xFFFF_FFF0u, null)]
    public void Open_FieldThatCannotBe_SaysWhich(int offset, uint value, string? part)
    {
        Make();
        Patch(offset, value);
        if (offset == 116)
        {
            Patch(112, 0x1234_5678);
            part = "length of a header extension";
        }

        if (part is null)
        {
            using DiskImage image = DiskImages.Open(ImagePath, new() { Format = ImageFormat.Qcow2 });
            Assert.Equal(DiskBytes, image.LengthBytes);
            return;
        }

        ImageException exception = Assert.Throws<ImageException>(() =>
            DiskImages.Open(ImagePath, new() { Format = ImageFormat.Qcow2 })
        );
        Assert.Contains(part.Split(" of the", 2)[0], exception.Message, StringComparison.Ordinal);
        Assert.Contains(ImagePath, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0u)]
    [InlineData(0, 0xFFFF_FFFFu)]
    [InlineData(16, 2000u)]
    [InlineData(8, 0x1000_0000u)]
    public void Open_BackingNameThatCannotBe_IsRefused(int offset, uint value)
    {
        Qcow2Image.Create(
            ImagePath,
            new()
            {
                LengthBytes = DiskBytes,
                ClusterBytes = ClusterBytes,
                BackingName = "none.raw",
            }
        );
        Patch(offset, value);

        Assert.Throws<ImageException>(() => DiskImages.Open(ImagePath, new() { Format = ImageFormat.Qcow2 }));
    }

    [Fact]
    public void Open_ImageBehindItself_IsRefused()
    {
        CreateOver("a.qcow2", "b.qcow2");
        CreateOver("b.qcow2", "c.qcow2");
        CreateOver("c.qcow2", "a.qcow2");

        ImageException exception = Assert.Throws<ImageException>(() =>
            DiskImages.Open(_folder["a.qcow2"], new() { IsReadOnly = true })
        );

        Assert.Contains("backing image of itself", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("json:{}")]
    [InlineData("nbd:host:10809")]
    [InlineData("https://example.org/disk")]
    [InlineData("fat:/etc")]
    public void Open_BackingImageThatIsNoFile_IsRefused(string name)
    {
        Qcow2Image.Create(
            ImagePath,
            new()
            {
                LengthBytes = DiskBytes,
                BackingName = name,
                BackingFormat = "raw",
            }
        );

        ImageException exception = Assert.Throws<ImageException>(() => DiskImages.Open(ImagePath));

        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(ClusterBytes)]
    [InlineData(2L * ClusterBytes)]
    [InlineData(3L * ClusterBytes)]
    [InlineData(4L * ClusterBytes)]
    public void Write_EntryNamesAStructureOfTheImage_FailsAndLeavesIt(long victim)
    {
        Make();
        byte[] before = File.ReadAllBytes(ImagePath);
        SetFirstL2Entry(0x8000_0000_0000_0000 | (ulong)victim, out long table);
        using (DiskImage image = DiskImages.Open(ImagePath))
        {
            if (victim != 0)
            {
                Assert.Throws<ImageException>(() => image.Write(0, new byte[512]));
                Assert.Throws<ImageException>(() => image.Read(0, new byte[512]));
            }

            image.Write(ClusterBytes * 2, new byte[512]);
        }

        byte[] after = File.ReadAllBytes(ImagePath);
        Assert.Equal(before.AsSpan(0, ClusterBytes), after.AsSpan(0, ClusterBytes));
        Assert.Equal(before.AsSpan((int)table + 32, 64), after.AsSpan((int)table + 32, 64));
    }

    [Fact]
    public void Open_L1NamesTheHeader_CanOnlyBeRead()
    {
        Make();
        byte[] bytes = File.ReadAllBytes(ImagePath);
        long l1 = BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(40));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan((int)l1), 0x8000_0000_0000_0000 | (ulong)l1);
        File.WriteAllBytes(ImagePath, bytes);

        ImageException exception = Assert.Throws<ImageException>(() => DiskImages.Open(ImagePath));
        Assert.Contains("overlaps", exception.Message, StringComparison.Ordinal);
        using DiskImage image = DiskImages.Open(ImagePath, new() { IsReadOnly = true });
        Assert.Equal(DiskBytes, image.LengthBytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void AnyBytesChanged_CostsAnErrorAtMost(int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < 60; round++)
        {
            Make(isExtended: round % 3 == 0);
            byte[] bytes = File.ReadAllBytes(ImagePath);
            int structures = Math.Min(bytes.Length, 6 * 16384);
            for (int change = random.Next(1, 20); change > 0; change--)
            {
                // Header, tables and counts lie at the beginning.
                bytes[random.Next(random.Next(3) == 0 ? 120 : structures)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(ImagePath, bytes);
            Try(() => Qcow2Image.Check(ImagePath, Qcow2Repair.None));
            Try(() => Use(random));
            Try(() => Qcow2Image.Check(ImagePath, Qcow2Repair.All));
            Try(() => Use(random));
        }
    }

    [Fact]
    public void Check_CountsThatAreWrong_AreFoundAndRepaired()
    {
        Make();
        byte[] bytes = File.ReadAllBytes(ImagePath);
        int block = 2 * ClusterBytes;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(block + 2 * 4), 0);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(block + 2 * 100), 1);
        File.WriteAllBytes(ImagePath, bytes);

        Qcow2CheckResult found = Qcow2Image.Check(ImagePath, Qcow2Repair.None);
        Assert.Equal((1, true), ((int)found.Leaks, found.Corruptions > 0));
        Qcow2CheckResult leaks = Qcow2Image.Check(ImagePath, Qcow2Repair.Leaks);
        Assert.Equal((1, 0), ((int)leaks.LeaksFixed, (int)leaks.CorruptionsFixed));
        Qcow2CheckResult all = Qcow2Image.Check(ImagePath, Qcow2Repair.All);
        Assert.Equal(all.Corruptions, all.CorruptionsFixed);
        Assert.Equal([], Qcow2Image.Check(ImagePath, Qcow2Repair.None).Messages);
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception)
            when (exception
                    is IOException
                        or InvalidDataException
                        or OverflowException
                        or NotSupportedException
                        or DeviceException
            )
        {
            Assert.NotEmpty(exception.Message);
        }
    }

    private void Use(Random random)
    {
        using DiskImage image = DiskImages.Open(ImagePath, new() { Format = ImageFormat.Qcow2, OpensBacking = false });
        byte[] buffer = new byte[16384];
        for (int step = 0; step < 20; step++)
        {
            long offset = random.Next(DiskBytes - buffer.Length);
            Try(() => image.Read(offset, buffer));
            Try(() => image.Write(offset, buffer));
            Try(() => image.WriteZeroes(offset, buffer.Length, mayUnmap: true));
        }

        Try(image.Flush);
    }

    private void CreateOver(string name, string behind) =>
        Qcow2Image.Create(
            _folder[name],
            new()
            {
                LengthBytes = DiskBytes,
                BackingName = behind,
                BackingFormat = "qcow2",
            }
        );

    /// <summary>An image with some data in it: header, table of counts, counts, L1 table, L2 table, data.</summary>
    private void Make(bool isExtended = false)
    {
        Qcow2Image.Create(
            ImagePath,
            new()
            {
                LengthBytes = DiskBytes,
                ClusterBytes = isExtended ? 16384 : ClusterBytes,
                HasExtendedL2 = isExtended,
            }
        );
        using DiskImage image = DiskImages.Open(ImagePath);
        image.Write(0, new byte[10_000]);
        image.Write(100_000, new byte[10_000]);
    }

    private void Patch(int offset, uint value)
    {
        byte[] bytes = File.ReadAllBytes(ImagePath);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(offset), value);
        File.WriteAllBytes(ImagePath, bytes);
    }

    private void SetFirstL2Entry(ulong entry, out long table)
    {
        byte[] bytes = File.ReadAllBytes(ImagePath);
        long l1 = BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(40));
        table = (long)(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan((int)l1)) & 0x00FF_FFFF_FFFF_FE00);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan((int)table), entry);
        File.WriteAllBytes(ImagePath, bytes);
    }
}
