using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block.Images;

/// <summary>
/// fio verifies disks of every format and cache mode with no guest: fio speaks NBD to qemu-nbd, and that speaks to Vireo by libblkio, a driver for
/// vhost-user that is neither ours nor QEMU's own.
/// </summary>
public sealed class FioTests : ImageTest
{
    private const int DiskMiB = 16;
    private const int WrittenMiBUsual = 1;

    /// <summary>Format of the image, and what it is served with.</summary>
    public static TheoryData<string, string> Written =>
        new()
        {
            { "raw", "--cache writeback" },
            { "raw", "--cache none" },
            { "raw", "--cache none --registered-memory --iopoll" },
            { "raw", "--cache writethrough --engine threads" },
            { "raw", "--cache directsync" },
            { "raw", "--cache unsafe" },
            { "qcow2", "--cache writeback" },
            { "qcow2", "--cache none" },
            { "qcow2", "--cache writethrough" },
            { "qcow2", "--cache directsync --engine threads" },
            { "qcow2", "--cache unsafe" },
            { "vdi", "--snapshot" },
            { "nbd", "--cache writeback" },
            { "nbd", "--cache writethrough" },
        };

    public static TheoryData<string, string> OnlyRead =>
        new()
        {
            { "vdi", "" },
            { "vpc", "force_size=on" },
            { "vhdx", "" },
            { "vmdk", "" },
            { "vmdk", "subformat=twoGbMaxExtentSparse" },
        };

    /// <summary>How much fio writes; VIREO_FIO_MIB asks for more.</summary>
    private static int WrittenMiB =>
        int.TryParse(Environment.GetEnvironmentVariable("VIREO_FIO_MIB"), CultureInfo.InvariantCulture, out int asked)
            ? asked
            : WrittenMiBUsual;

    [Theory]
    [MemberData(nameof(Written))]
    public void WhatFioWritesThroughLibblkioIsThere(string format, string options)
    {
        string image = InScratch("disk.img");
        QemuImg("create", "-q", "-f", FormatOf(format), image, $"{DiskMiB}M");
        ChildProcess? server = string.Equals(format, "nbd", StringComparison.Ordinal)
            ? Export(InScratch("server.sock"), "-f", "raw", "--shared=8", image)
            : null;
        string disk = server is null ? image : $"nbd+unix:///?socket={InScratch("server.sock")}";

        VireoDaemon daemon = Serve(disk, server is null ? $"--format {format} {options}" : options);
        ChildProcess client = Export(InScratch("fio.sock"), "--image-opts", Target);
        Fio("--fsync=16");
        // Once more, by what has kept nothing in its memory.
        Fio("--verify_only");
        End(client);

        daemon.Stop();
        if (string.Equals(format, "qcow2", StringComparison.Ordinal))
        {
            QemuImg("check", "-f", "qcow2", image);
        }
    }

    [Theory]
    [MemberData(nameof(OnlyRead))]
    public void WhatFioWritesThroughQemuIsReadThroughLibblkio(string format, string options)
    {
        string image = InScratch("disk.img");
        string[] extra = options.Length == 0 ? [] : ["-o", options];
        QemuImg(["create", "-q", "-f", format, .. extra, image, $"{DiskMiB}M"]);
        ChildProcess writer = Export(InScratch("fio.sock"), "-f", format, image);
        Fio("--do_verify=0", "--end_fsync=1");
        End(writer);

        VireoDaemon daemon = Serve(image, $"--format {format} --read-only");
        ChildProcess reader = Export(InScratch("fio.sock"), "-r", "--image-opts", Target);
        Fio("--verify_only");
        End(reader);

        daemon.Stop();
    }

    [Fact]
    public void WhatIsWrongIsSeen()
    {
        string image = CreateImage("disk.img", DiskMiB << 20);
        VireoDaemon daemon = Serve(image, "--format raw");
        ChildProcess writer = Export(InScratch("fio.sock"), "--image-opts", Target);
        Fio();
        End(writer);

        daemon.Stop();
        using (FileStream file = File.OpenWrite(image))
        {
            // Wherever fio has written, it has not written this.
            file.Write(new byte[DiskMiB << 19]);
        }

        daemon = Serve(image, "--format raw");
        ChildProcess reader = Export(InScratch("fio.sock"), "--image-opts", Target);
        Assert.Throws<GuestException>(() => Fio("--verify_only"));
        End(reader);

        daemon.Stop();
    }

    private string Target => $"driver=virtio-blk-vhost-user,path={InScratch("disk.sock")},cache.direct=on";

    private static string FormatOf(string format) => format is "nbd" ? "raw" : format;

    private VireoDaemon Serve(string disk, string options) =>
        StartVireo([
            "block",
            disk,
            "--vhost-user",
            InScratch("disk.sock"),
            .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        ]);

    /// <summary>Starts qemu-nbd and waits until it listens.</summary>
    private ChildProcess Export(string socket, params string[] arguments)
    {
        File.Delete(socket);
        ChildProcess server = StartProgram(
            GuestArtifacts.Program("qemu11", "qemu-nbd"),
            ["--persistent", "--socket", socket, .. arguments]
        );
        long start = Stopwatch.GetTimestamp();
        while (!IsListening(socket))
        {
            string said = server.HasExited ? string.Join('\n', server.Errors.Lines()) : "";
            Assert.False(server.HasExited, $"qemu-nbd has ended: {said}");
            Assert.True(Stopwatch.GetElapsedTime(start) < RigTimeouts.Program, "qemu-nbd does not start");
            Thread.Sleep(10);
        }

        return server;
    }

    /// <summary>Ends a server, which brings all of the image to its file.</summary>
    private static void End(ChildProcess server)
    {
        server.Signal(UnixSignal.Terminate);
        server.WaitForExit(RigTimeouts.Program);
    }

    private static bool IsListening(string socket)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(socket));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Overlapping writes of many lengths, each block with a checksum and its place.</summary>
    private void Fio(params string[] more)
    {
        string tree = GuestArtifacts.Component("guestroot");
        string libraries = Path.Combine(tree, "usr/lib/x86_64-linux-gnu");
        RunProgram(
            Path.Combine(tree, "usr/lib64/ld-linux-x86-64.so.2"),
            [
                "--inhibit-cache",
                "--library-path",
                $"{libraries}:{libraries}/ceph",
                Path.Combine(tree, "usr/bin/fio"),
                "--name=verify",
                "--ioengine=nbd",
                $"--uri=nbd+unix:///?socket={InScratch("fio.sock")}",
                "--thread",
                "--iodepth=16",
                "--rw=randwrite",
                "--bsrange=512-64k",
                "--ba=512",
                $"--size={DiskMiB / 2}M",
                $"--io_size={WrittenMiB}M",
                "--randseed=7",
                "--verify=crc32c",
                "--verify_fatal=1",
                .. more,
            ]
        );
    }
}
