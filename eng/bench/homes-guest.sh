#!/bin/bash
# the homes on the vDPA bus beside the others, in a guest with a kernel that has them: instructions, not speeds
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=eng/lib.sh
. "$here/../lib.sh"

if [ $# -gt 0 ]; then
    [ "$1" = --help ] || [ "$1" = -h ] || die "'$1' is not an option; there is --help only."
    cat <<'END'
./bench homes-guest

Boots a stock Debian kernel on one emulated processor and runs "./bench homes" in it, with VDUSE and vhost-vdpa beside Loopback, vhost-user and
vfio-user. The guest's clock counts instructions, 8 ns each, so a busy host changes nothing: what is measured is how many instructions, the
kernel's included, a request takes in each home.
END
    exit 0
fi

value() { sed -n "s/^$1 //p"; }
images="$("$root/eng/guest/initramfs.sh")"
trees="$("$root/eng/guest/provision.sh" qemu11 guestroot kernel tools)"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

say 'building the benchmark for guests'
dotnet publish "$root/tests/Vireo.Benchmarks" -c Release -r linux-x64 --self-contained -v quiet -nodeReuse:false \
    -p:UseSharedCompilation=false -p:RunAnalyzers=false -p:GenerateDocumentationFile=false -p:PublishReadyToRun=true \
    "-p:ArtifactsPath=$root/artifacts/bench/guest" -o "$root/artifacts/bench/guest/out" >"$folder/log" 2>&1 </dev/null || {
    cat "$folder/log" >&2
    die 'the benchmark cannot be published.'
}

mkdir -p "$folder/vireo" "$folder/host"
cat >"$folder/vireo/script" <<'END'
mkdir -p /run/bench
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose bench /run/bench
for module in vduse vhost_vdpa; do modprobe $module || exit 1; done
# Emulated processors are slow at AVX. Everything is compiled once and for good, so that nothing is measured while it is being compiled.
export DOTNET_gcConcurrent=0 DOTNET_EnableAVX=0 DOTNET_TieredCompilation=0 DOTNET_ReadyToRun=0
timeout 400 /run/bench/Vireo.Benchmarks homes vdpa
END
{
    cat "$(value initramfs <<<"$images")"
    (cd "$folder" && find vireo | "$(value tools <<<"$trees")/vireo-bin/cpio" -o -H newc --quiet)
} >"$folder/initrd"

share() {
    printf '%s\n' -fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap,readonly=on" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}
mapfile -t shares < <(
    share userland "$(value guestroot <<<"$trees")"
    share modules "$(value kernel <<<"$trees")/usr/lib/modules"
    share bench "$root/artifacts/bench/guest/out"
)
say 'measuring in a guest; this takes some minutes'
timeout 900 "$(value qemu11 <<<"$trees")/vireo-bin/qemu-system-x86_64" -M q35 -accel 'tcg,thread=single' -icount shift=3 -cpu max -smp 1 -m 1G \
    -nodefaults -no-user-config -display none -no-reboot -serial stdio -device virtio-rng-pci "${shares[@]}" \
    -kernel "$(value kernel <<<"$images")" -initrd "$folder/initrd" \
    -append 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr vireo.mode=script vireo.userland=9p' </dev/null |
    tr -d '\r' | tee "$folder/out"
grep -q '^vireo-guest: exit 0' "$folder/out" || die 'the measurement failed.'
