using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Vduse;

/// <summary>Vireo on a stock kernel, for that kernel itself: a disk and a card by VDUSE, and the kernel's vhost under our drivers.</summary>
/// <remarks>One guest for all of it: what takes long is to boot it.</remarks>
[TakesLong(200)]
public sealed class KernelTests : VduseTest
{
    [Fact]
    public void KernelUsesOurDevices_AndOurDriversUseTheKernels()
    {
        Guest guest = BootWithVireo(
            1024,
            "vduse",
            "virtio_vdpa",
            "tun",
            "vhost_net",
            "vhost_vsock",
            "vhost_scsi",
            "target_core_file"
        );
        UseDisk(guest);
        KillDaemons(guest);
        UseVhost(guest);
        UseZones(guest);
        UsePolledQueues(guest);
        UseCard(guest, "net");
        UseCard(guest, "proxy vhost-net");
        guest.PowerOff();
    }

    private static void UseDisk(Guest guest) =>
        guest.RunTap(
            $$"""
            . /host/functions
            truncate -s 64M /tmp/disk.raw
            check "a type that the kernel refuses is refused in one sentence" \
                sh -c '/run/vireo/vireo entropy --vduse rng0 2>&1 | grep "takes no virtio device 4 (Entropy)"'
            check "it is served" serve one block /tmp/disk.raw --vduse disk0 --serial of-vireo
            check "a second process is turned away" \
                sh -c '/run/vireo/vireo block --memory 1M --vduse disk0 2>&1 | grep "another process serves"'
            check "nothing is on the bus" sh -c '/run/vireo/vireo vdpa show | tee /tmp/show | grep "nothing is on"'
            check "managers are shown" grep "manager vduse: net, block" /tmp/show
            check "it is added" bus add disk0
            check "it is a disk" await test -b /dev/vda
            is "its size" "$(blockdev --getsize64 /dev/vda)" 67108864
            is "its serial number" "$(cat /sys/block/vda/serial)" of-vireo
            is "its driver" "$(readlink /sys/block/vda/device/../driver | xargs basename)" virtio_vdpa

            ours=$($vireo vdpa show --json)
            theirs=$(vdpa -j dev show disk0)
            field() { sed -n "s/.*\"$1\":\"\{0,1\}\([a-z0-9]*\).*/\1/p"; }
            for name in mgmtdev max_vqs max_vq_size vendor_id; do
                is "vdpa agrees on $name" "$(echo "$ours" | field $name)" "$(echo "$theirs" | field $name)"
            done
            is "vdpa agrees on the type" "$(echo "$ours" | field type_id),$(echo "$theirs" | field type)" 2,block

            check "it takes a file system" mkfs.ext4 -q /dev/vda
            mkdir -p /tmp/mnt
            check "it can be mounted" mount /dev/vda /tmp/mnt
            head -c 8M /run/vireo/vireo >/tmp/given
            cp /tmp/given /tmp/mnt/copy
            umount /tmp/mnt
            check "the file system is sound" fsck.ext4 -fn /dev/vda
            echo 3 >/proc/sys/vm/drop_caches
            mount -o ro /dev/vda /tmp/mnt
            is "what was copied" "$(sha256sum </tmp/mnt/copy)" "$(sha256sum </tmp/given)"
            umount /tmp/mnt
            done_testing
            """,
            Patience
        );

    private static void KillDaemons(Guest guest) =>
        guest.RunTap(
            """
            . /host/functions
            fio --name=verify --filename=/dev/vda --rw=randwrite --bs=4k --size=4M --verify=crc32c --do_verify=1 \
                --iodepth=16 --ioengine=libaio --direct=1 --rate_iops=300 >/tmp/fio.out 2>&1 &
            fio=$!
            sleep 0.7
            check "fio runs" kill -0 $fio
            murder one
            # With buffers of its own: what is in flight is in the kernel's, and moves there and, when it ends, back.
            ulimit -l unlimited
            check "a successor after kill -9" serve two block /tmp/disk.raw --vduse disk0 --vduse-own-buffers --serial of-vireo
            check "it goes on with the device" grep -q "goes on with a device that is in use" /tmp/two.err
            wait $fio
            is "fio's verdict" $? 0
            check "the kernel's bounce buffers were its own" grep -q "67108864 bytes of bounce buffers are memory of this process" /tmp/two.err
            check "fio wrote and read all of it" grep "issued rwts: total=1024,1024" /tmp/fio.out

            is "SIGTERM ends it" "$(stop two)" 0
            check "the device, which is in use, stays" sh -c 'test -b /dev/vda && grep -q "stays on the vDPA bus" /tmp/two.err'
            dd if=/dev/vda of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null &
            reader=$!
            sleep 0.3
            check "a read waits" kill -0 $reader
            check "other features are refused" sh -c \
                '/run/vireo/vireo block /tmp/disk.raw --read-only --vduse disk0 2>&1 | grep "the device on the bus was made as"'
            check "the next one comes" serve three block /tmp/disk.raw --vduse disk0 --serial of-vireo
            wait $reader
            is "the read went on" $? 0

            check "it is removed" bus del disk0
            check "the disk is gone" await sh -c '! test -b /dev/vda'
            is "the end" "$(stop three)" 0
            check "nothing is left" sh -c '! test -e /dev/vduse/disk0 && ! test -e /dev/shm/vireo-vduse-disk0'
            done_testing
            """,
            Patience
        );

