using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Block;

/// <summary>fio in a guest writes, and finds what it wrote, in every cache mode, with both engines, on a raw file and on a qcow2 image that grows.</summary>
[TakesLong(60)]
public sealed class VerifyTests : BlockTest
{
    /// <summary>What each disk is served with.</summary>
    private static readonly string[][] Modes =
    [
        ["--cache", "writeback"],
        ["--cache", "none"],
        ["--cache", "writethrough", "--engine", "threads"],
        ["--cache", "directsync"],
        ["--cache", "unsafe", "--detect-zeroes", "unmap"],
        ["--cache", "none", "--engine", "threads", "--block-size", "4096"],
        ["--format", "qcow2", "--cache", "writeback"],
        ["--format", "qcow2", "--cache", "directsync", "--engine", "threads"],
        ["--format", "qcow2", "--cache", "none", "--detect-zeroes", "unmap"],
    ];

    [Fact]
    public void WhatFioWritesIsThereInEveryCacheMode()
    {
        QemuCommand command = new(GuestConfiguration.Default with { Queues = 2 });
        var daemons = new VireoDaemon[Modes.Length];
        for (int disk = 0; disk < Modes.Length; disk++)
        {
            string socket = InScratch($"disk{disk}.sock");
            bool isQcow2 = Modes[disk].Contains("qcow2");
            string image = isQcow2 ? MakeQcow2($"disk{disk}.qcow2") : CreateImage($"disk{disk}.raw", 64L << 20);
            daemons[disk] = StartVireo([
                "block",
                image,
                "--vhost-user",
                socket,
                "--queues",
                "2",
                "--serial",
                $"disk{disk}",
                .. Modes[disk],
            ]);
            command = command.WithVhostUserBlock(socket);
        }

        Guest guest = BootGuest(command);
        // Overlapping writes of many lengths, in any order, each block with a checksum and its place; then discard and zeroes.
        guest.RunTap(
            $$"""
            for disk in $(seq 0 {{Modes.Length - 1}}); do
                name=$(grep -lx "disk$disk" /sys/block/vd*/serial | cut -d/ -f4)
                block=$(cat /sys/block/$name/queue/logical_block_size)
                check "disk $disk keeps what fio writes" fio --name=verify --filename=/dev/$name --direct=1 --ioengine=libaio \
                    --iodepth=16 --rw=randwrite --bsrange=$block-64k --ba=$block --size=8M --io_size=1M --randseed=$disk --fsync=16 \
                    --verify=crc32c --verify_fatal=1 --output=/run/fio.$disk
                check "disk $disk is written at its start" dd if=/dev/urandom of=/dev/$name bs=1M count=2 oflag=direct status=none
                check "disk $disk discards" blkdiscard --offset 0 --length 1M /dev/$name
                check "disk $disk reads zeroes where it was discarded" cmp -n 1048576 /dev/$name /dev/zero
                check "disk $disk zeroes" blkdiscard --zeroout --offset 1M --length 512K /dev/$name
                check "disk $disk reads zeroes where it was zeroed" cmp -n 524288 -i 1048576 /dev/$name /dev/zero
                check "disk $disk keeps what lies behind" sh -c "! cmp -s -n 4096 -i 1572864 /dev/$name /dev/zero"
            done
            done_testing
            """
        );
        guest.PowerOff();
        for (int disk = 0; disk < Modes.Length; disk++)
        {
            daemons[disk].Stop();
            if (Modes[disk].Contains("qcow2"))
            {
                string image = InScratch($"disk{disk}.qcow2");
                RunProgram(GuestArtifacts.Program("qemu11", "qemu-img"), "check", "-f", "qcow2", image);
            }
        }
    }

    private string MakeQcow2(string name)
    {
        string path = InScratch(name);
        Assert.Equal(0, RunVireo("image", "create", "--cluster-size", "8192", path, "64M").Status);
        return path;
    }
}
