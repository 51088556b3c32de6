#!/bin/bash
# Packs a guest's initramfs: static busybox, eng/guest/init and agent, and the kernel modules of one flavour. Unpacks its kernel.
#
#   eng/guest/initramfs.sh [FLAVOUR [COMPONENT]]      prints "kernel PATH", "bzimage PATH", "initramfs PATH", "words WORDS"
#
# FLAVOUR is standard unless said; the kernel is COMPONENT's (default: kernel), and so is busybox, if COMPONENT has one.
# "kernel" is what QEMU starts: the program inside of "bzimage", which only boot loaders want. Neither it nor the initramfs is compressed:
# an emulated processor would take a quarter of the time of a boot for it. "words" are for the command line of a kernel that is emulated.
#
# The result is kept in the cache under the hash of all it is made of. To hand a guest more files, append another cpio archive
# (newc, not compressed, padded to four bytes): the kernel unpacks one after the other.
set -euo pipefail
# shellcheck source=eng/guest/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

flavour="${1:-standard}"
component="${2:-kernel}"
list="$guest_dir/flavours/$flavour.modules"
[ -r "$list" ] || die "there is no flavour '$flavour' in eng/guest/flavours."
paths="$("$guest_dir/provision.sh" "$component" tools)"
kernel_root="$(sed -n "s/^$component //p" <<<"$paths")"
tools="$(sed -n 's/^tools //p' <<<"$paths")"
kernels=("$kernel_root"/boot/vmlinuz-*)
version="${kernels[0]##*/vmlinuz-}"
busybox="$kernel_root/usr/bin/busybox"
[ -e "$busybox" ] || busybox="$tools/usr/bin/busybox"

hash="$({
    echo "$kernel_root $tools"
    cat "$list" "$guest_dir/init" "$guest_dir/agent" "$guest_dir/tap" "${BASH_SOURCE[0]}"
} | sha256sum)"
image="$vireo_cache/initramfs/$flavour-${hash:0:12}.cpio"
kernel="$vireo_cache/initramfs/vmlinux-$version-${kernel_root##*-}"

# Does without what a kernel does for its own safety at its start, and without tests of its ciphers, its own noise and certificates:
# an emulated guest boots in two thirds of the time.
words='mitigations=off nokaslr rodata=off cryptomgr.notests=1'
words+=' initcall_blacklist=crypto_kdf108_init,init_encrypted,jent_mod_init,load_system_certificate_list'

# Prints the modules of the flavour and all they depend on, each once, in loading order.
module_files() {
    local module
    grep -vE '^[[:space:]]*(#|$)' "$list" | while read -r module; do
        "$tools/vireo-bin/modprobe" -d "$kernel_root/usr" -S "$version" --show-depends "$module" ||
            die "the kernel $version has no module '$module'."
    done | awk '$1 == "insmod" && !seen[$2]++ {print $2}'
}

# Checking a signature costs an emulated processor more than loading the module: unsigned, a guest boots a second sooner.
# A signature is DATA, 12 bytes that end in its big-endian length, and a magic line of 28 bytes.
strip_signature() {
    local file="$1" size length
    if [ "$(tail -c 28 "$file" | tr -d '\0')" != '~Module signature appended~' ]; then return; fi
    size="$(stat -c %s "$file")"
    length=$((16#$(tail -c 32 "$file" | head -c 4 | od -An -tx1 | tr -d ' ')))
    truncate -s $((size - 28 - 12 - length)) "$file"
}

# Takes the program out of a bzImage, whose header says where it lies (Linux, Documentation/arch/x86/boot.rst: setup_sects,
# payload_offset, payload_length; the last four bytes of the payload are its length when unpacked).
unpack_kernel() {
    local file="${kernels[0]}" start length
    # "HdrS": another processor's kernel is nothing that would have to be unpacked.
    if [ "$(number "$file" 514 4)" -ne $((0x53726448)) ]; then
        cp "$file" "$kernel.$$"
        mv "$kernel.$$" "$kernel"
        return
    fi
    start=$((($(number "$file" 497 1) + 1) * 512 + $(number "$file" 584 4)))
    length=$(($(number "$file" 588 4) - 4))
    if [ "$(number "$file" "$start" 4)" -eq $((0xfd2fb528)) ]; then
        head -c $((start + length)) "$file" | tail -c "$length" | "$tools/vireo-bin/zstd" -dc >"$kernel.$$"
    else
        # Compressed in another way: QEMU takes a bzImage as well, the guest only starts later.
        cp "$file" "$kernel.$$"
    fi
    mv "$kernel.$$" "$kernel"
}

# number FILE OFFSET BYTES: the unsigned number that stands there.
number() {
    od -An -j "$2" -N "$3" -t "u$3" "$1" | tr -d ' '
}

pack() {
    local work="$image.partial.$$" file name
    say "initramfs: packing flavour $flavour for Linux $version"
    mkdir -p "$work/bin" "$work/lib/modules" "$work/dev" "$work/proc" "$work/sys" "$work/tmp" "$work/root" "$work/vireo"
    cp "$busybox" "$work/bin/busybox"
    # Links made here cost nothing at boot. One for another processor cannot be asked, but is the same program.
    while read -r name; do ln -s busybox "$work/bin/$name"; done < <("$tools/usr/bin/busybox" --list | grep -vx busybox)
    ln -s bin "$work/sbin"
    cp "$guest_dir/init" "$work/init"
    cp "$guest_dir/agent" "$guest_dir/tap" "$work/vireo/"
    chmod +x "$work/init"
    : >"$work/lib/modules/order"
    while read -r file; do
        name="${file##*/}"
        name="${name%.xz}"
        case "$file" in
        *.xz) "$tools/vireo-bin/xz" -dc "$file" >"$work/lib/modules/$name" ;;
        *) cp "$file" "$work/lib/modules/$name" ;;
        esac
        strip_signature "$work/lib/modules/$name"
        echo "$name" >>"$work/lib/modules/order"
    done < <(module_files)
    (cd "$work" && find . | LC_ALL=C sort | "$tools/vireo-bin/cpio" --quiet -o -H newc -R 0:0) >"$image.$$"
    rm -rf "$work"
    # Whole four-byte words, so that another archive can follow.
    truncate -s %4 "$image.$$"
    mv "$image.$$" "$image"
}

mkdir -p "$vireo_cache/initramfs"
if [ ! -r "$kernel" ]; then unpack_kernel; fi
if [ ! -r "$image" ]; then pack; fi
printf 'kernel %s\nbzimage %s\ninitramfs %s\nwords %s\n' "$kernel" "${kernels[0]}" "$image" "$words"