    /// <summary>A zoned device of the host, under our driver and, by the bus, under the kernel's.</summary>
    private static void UseZones(Guest guest) =>
        guest.RunTap(
            """
            . /host/functions
            blkzone=$(ls /run/cache/components/guestroot-*/usr/sbin/blkzone | head -n 1)
            # 64 zones of 4 MiB, the first two conventional; in memory.
            modprobe null_blk nr_devices=1 gb=1 memory_backed=1 bs=4096 zoned=1 zone_size=4 zone_nr_conv=2 zone_max_open=4 zone_max_active=6
            check "with the page cache it is refused"                 sh -c '/run/vireo/vireo block /dev/nullb0 --vhost-user /tmp/zones 2>&1 | grep "choose the cache mode"'
            check "other zones on it are refused"                 sh -c '/run/vireo/vireo block /dev/nullb0 --cache none --zone-size 4M --vhost-user /tmp/zones 2>&1 | grep "has zones already"'
            check "it is served" serve zones block /dev/nullb0 --cache none --vhost-user /tmp/zones
            check "our driver finds its zones to be zones"                 sh -c '/run/published/driver/vireo-driver zones /tmp/zones 2 >/tmp/drive.out 2>&1; cat /tmp/drive.out; grep "done: model 1, zones of 8192 sectors, 4 open, 6 active" /tmp/drive.out'
            is "the end" "$(stop zones)" 0

            check "it is served on the bus" serve zoned block /dev/nullb0 --cache none --vduse zoned0 --vdpa-add
            check "the kernel has it" await test -b /dev/vda
            is "as a zoned disk" "$(cat /sys/block/vda/queue/zoned)" host-managed
            head -c 256K /run/vireo/vireo >/tmp/part
            check "the kernel writes a zone in order" dd if=/tmp/part of=/dev/vda bs=64k oflag=direct,seek_bytes seek=8M conv=notrunc
            check "what it wrote is there" sh -c 'dd if=/dev/nullb0 bs=64k skip=128 count=4 iflag=direct | cmp - /tmp/part'
            check "both report the zone alike" sh -c "$blkzone report -o 16384 -c 1 /dev/vda | tee /tmp/theirs | grep 'wptr 0x000200'"
            is "as the device itself" "$(cat /tmp/theirs)" "$($blkzone report -o 16384 -c 1 /dev/nullb0)"
            check "it resets the zone" $blkzone reset -o 16384 -c 1 /dev/vda
            check "which is empty then" sh -c "$blkzone report -o 16384 -c 1 /dev/nullb0 | grep 'em)'"
            is "the end of it" "$(stop zoned)" 0
            modprobe -r null_blk
            done_testing
            """,
            Patience
        );

    /// <summary>A device of the host whose completions are asked for, as an NVMe disk with queues for that.</summary>
    private static void UsePolledQueues(Guest guest) =>
        guest.RunTap(
            """
            . /host/functions
            # In this driver a request on such a queue ends only when somebody asks.
            modprobe null_blk nr_devices=1 gb=1 memory_backed=1 submit_queues=1 poll_queues=1
            check "it is served" serve polled block /dev/nullb0 --cache none --iopoll --vduse polled0 --vdpa-add
            check "and polled" grep "completions polled" /tmp/polled.err
            check "the kernel has it" await test -b /dev/vda
            check "what is written is read" fio --name=verify --filename=/dev/vda --rw=randwrite --bs=4k --size=4M --verify=crc32c --do_verify=1 \
                --iodepth=16 --ioengine=libaio --direct=1 --fsync=64 --output=/tmp/fio.out
            check "fio found no error" grep "err= 0" /tmp/fio.out
            head -c 1M /run/vireo/vireo >/tmp/part
            check "the kernel writes" dd if=/tmp/part of=/dev/vda bs=64k oflag=direct,seek_bytes seek=8M conv=notrunc
            check "what it wrote is on the device" sh -c 'dd if=/dev/nullb0 bs=64k skip=128 count=16 iflag=direct | cmp - /tmp/part'
            is "the end of it" "$(stop polled)" 0
            modprobe -r null_blk
            done_testing
            """,
            Patience
        );

