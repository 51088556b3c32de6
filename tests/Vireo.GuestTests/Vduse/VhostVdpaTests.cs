using Vireo.GuestTests.Rig;
using Xunit;

namespace Vireo.GuestTests.Vduse;

/// <summary><c>vireo block --vduse</c> behind <c>/dev/vhost-vdpa-0</c>: for a virtual machine in the guest, and for our own proxy.</summary>
[TakesLong(250)]
public sealed class VhostVdpaTests : VduseTest
{
    /// <summary>What the machine in the machine does with its disk; its console is read by the guest around it.</summary>
    private const string Nested = """
        set -e
        mkdir -p /mnt
        mount -t ext4 /dev/vda /mnt
        echo "nested: read $(sha256sum </mnt/given)"
        echo "nested: writing"
        dd if=/dev/urandom of=/mnt/written bs=64k count=160 oflag=direct 2>/dev/null
        sync
        echo "nested: wrote $(sha256sum </mnt/written)"
        umount /mnt
        ip link set eth0 up
        ip addr add 10.7.0.2/24 dev eth0
        until ping -c 1 -W 2 10.7.0.1 >/dev/null; do sleep 0.2; done
        echo "nested: fetched $(nc 10.7.0.1 9000 </dev/null | sha256sum)"
        """;

