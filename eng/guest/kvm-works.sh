#!/bin/bash
# Says whether guests can run on /dev/kvm here: prints "kvm" or "tcg REASON". Being there is not enough: some hosts offer a /dev/kvm
# that dies on a stock kernel, so one is booted, once per start of the host and kernel; the answer is kept in the cache.
#
#   eng/guest/kvm-works.sh
set -euo pipefail
# shellcheck source=eng/guest/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

if [ ! -e /dev/kvm ]; then
    echo 'tcg this host has no /dev/kvm'
    exit
fi
if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
    echo 'tcg this user may not open /dev/kvm'
    exit
fi

guest="$("$guest_dir/initramfs.sh")"
kernel="$(sed -n 's/^kernel //p' <<<"$guest")"
initramfs="$(sed -n 's/^initramfs //p' <<<"$guest")"
qemu="$("$guest_dir/provision.sh" qemu11)"
key="$({
    cat /proc/sys/kernel/random/boot_id
    echo "$kernel $qemu"
} | sha256sum)"
answer="$vireo_cache/kvm/${key:0:16}"
if [ -r "$answer" ]; then
    cat "$answer"
    exit
fi

say "kvm: trying to boot Linux with /dev/kvm"
mkdir -p "$vireo_cache/kvm"
transcript="$vireo_cache/kvm/transcript.$$"
# The empty script of this boot ends at once, with a marker line and status 127 as there is none: all that is asked is to get there.
timeout --kill-after=1 20 "${qemu#* }/vireo-bin/qemu-system-x86_64" -M q35 -accel kvm -cpu host -m 256M -nodefaults -no-user-config \
    -display none -serial stdio -no-reboot -kernel "$kernel" -initrd "$initramfs" \
    -append 'console=ttyS0 quiet panic=-1 vireo.mode=script' </dev/null >"$transcript" 2>&1 || true
if grep -q '^vireo-guest: exit ' "$transcript"; then
    echo kvm >"$answer.$$"
else
    echo 'tcg /dev/kvm is there but does not boot a stock kernel' >"$answer.$$"
fi
rm -f "$transcript"
mv "$answer.$$" "$answer"
cat "$answer"