    /// <summary>A card on the bus, for the host itself.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="command">Who it is: a device of ours, or the kernel's vhost.</param>
    private static void UseCard(Guest guest, string command) =>
        guest.RunTap(
            $$"""
            . /host/functions
            ip tuntap add mid mode tap vnet_hdr
            ip addr add 10.8.0.1/24 dev mid
            check "a card is served and added" serve card {{command}} --tap mid --mac 52:54:00:00:00:09 --vduse card0 --vdpa-add
            check "the kernel has it" await sh -c 'test -d /sys/bus/virtio/drivers/virtio_net/virtio*/net' ; cat /tmp/card.err; ls /sys/bus/virtio/devices /sys/bus/vdpa/devices; dmesg | tail -20

            link=$(basename /sys/bus/virtio/drivers/virtio_net/virtio*/net/*)
            is "its address" "$(cat /sys/class/net/$link/address)" 52:54:00:00:00:09
            is "vdpa agrees on the type" "$(vdpa dev show card0 | grep -o 'type [a-z]*')" "type network"
            ip netns add far
            ip link set "$link" netns far
            ip -n far addr add 10.8.0.2/24 dev "$link"
            ip -n far link set "$link" up
            ip link set mid up
            near() { ip netns exec far busybox ping -q -c 1 -W 2 -s 1400 10.8.0.1; }
            check "packets go and come" await near

            head -c 4M /run/vireo/vireo >/tmp/stream
            # A listener ends when its input does, so that is kept open.
            sleep 250 | busybox nc -l -p 9000 >/tmp/near &
            sleep 250 | ip netns exec far busybox nc -l -p 9001 >/tmp/far &
            await sh -c 'ip netns exec far busybox netstat -lnt | grep -q 9001 && busybox netstat -lnt | grep -q 9000'
            ip netns exec far timeout 60 busybox nc 10.8.0.1 9000 </tmp/stream
            timeout 60 busybox nc 10.8.0.2 9001 </tmp/stream
            check "4 megabytes through the card" cmp /tmp/near /tmp/stream
            check "and back" cmp /tmp/far /tmp/stream

            murder card
            check "a successor after kill -9" serve card2 {{command}} --tap mid --mac 52:54:00:00:00:09 --vduse card0 --vdpa-add
            check "packets go and come again" await near
            is "the end takes it off the bus" "$(stop card2)" 0
            check "nothing is left" sh -c '! test -e /dev/vduse/card0 && ! test -e /dev/shm/vireo-vduse-card0'
            ip link del mid
            ip netns del far
            done_testing
            """,
            Patience
        );

    private static void UseVhost(Guest guest) =>
        guest.RunTap(
            """
            . /host/functions
            drive() { timeout 250 /run/published/driver/vireo-driver "$@" >/tmp/drive.out 2>&1 && grep done: /tmp/drive.out || { cat /tmp/drive.out; dmesg | tail -n 20; return 1; }; }
            ip tuntap add plain mode tap vnet_hdr
            ip addr add 10.9.0.1/24 dev plain
            ip link set plain up
            check "our driver's packets through vhost-net" drive card plain
            is "all of them" "$(grep -o '[0-9]* echoes' /tmp/drive.out)" "200 echoes"
            check "and where the kernel has to ask for each page" drive translated-card plain
            is "all of them again" "$(grep -o '[0-9]* echoes' /tmp/drive.out)" "200 echoes"
            check "the tap counted them" [ "$(cat /sys/class/net/plain/statistics/rx_packets)" -ge 201 ]

            python3 -c '
            import socket
            listener = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            listener.bind((socket.VMADDR_CID_ANY, 1234))
            listener.listen(1)
            print("listening", flush=True)
            stream = listener.accept()[0]
            while data := stream.recv(65536):
                stream.sendall(data)
            ' >/tmp/python.out 2>&1 &
            await grep -q listening /tmp/python.out || cat /tmp/python.out
            check "our driver's stream through vhost-vsock" drive socket 1234
            is "all of it" "$(grep -o '[0-9]* bytes' /tmp/drive.out)" "1048576 bytes"
            cd /sys/kernel/config/target || { mount -t configfs none /sys/kernel/config && cd /sys/kernel/config/target; }
            truncate -s 16M /tmp/scsi.raw
            mkdir -p core/fileio_0/disk vhost/naa.600140554cf3a18e/tpgt_0/lun/lun_0
            echo fd_dev_name=/tmp/scsi.raw,fd_dev_size=16777216 >core/fileio_0/disk/control
            echo 1 >core/fileio_0/disk/enable
            echo naa.60014053226f0388 >vhost/naa.600140554cf3a18e/tpgt_0/nexus
            ln -s "$PWD/core/fileio_0/disk" vhost/naa.600140554cf3a18e/tpgt_0/lun/lun_0/disk
            cd /
            check "a proxy for vhost-scsi" serve scsi proxy vhost-scsi --target naa.600140554cf3a18e --vhost-user /tmp/scsi.sock
            check "our driver's commands through vhost-user and vhost-scsi" drive scsi /tmp/scsi.sock
            is "whose unit it is" "$(grep -o "[0-9]* blocks of.*'" /tmp/drive.out)" "32768 blocks of 512 bytes by 'LIO-ORG'"
            is "what is in its file" "$(head -c 1M /tmp/scsi.raw | sha256sum | cut -d' ' -f1)" "$(sed -n 's/.* wrote //p' /tmp/drive.out)"
            is "the end of the proxy" "$(stop scsi)" 0
            check "where says what this host has" sh -c '/run/vireo/vireo where net >/tmp/where && grep -E "^ *vduse +yes" /tmp/where && grep -E "vhost-scsi +yes" /tmp/where && grep libvirt: /tmp/where && grep cloud-hypervisor: /tmp/where'
            done_testing
            """,
            Patience
        );
}
