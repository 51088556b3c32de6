#!/bin/bash
# Makes a disk that a BIOS and UEFI can boot the guest's kernel from, by their own drivers and GRUB.
#
#   eng/guest/bootdisk.sh IMAGE KERNEL-COMMAND-LINE [FLAVOUR]
#
# IMAGE becomes a raw disk of 64 MiB: GRUB for BIOS in the sectors before the first partition; one FAT partition with GRUB for UEFI,
# kernel and initramfs. Needs no root: nothing is mounted.
set -euo pipefail
# shellcheck source=eng/guest/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

image="$1"
command_line="$2"
flavour="${3:-standard}"
sectors=131072 # of 512 bytes
first=2048     # of the partition

guest="$("$guest_dir/initramfs.sh" "$flavour")"
boot="$("$guest_dir/provision.sh" boot)"
boot="${boot#boot }"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# The same for both: find the partition by a file on it, show what happens on the first serial port, boot.
cat >"$work/grub.cfg" <<END
serial --unit=0
terminal_output serial
search.file /vireo-kernel root
echo "GRUB boots Vireo's guest"
linux /vireo-kernel $command_line
initrd /vireo-initramfs
boot
END
modules=(part_msdos fat search_fs_file linux echo serial terminal boot)
"$boot/vireo-bin/grub-mkimage" -d "$boot/usr/lib/grub/i386-pc" -O i386-pc -p / -c "$work/grub.cfg" -o "$work/core.img" biosdisk "${modules[@]}"
"$boot/vireo-bin/grub-mkimage" -d "$boot/usr/lib/grub/x86_64-efi" -O x86_64-efi -p / -c "$work/grub.cfg" -o "$work/bootx64.efi" "${modules[@]}"
if [ "$(stat -c %s "$work/core.img")" -gt $(((first - 1) * 512)) ]; then die "GRUB does not fit before the first partition."; fi

# The partition on its own, then in its place.
truncate -s $(((sectors - first) * 512)) "$work/partition"
"$boot/vireo-bin/mkfs.fat" -F 32 -n VIREO "$work/partition" >/dev/null
export MTOOLS_SKIP_CHECK=1
"$boot/vireo-bin/mmd" -i "$work/partition" ::/EFI ::/EFI/BOOT
"$boot/vireo-bin/mcopy" -i "$work/partition" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
"$boot/vireo-bin/mcopy" -i "$work/partition" "$(sed -n 's/^bzimage //p' <<<"$guest")" ::/vireo-kernel
# Firmware reads slowly: compressed, the initramfs costs less altogether.
gzip -1 <"$(sed -n 's/^initramfs //p' <<<"$guest")" >"$work/initramfs"
"$boot/vireo-bin/mcopy" -i "$work/partition" "$work/initramfs" ::/vireo-initramfs

# little_endian NUMBER: four bytes, as printf escapes.
little_endian() {
    printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

rm -f "$image"
truncate -s $((sectors * 512)) "$image"
# The boot sector's code ends before the table of partitions at byte 446; it loads what follows it on the disk.
dd if="$boot/usr/lib/grub/i386-pc/boot.img" of="$image" bs=440 count=1 conv=notrunc status=none
# One partition, active, of the type UEFI looks for (0xef); places in cylinders and heads are beyond what they can say.
# shellcheck disable=SC2059 # the format is the bytes
printf "\\x80\\xfe\\xff\\xff\\xef\\xfe\\xff\\xff$(little_endian $first)$(little_endian $((sectors - first)))" |
    dd of="$image" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
dd if="$work/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
dd if="$work/partition" of="$image" bs=512 seek=$first conv=notrunc,sparse status=none
