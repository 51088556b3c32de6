using System.Formats.Tar;
using System.Globalization;
using System.Security.Cryptography;
using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>A tree of files as people have them. A class of its own because it takes longest.</summary>
[TakesLong(110)]
public sealed class TreeTests : BlockTest
{
    private const int RandomFiles = 1500;
    private const int RandomFileBytes = 60_000;

    private static readonly TimeSpan CopyTimeout = TimeSpan.FromMinutes(6);

    [Fact]
    public void TreeSurvivesRebootAndIsWholeOnTheHost()
    {
        string image = CreateImage("disk.raw", DiskBytes);
        GuestConfiguration configuration = GuestConfiguration.Default with { Queues = 4 };
        (Guest guest, _) = BootWithDisk(image, configuration);
        PackTree(guest.HostFolder);

        guest.RunTap(
            """
            check "the disk takes a file system" mkfs.ext4 -q -E lazy_itable_init=0 /dev/vda
            mkdir /run/disk
            check "which is mounted" mount /dev/vda /run/disk
            check "a tree is copied" tar -x -b 2048 -f /host/tree.tar -C /run/disk
            check "at least 2000 files" [ "$(find /run/disk -type f | wc -l)" -ge 2000 ]
            check "at least 200 MB" [ "$(du -sm /run/disk | cut -f1)" -ge 200 ]
            check "all is synced" sync
            done_testing
            """,
            CopyTimeout
        );

        // The machine is reset; the daemon is not told and not restarted.
        guest.Reboot();
        // Busybox has the checksum in plain C, which costs an emulated processor far less than one in vector instructions.
        guest.RunTap(
            """
            check "the file system is clean" e2fsck -fn /dev/vda
            mkdir -p /run/disk
            check "it is mounted again" mount -o ro /dev/vda /run/disk
            check "every file is as it was" sh -c 'cd /run/disk && busybox sha256sum -c /host/checksums >/dev/null'
            check "and unmounted" umount /run/disk
            done_testing
            """,
            CopyTimeout
        );
        guest.PowerOff();

        HostFiles.AssertCleanAndEqual(RunProgram, image, Path.Combine(guest.HostFolder, "checksums"), Scratch);
    }

    /// <summary>Packs a tree as people have them (programs, libraries, links, modes) and incompressible files besides.</summary>
    private static void PackTree(string folder)
    {
        using StreamWriter checksums = new(Path.Combine(folder, "checksums"));
        using FileStream file = File.Create(Path.Combine(folder, "tree.tar"));
        using TarWriter tar = new(file, TarEntryFormat.Gnu);
        string userland = Path.GetFullPath(GuestArtifacts.Userland);
        foreach (
            string path in Directory.EnumerateFileSystemEntries(
                Path.Combine(userland, "usr"),
                "*",
                new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None }
            )
        )
        {
            string name = Path.GetRelativePath(userland, path);
            tar.WriteEntry(path, name);
            FileInfo entry = new(path);
            if (entry.LinkTarget is null && !entry.Attributes.HasFlag(FileAttributes.Directory))
            {
                checksums.Write($"{Checksum(File.ReadAllBytes(path))}  ./{name}\n");
            }
        }

        for (int i = 0; i < RandomFiles; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"random/{i}");
            byte[] bytes = RandomNumberGenerator.GetBytes(RandomFileBytes);
            tar.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) });
            checksums.Write($"{Checksum(bytes)}  ./{name}\n");
        }
    }

    private static string Checksum(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
