#!/bin/bash
# Builds a vireo that brings its own runtime, for guests in which there is no .NET.
#
#   eng/guest/publish.sh      prints "vireo PATH"; the drivers for the same guests are in the folder driver beside it
#
# Kept under artifacts/guest until a source is newer. What the build leaves behind lies apart from that of the other builds.
set -euo pipefail
# shellcheck source=eng/guest/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

root="$(cd "$guest_dir/../.." && pwd)"
out="$root/artifacts/guest/publish"
mkdir -p "$root/artifacts/guest"
exec 9>"$root/artifacts/guest/.lock"
flock 9

is_fresh() {
    [ -x "$out/vireo" ] &&
        [ -z "$(find "$root/src" "$root/tests/Vireo.GuestDriver" "$root/eng/guest" "$root"/Directory.*.props "$root"/Directory.*.targets -newer "$out/vireo" -type f -print -quit)" ]
}

# publish PROJECT OPTION...: compiled ahead, because an emulated processor is slow at compiling. A compiler that stays for others
# does not keep the lock.
publish() {
    local log="$root/artifacts/guest/publish.log"
    if ! dotnet publish "$root/$1" -c Release -r linux-x64 --self-contained -v quiet -nodeReuse:false \
        -p:RunAnalyzers=false -p:GenerateDocumentationFile=false -p:PublishReadyToRun=true \
        "-p:ArtifactsPath=$root/artifacts/guest" "${@:2}" >"$log" 2>&1 </dev/null 9>&-; then
        cat "$log" >&2
        die "$1 cannot be published."
    fi
}

if ! is_fresh; then
    say 'publishing vireo for guests'
    publish tests/Vireo.GuestDriver -o "$out/driver"
    # A trimmed single file, because the guest's disk is its memory.
    publish src/Vireo.Cli -p:PublishSingleFile=true -p:PublishTrimmed=true -o "$out"
    touch "$out/vireo"
fi
printf 'vireo %s\n' "$out/vireo"
