using Vireo.Backends.Block.Images;
using Vireo.Backends.Block.Raw;
using Vireo.Core.Contract;
using Vireo.Devices.Block;
using Vireo.Linux.Events;
using Vireo.Tests.Fakes;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Backends.Block.Images;

/// <summary>Images of other programs' formats as disks: what they hold, what they cost, what they do when they are broken.</summary>
public sealed class ForeignDiskTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const int DiskBytes = 6 * MiB;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<ImageFormat> Formats =>
        [ImageFormat.Vdi, ImageFormat.Vhd, ImageFormat.Vhdx, ImageFormat.Vmdk];

    private string ImagePath => _folder["disk.image"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Formats))]
    public void Read_AnyRange_IsWhatTheImageHolds(ImageFormat format)
    {
        byte[] content = Content();
        File.WriteAllBytes(ImagePath, ForeignImages.Make(format, content));
        Assert.Equal(format, DiskImages.Probe(ImagePath));
        using ChannelBench bench = Open(format);
        Random random = new(4);
        for (int round = 0; round < 60; round++)
        {
            int length = random.Next(1, 300) * 512;
            int offset = random.Next((DiskBytes - length) / 512 + 1) * 512;

            Assert.Equal(content[offset..(offset + length)], bench.Read(offset, length, segmentBytes: 3000));
        }

        Assert.True(bench.Backend.Traits.IsReadOnly);
        Assert.Equal(DiskBytes / 512, bench.Backend.CapacitySectors);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Reads_OnceWarm_AllocateNothing(ImageFormat format)
    {
        File.WriteAllBytes(ImagePath, ForeignImages.Make(format, Content()));
        using ChannelBench bench = Open(format);

        long least = long.MaxValue;
        for (int attempt = 0; attempt < 4 && least > 0; attempt++)
        {
            long found = bench.MeasureAllocations(250, 8192, 4096, isReadOnly: true);
            least = Math.Min(least, found);
        }

        Assert.Equal(0, least);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Read_ByAThreadThatWaits_AllocatesNothing(ImageFormat format)
    {
        File.WriteAllBytes(ImagePath, ForeignImages.Make(format, Content()));
        using DiskImage image = DiskImages.Open(ImagePath, new() { Format = format, IsReadOnly = true });
        byte[] bytes = new byte[4096];

        Allocations.AssertNone(() =>
        {
            for (int offset = 0; offset + bytes.Length <= DiskBytes; offset += bytes.Length)
            {
                image.Read(offset, bytes);
            }
        });
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Read_FileIsCutBehindOurBack_FailsThereAndNowhereElse(ImageFormat format)
    {
        byte[] content = Content();
        byte[] file = ForeignImages.Make(format, content);
        File.WriteAllBytes(ImagePath, file);
        using ChannelBench bench = Open(format);
        using DiskImage image = DiskImages.Open(ImagePath, new() { Format = format, IsReadOnly = true });

        // The last block of the file is the first one of the disk.
        using (FileStream stream = new(ImagePath, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(file.Length - 1024 - 4096);
        }

        Assert.Equal(BlockResult.IoError, bench.TryRead(0, MiB));
        Assert.Equal(content[(5 * MiB)..], bench.Read(5 * MiB, MiB));
        Assert.Throws<ImageException>(() => image.Read(0, new byte[MiB]));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void AnyBytesChanged_CostsAnErrorAtMost(ImageFormat format)
    {
        byte[] file = ForeignImages.Make(format, Content());
        int[] interesting = [0, 512, 1024, 2048, 64 * 1024, 192 * 1024, MiB, MiB + 65536, 2 * MiB, file.Length - 512];
        Random random = new(5);
        byte[] buffer = new byte[MiB];
        for (int round = 0; round < 40; round++)
        {
            byte[] broken = [.. file];
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                int place = interesting[random.Next(interesting.Length)] + random.Next(128);
                broken[Math.Min(place, broken.Length - 1)] = (byte)random.Next(256);
            }

            int length = random.Next(4) == 0 ? random.Next(broken.Length) : broken.Length;
            File.WriteAllBytes(ImagePath, broken.AsSpan(0, length));
            Try(() =>
            {
                using DiskImage image = DiskImages.Open(ImagePath, new() { Format = format, IsReadOnly = true });
                for (long offset = 0; offset < Math.Min(image.LengthBytes, 2 * DiskBytes); offset += MiB)
                {
                    long place = offset;
                    Try(() => image.Read(place, buffer));
                }
            });
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Open_WhileAnotherWrites_IsRefused(ImageFormat format)
    {
        File.WriteAllBytes(ImagePath, ForeignImages.Make(format, Content()));
        using var loops = EventLoopGroup.Start(1);
        using var writer = RawDisk.Open(ImagePath, loops);

        Assert.Throws<DeviceException>(() => Open(format));
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (exception is IOException or OverflowException)
        {
            Assert.NotEmpty(exception.Message);
        }
    }

    private static byte[] Content()
    {
        byte[] content = new byte[DiskBytes];
        Random random = new(3);
        random.NextBytes(content.AsSpan(0, MiB + 70_000));
        random.NextBytes(content.AsSpan(3 * MiB + 123_456, 200_000));
        random.NextBytes(content.AsSpan(5 * MiB));
        return content;
    }

    private ChannelBench Open(ImageFormat format)
    {
        var loops = EventLoopGroup.Start(1);
        try
        {
            ImageDisk disk = DiskImages.OpenDisk(
                ImagePath,
                new() { Format = format },
                loops,
                new() { IsReadOnly = true }
            );
            return new(disk, loops[0], disk, loops);
        }
        catch
        {
            loops.Dispose();
            throw;
        }
    }
}
