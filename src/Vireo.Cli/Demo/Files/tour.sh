# Runs in the guest when nobody is there to type: shows the devices and proves that they work.
set -e
fail() {
    echo "FAILED: $*"
    exit 1
}

echo "Linux $(uname -r) with $(nproc) processors, booted in $(cut -d' ' -f1 /proc/uptime) s"
echo
echo "disk:    /dev/vda, $(($(cat /sys/block/vda/size) / 2048)) MiB, $(find /sys/block/vda/mq -mindepth 1 -maxdepth 1 | wc -l) queues, driver virtio_blk"
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt || fail "the disk's file system cannot be mounted"
dd if=/dev/urandom of=/mnt/data bs=1M count=16 2>/dev/null
before="$(sha256sum </mnt/data)"
sync
umount /mnt
echo 3 >/proc/sys/vm/drop_caches
mount -t ext4 /dev/vda /mnt || fail "the disk's file system cannot be mounted again"
[ "$(sha256sum </mnt/data)" = "$before" ] || fail "the disk does not hold what was written to it"
echo "         16 MiB written, read back after unmounting: the same"
rm /mnt/data
umount /mnt

echo "entropy: /dev/hwrng, driver $(cat /sys/class/misc/hw_random/rng_current)"
random="$(dd if=/dev/hwrng bs=4096 count=16 2>/dev/null | gzip -9 | wc -c)"
[ "$random" -ge 65536 ] || fail "64 KiB from /dev/hwrng compress to $random bytes"
echo "         64 KiB read, compressed by gzip to $random bytes: random"
