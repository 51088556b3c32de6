#!/bin/bash
# Builds the command line (Release) quietly and remembers when.
#
#   eng/build.sh STAMP
set -euo pipefail
# shellcheck source=eng/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

stamp="$1"
need_dotnet
mkdir -p "$root/artifacts"
exec 9>"$root/artifacts/.build-lock"
flock 9
say 'building vireo'
# Taken before the build: what changes while it runs is built next time.
touch "$stamp.$$"
log="$root/artifacts/build.log"
if ! dotnet build "$root/src/Vireo.Cli" -c Release -v quiet -nodeReuse:false -p:UseSharedCompilation=false >"$log" 2>&1 </dev/null; then
    rm -f "$stamp.$$"
    grep -E 'error|warning' "$log" | sort -u >&2 || cat "$log" >&2
    die "the build failed; the whole log is in $log."
fi
mv "$stamp.$$" "$stamp"
