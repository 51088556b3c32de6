using System.Security.Cryptography;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>QEMU's disk tools drive the disk with no guest at all, through their own virtio driver (libblkio).</summary>
public sealed class ToolTests : GuestTest
{
    private const int DiskBytes = 64 << 20;

    [Theory]
    [InlineData("qemu10")]
    [InlineData("qemu11")]
    public void ToolsWriteReadCompareAndBench(string component)
    {
        string image = CreateImage("disk.raw", DiskBytes);
        string socket = InScratch("disk.sock");
        StartVireo("block", image, "--vhost-user", socket, "--queues", "2");
        string target = $"driver=virtio-blk-vhost-user,path={socket},cache.direct=on";
        string qemuImg = GuestArtifacts.Program(component, "qemu-img");
        string qemuIo = GuestArtifacts.Program(component, "qemu-io");

        string source = InScratch("source.raw");
        byte[] bytes = new byte[DiskBytes];
        new Random(20_26).NextBytes(bytes);
        File.WriteAllBytes(source, bytes);

        RunProgram(qemuImg, "convert", "-n", "-f", "raw", source, "--target-image-opts", target);
        string compared = RunProgram(
            qemuImg,
            "compare",
            "--image-opts",
            $"driver=raw,file.driver=file,file.filename={source}",
            target
        );
        Assert.Contains("Images are identical", compared, StringComparison.Ordinal);

        string[] commands =
        [
            "write -P 0x5a 1M 64k",
            "read -P 0x5a 1M 64k",
            "write -z 2M 1M",
            "read -P 0 2M 1M",
            "discard 4M 1M",
            "flush",
        ];
        string[] arguments =
        [
            "-t",
            "none",
            "--image-opts",
            target,
            .. commands.SelectMany(command => (string[])["-c", command]),
        ];
        string output = RunProgram(qemuIo, arguments);
        Assert.DoesNotContain("failed", output, StringComparison.OrdinalIgnoreCase);

        RunProgram(
            qemuImg,
            "bench",
            "-w",
            "-t",
            "none",
            "-n",
            "-c",
            "5000",
            "-d",
            "16",
            "-s",
            "4096",
            "-o",
            $"{16 << 20}",
            "--image-opts",
            target
        );

        // What the tools wrote is in the file: the part that nothing touched since is the source's.
        byte[] actual = File.ReadAllBytes(image);
        Assert.Equal(SHA256.HashData(bytes.AsSpan(8 << 20, 8 << 20)), SHA256.HashData(actual.AsSpan(8 << 20, 8 << 20)));
        Assert.Equal(65536, actual.AsSpan(1 << 20, 65536).Count((byte)0x5a));
        Assert.Equal(1 << 20, actual.AsSpan(2 << 20, 1 << 20).Count((byte)0));
    }
}
