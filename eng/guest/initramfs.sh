#!/bin/bash
# Packs a guest's initramfs: static busybox, eng/guest/init and agent, and the kernel modules of one flavour.
#
#   eng/guest/initramfs.sh [FLAVOUR]      prints "kernel PATH" and "initramfs PATH" (default flavour: standard)
#
# The result is kept in the cache under the hash of all it is made of. To hand a guest more files, append another cpio archive
# (newc, not compressed, padded to four bytes): the kernel unpacks one after the other.
set -euo pipefail
# shellcheck source=eng/guest/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

flavour="${1:-standard}"
list="$guest_dir/flavours/$flavour.modules"
[ -r "$list" ] || die "there is no flavour '$flavour' in eng/guest/flavours."
paths="$("$guest_dir/provision.sh" kernel tools)"
kernel_root="$(sed -n 's/^kernel //p' <<<"$paths")"
tools="$(sed -n 's/^tools //p' <<<"$paths")"
kernels=("$kernel_root"/boot/vmlinuz-*)
version="${kernels[0]##*/vmlinuz-}"

hash="$({
    echo "$kernel_root $tools"
    cat "$list" "$guest_dir/init" "$guest_dir/agent" "$guest_dir/tap" "${BASH_SOURCE[0]}"
} | sha256sum)"
image="$vireo_cache/initramfs/$flavour-${hash:0:12}.cpio.gz"

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

pack() {
    local work="$image.partial.$$" file name
    say "initramfs: packing flavour $flavour for Linux $version"
    mkdir -p "$work/bin" "$work/lib/modules" "$work/dev" "$work/proc" "$work/sys" "$work/tmp" "$work/root" "$work/vireo"
    cp "$tools/usr/bin/busybox" "$work/bin/busybox"
    # Links made here cost nothing at boot.
    while read -r name; do ln -s busybox "$work/bin/$name"; done < <("$work/bin/busybox" --list | grep -vx busybox)
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
    (cd "$work" && find . | LC_ALL=C sort | "$tools/vireo-bin/cpio" --quiet -o -H newc -R 0:0 | gzip -1) >"$image.$$"
    rm -rf "$work"
    # Whole four-byte words, so that another archive can follow.
    truncate -s %4 "$image.$$"
    mv "$image.$$" "$image"
}

if [ ! -r "$image" ]; then
    mkdir -p "$vireo_cache/initramfs"
    pack
fi
printf 'kernel %s\ninitramfs %s\n' "${kernels[0]}" "$image"
