using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block.Images;

/// <summary>Images that one program makes and the other reads.</summary>
public sealed class Qcow2ExchangeTests : ImageTest
{
    private const int ImagesUsual = 10;

    [Fact]
    public void WhatQemuWritesVireoReads()
    {
        for (int seed = 1 + ImagesLeftOut; seed <= ImagesOr(ImagesUsual); seed++)
        {
            GeneratedImage image = new(seed);
            string path = MakeWithQemu(image);
            QemuIo(path, "qcow2", image.Commands());

            // A cluster in which many compressed ones lie is used often: small counts do not reach so far.
            bool hasSnapshot = image.RefcountBits >= 16 && image.Random.Next(2) == 0;
            if (hasSnapshot)
            {
                QemuImg("snapshot", "-c", "before", path);
                QemuImg("convert", "-f", "qcow2", "-O", "raw", "-l", "before", path, InScratch("before.raw"));
                QemuIo(path, "qcow2", image.Commands(compresses: false));
            }

            Note($"seed {seed}");
            AssertAgrees(
                Vireo("image", "info", "--output", "json", path),
                QemuImg("info", "--output=json", path),
                "children"
            );
            AssertAgrees(
                Vireo("image", "map", "--output", "json", path),
                WithoutHolesOfTheFile(QemuImg("map", "-f", "qcow2", "--output=json", path))
            );
            AssertAgrees(
                Vireo("image", "check", "--output", "json", path),
                QemuImg("check", "-f", "qcow2", "--output=json", path)
            );
            AssertSame(path, "qcow2");
            if (hasSnapshot)
            {
                Vireo("image", "convert", "--to", "raw", "--snapshot", "before", path, InScratch("ours.raw"));
                QemuImg("compare", "-f", "raw", "-F", "raw", InScratch("before.raw"), InScratch("ours.raw"));
            }
        }
    }

    [Fact]
    public void WhatVireoWritesQemuReadsAndFindsWhole()
    {
        for (int seed = 1001 + ImagesLeftOut; seed <= 1000 + ImagesOr(ImagesUsual); seed++)
        {
            GeneratedImage image = new(seed);
            string path = MakeWithVireo(image);
            string source = MakeWithQemu(new GeneratedImage(seed + 5000));
            QemuIo(source, "qcow2", new GeneratedImage(seed + 5000).Commands());
            Note($"seed {seed}");

            // A guest's way in: what QEMU's own client writes through vireo block lies in the image that QEMU then checks.
            string socket = InScratch("disk.sock");
            VireoDaemon daemon = StartVireo("block", path, "--vhost-user", socket);
            string target = $"driver=virtio-blk-vhost-user,path={socket},cache.direct=on";
            string[] commands = [.. new GeneratedImage(seed + 7000).Commands(compresses: false)];
            RunProgram(
                GuestArtifacts.Program("qemu11", "qemu-io"),
                ["-t", "none", "--image-opts", target, .. commands.SelectMany(command => (string[])["-c", command])]
            );
            QemuImg("convert", "--image-opts", target, "-O", "raw", InScratch("shown.raw"));
            daemon.Stop();

            QemuImg("check", "-f", "qcow2", path);
            QemuImg("compare", "-f", "qcow2", "-F", "raw", path, InScratch("shown.raw"));

            string copy = InScratch("copy.qcow2");
            string[] compress = image.Random.Next(2) == 0 ? ["--compress"] : [];
            Vireo(["image", "convert", .. compress, "--compression", image.IsZstd ? "zstd" : "zlib", source, copy]);
            QemuImg("check", "-f", "qcow2", copy);
            QemuImg("compare", "-f", "qcow2", "-F", "qcow2", source, copy);
        }
    }

    [Fact]
    public void CommitBringsAnOverlayIntoWhatIsBehindIt()
    {
        GeneratedImage image = new(4711);
        string behind = MakeWithQemu(image);
        QemuIo(behind, "qcow2", new GeneratedImage(1).Commands(compresses: false));
        string overlay = InScratch("overlay.qcow2");
        Vireo("image", "create", "--backing", Path.GetFileName(behind), "--backing-format", "qcow2", overlay);
        QemuIo(overlay, "qcow2", new GeneratedImage(2).Commands(compresses: false));
        QemuImg("convert", "-f", "qcow2", "-O", "raw", overlay, InScratch("expected.raw"));

        Vireo("image", "commit", overlay);

        QemuImg("check", "-f", "qcow2", behind);
        QemuImg("check", "-f", "qcow2", overlay);
        QemuImg("compare", "-f", "qcow2", "-F", "raw", behind, InScratch("expected.raw"));
        QemuImg("compare", "-f", "qcow2", "-F", "raw", overlay, InScratch("expected.raw"));
    }

    private string MakeWithQemu(GeneratedImage image)
    {
        string path = InScratch($"qemu{image.Seed}.qcow2");
        string[] backing = [];
        if (image.HasBacking)
        {
            File.WriteAllBytes(InScratch($"behind{image.Seed}.raw"), image.BackingBytes());
            backing = ["-b", $"behind{image.Seed}.raw", "-F", "raw"];
        }

        QemuImg([
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            image.QemuOptions,
            .. backing,
            path,
            $"{GeneratedImage.DiskBytes}",
        ]);
        return path;
    }

    private string MakeWithVireo(GeneratedImage image)
    {
        string path = InScratch($"vireo{image.Seed}.qcow2");
        string[] backing = [];
        if (image.HasBacking)
        {
            File.WriteAllBytes(InScratch($"behind{image.Seed}.raw"), image.BackingBytes());
            backing = ["--backing", $"behind{image.Seed}.raw", "--backing-format", "raw"];
        }

        Vireo(["image", "create", .. image.VireoOptions, .. backing, path, $"{GeneratedImage.DiskBytes}"]);
        AssertAgrees(
            Vireo("image", "info", "--output", "json", path),
            QemuImg("info", "--output=json", path),
            "children"
        );
        QemuImg("check", "-f", "qcow2", path);
        return path;
    }

    /// <summary>Vireo's raw copy of an image is what QEMU reads from it.</summary>
    private void AssertSame(string path, string format)
    {
        string copy = InScratch("copy.raw");
        Vireo("image", "convert", "--to", "raw", path, copy);
        QemuImg("compare", "-f", format, "-F", "raw", path, copy);
    }
}
