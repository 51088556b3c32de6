using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block.Images;

/// <summary>Images of other programs' formats, made by qemu-img and read by Vireo.</summary>
public sealed class ForeignExchangeTests : ImageTest
{
    private const int ImagesUsual = 1;
    private const int DiskBytes = 12 * 1024 * 1024;

    public static TheoryData<string, string> Variants =>
        new()
        {
            { "vdi", "" },
            { "vdi", "static=on" },
            { "vpc", "force_size=on" },
            { "vpc", "subformat=fixed,force_size=on" },
            { "vpc", "" },
            { "vhdx", "block_size=1048576" },
            { "vhdx", "subformat=fixed" },
            { "vmdk", "" },
            { "vmdk", "zeroed_grain=on" },
            { "vmdk", "subformat=monolithicFlat" },
            { "vmdk", "subformat=twoGbMaxExtentSparse" },
            { "vmdk", "subformat=twoGbMaxExtentFlat" },
            { "vmdk", "subformat=streamOptimized" },
        };

    [Theory]
    [MemberData(nameof(Variants))]
    public void WhatQemuWritesVireoReads(string format, string options)
    {
        for (int seed = 1; seed <= ImagesOr(ImagesUsual); seed++)
        {
            Note($"seed {seed}");
            string raw = InScratch("disk.raw");
            File.WriteAllBytes(raw, Content(seed));
            string path = InScratch($"disk.{format}");
            string[] extra = options.Length == 0 ? [] : ["-o", options];
            QemuImg(["convert", "-f", "raw", "-O", format, .. extra, raw, path]);

            AssertAgrees(
                Vireo("image", "info", "--format", format, "--output", "json", path),
                QemuImg("info", "-f", format, "--output=json", path),
                "children",
                "format-specific",
                "cluster-size",
                "actual-size"
            );
            Vireo("image", "convert", "--from", format, "--to", "raw", path, InScratch("copy.raw"));
            QemuImg("compare", "-f", format, "-F", "raw", path, InScratch("copy.raw"));
        }
    }

    [Fact]
    public void WhatIsServedIsWhatIsThere()
    {
        File.WriteAllBytes(InScratch("disk.raw"), Content(seed: 99));
        foreach (string format in (string[])["vdi", "vpc", "vhdx", "vmdk"])
        {
            Note(format);
            string path = InScratch($"served.{format}");
            string[] options = string.Equals(format, "vpc", StringComparison.Ordinal) ? ["-o", "force_size=on"] : [];
            QemuImg(["convert", "-f", "raw", "-O", format, .. options, InScratch("disk.raw"), path]);
            string socket = InScratch($"{format}.sock");

            // With an overlay in front of it, so that it takes writes and stays as it is.
            VireoDaemon daemon = StartVireo("block", path, "--format", format, "--snapshot", "--vhost-user", socket);
            string target = $"driver=virtio-blk-vhost-user,path={socket},cache.direct=on";
            RunProgram(
                GuestArtifacts.Program("qemu11", "qemu-io"),
                "-t",
                "none",
                "--image-opts",
                target,
                "-c",
                "write -P 7 1234432 100352",
                "-c",
                "read -P 7 1234432 100352",
                "-c",
                "write -z 1234432 100352"
            );
            QemuImg("convert", "--image-opts", target, "-O", "raw", InScratch("shown.raw"));
            daemon.Stop();

            byte[] expected = Content(seed: 99);
            expected.AsSpan(1_234_432, 100_352).Clear();
            Assert.Equal(expected, File.ReadAllBytes(InScratch("shown.raw")));
            QemuImg("compare", "-f", format, "-F", "raw", path, InScratch("disk.raw"));
        }
    }

    /// <summary>Data and holes of many sizes, some of it easy to compress.</summary>
    private static byte[] Content(int seed)
    {
        Random random = new(seed);
        byte[] bytes = new byte[DiskBytes];
        for (int count = 0; count < 24; count++)
        {
            int length = random.Next(1, random.Next(4) == 0 ? 1500 : 100) * 512;
            Span<byte> range = bytes.AsSpan(random.Next((DiskBytes - length) / 512) * 512, length);
            if (random.Next(2) == 0)
            {
                random.NextBytes(range);
            }
            else
            {
                range.Fill((byte)random.Next(256));
            }
        }

        return bytes;
    }
}