    [Fact]
    public void NestedMachineAndProxyUseTheDisk()
    {
        Guest guest = BootWithVireo(1280, "vduse", "vhost_vdpa", "kvm-amd", "loop", "tun", "vhost_net");
        File.WriteAllText(Path.Combine(guest.HostFolder, "script"), Nested);
        string qemu = InGuest(GuestArtifacts.Program("qemu11", "qemu-system-x86_64"));
        string cpio = InGuest(GuestArtifacts.Program("tools", "cpio"));
        guest.RunTap(
            $$"""
            . /host/functions
            truncate -s 64M /tmp/disk.raw
            mkfs.ext4 -q /tmp/disk.raw
            mkdir -p /tmp/mnt /tmp/extra/vireo
            mount -o loop /tmp/disk.raw /tmp/mnt
            head -c 4M /dev/urandom >/tmp/mnt/given
            given=$(sha256sum </tmp/mnt/given)
            umount /tmp/mnt
            cp /host/script /tmp/extra/vireo/script
            (cat {{InGuest(
                GuestArtifacts.Initramfs
            )}}; cd /tmp/extra && find vireo | {{cpio}} -o -H newc --quiet) >/tmp/initrd

            check "it is served and added" serve one block /tmp/disk.raw --vduse disk0 --vdpa-add
            check "it is there for machines" await test -c /dev/vhost-vdpa-0
            check "a proxy for the kernel's card" serve card proxy vhost-net --tap mid --vhost-user /tmp/card.sock
            ip addr add 10.7.0.1/24 dev mid
            head -c 4M /run/vireo/vireo >/tmp/stream
            python3 -c '
            import socket
            with socket.create_server(("10.7.0.1", 9000)) as listener, listener.accept()[0] as stream:
                stream.sendall(open("/tmp/stream", "rb").read())
            ' >/tmp/python.out 2>&1 &
            {{qemu}} -accel kvm -cpu host -m 192M -M q35,memory-backend=mem -object memory-backend-memfd,id=mem,size=192M,share=on \
                -nodefaults -no-user-config -display none -no-reboot -serial file:/tmp/nested.out -kernel {{InGuest(
                GuestArtifacts.Kernel
            )}} \
                -initrd /tmp/initrd -append "console=ttyS0 quiet panic=-1 {{GuestArtifacts.QuickWords}} vireo.mode=script" \
                -device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0 \
                -chardev socket,id=card,path=/tmp/card.sock -netdev vhost-user,id=card,chardev=card \
                -device virtio-net-pci,netdev=card,romfile= >/tmp/qemu.out 2>&1 &
            qemu=$!
            check "the nested machine reads" await grep -q "nested: read $given" /tmp/nested.out
            check "it writes" await grep -q "nested: writing" /tmp/nested.out
            murder one
            check "a successor after kill -9" serve two block /tmp/disk.raw --vduse disk0 --vdpa-add
            wait $qemu
            is "the end of the nested machine" $? 0
            check "its script ended well" grep "vireo-guest: exit 0" /tmp/nested.out
            cat /tmp/qemu.out
            is "what came through the kernel's card" "$(sed -n "s/.*nested: fetched //p" /tmp/nested.out | tr -d '\r')" \
                "$(sha256sum </tmp/stream)"
            is "the end of the proxy" "$(stop card)" 0
            wrote=$(sed -n "s/.*nested: wrote //p" /tmp/nested.out | tr -d '\r')
            is "the end of vireo" "$(stop two)" 0
            check "the file system is sound" fsck.ext4 -fn /tmp/disk.raw
            mount -o loop,ro /tmp/disk.raw /tmp/mnt
            is "what the nested machine wrote" "$(sha256sum </tmp/mnt/written)" "$wrote"
            umount /tmp/mnt
            done_testing
            """,
            Patience
        );
        string qemuIo = InGuest(GuestArtifacts.Program("qemu11", "qemu-io"));
        string daemon = InGuest(GuestArtifacts.Program("qemu11", "qemu-storage-daemon"));
        guest.RunTap(
            $$"""
            . /host/functions
            through() {
                {{qemuIo}} --image-opts driver=virtio-blk-vhost-user,path=$1,cache.direct=on -c "write -P $2 1M 3M" -c flush -c "read -P $2 1M 3M"
            }
            drive() { timeout 250 /run/published/driver/vireo-driver disk "$1" >/tmp/drive.out 2>&1 && grep done: /tmp/drive.out || { cat /tmp/drive.out; return 1; }; }
            part() { dd if=$1 bs=2M skip=2 count=1 2>/dev/null | sha256sum | cut -d" " -f1; }
            has() { dd if=$1 bs=1M skip=1 count=3 2>/dev/null | tr -d "$2" | wc -c; }

            truncate -s 16M /tmp/ours.raw /tmp/theirs.raw
            check "ours is on the bus" serve ours block /tmp/ours.raw --vduse ours --vdpa-add
            check "it has a node" await test -c /dev/vhost-vdpa-0
            check "our driver uses ours" drive /dev/vhost-vdpa-0
            is "what it wrote" "$(sed -n "s/.* last //p" /tmp/drive.out)" "$(part /tmp/ours.raw)"
            check "a proxy for ours" serve first proxy vhost-vdpa /dev/vhost-vdpa-0 --vhost-user /tmp/ours.sock
            check "qemu-io through proxy and bus" through /tmp/ours.sock 0x41
            is "what is in ours" "$(has /tmp/ours.raw A)" 0

            {{daemon}} --blockdev file,node-name=f,filename=/tmp/theirs.raw \
                --export vduse-blk,id=e,node-name=f,name=theirs,writable=on >/tmp/daemon.out 2>&1 &
            daemon=$!
            await test -e /dev/vduse/theirs
            check "theirs is on the bus" bus add theirs
            check "it has a node, too" await test -c /dev/vhost-vdpa-1
            check "our driver uses theirs" drive /dev/vhost-vdpa-1
            is "what it wrote there" "$(sed -n "s/.* last //p" /tmp/drive.out)" "$(part /tmp/theirs.raw)"
            is "the end of the proxy" "$(stop first)" 0
            check "theirs is removed" bus del theirs
            kill -TERM $daemon
            is "the end of ours" "$(stop ours)" 0
            check "nothing is left of ours" sh -c '! test -e /dev/vduse/ours && ! test -e /dev/shm/vireo-vduse-ours'
            done_testing
            """,
            Patience
        );
        guest.PowerOff();
    }
}
