#!/bin/bash
# Prints how many lines of the rings and of vhost-user the unit tests reach. ./test unit runs it after the tests; what was not reached
# goes to artifacts/coverage/open.txt.
set -euo pipefail
# shellcheck source=eng/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
need_dotnet
cd "$root"

folder=artifacts/coverage
rm -rf "$folder"
mkdir -p "$folder"
cp -r artifacts/bin/Vireo.Tests/release "$folder/bin"
packages="$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: //')"
# Left out are tests that last; they reach nothing more. Of the kills there is one for each kind of ring.
export VIREO_KILLS=4
tests=(Vireo.Tests.Core.Queues.{Split,Packed,Paged,Inflight,Dirty,Chain,Notification}\* Vireo.Tests.Core.Memory.\* Vireo.Tests.Drivers.\*
    Vireo.Tests.Homes.VhostUser.\* Vireo.Tests.Homes.Loopback.\* Vireo.Tests.Homes.VfioUser.DistantMemoryTests Vireo.Tests.Homes.MoveTests
    Vireo.Tests.Simulation.KillTests)
command="timeout --kill-after=5 240 $root/$folder/bin/Vireo.Tests --no-progress --no-ansi --filter-class $(printf "'%s' " "${tests[@]}") >'$root/$folder/tests' 2>&1"
log="$folder/log"
if ! dotnet msbuild eng/coverage.proj -nologo -nodeReuse:false -p:NuGetPackageRoot="$packages" -p:Folder="$root/$folder/bin/" \
    -p:Report="$root/$folder/lines.info" -p:Command="$command" >"$log" 2>&1 || ! grep -q '^Test run summary' "$folder/tests"; then
    tail -n 20 "$log" >&2
    die "the coverage of lines could not be measured; the whole log is in $root/$log."
fi

awk -F '[:,]' -v root="$root/" -v open="$folder/open.txt" '
    $1 == "SF" { file = $2; sub(root, "", file); area = file ~ /Queues/ ? "Core/Queues" : "Homes/VhostUser" }
    $1 == "DA" {
        lines[area]++
        if ($3 > 0) reached[area]++
        else print file ":" $2 > open
    }
    END {
        print "lines reached by unit tests"
        for (area in lines) printf "  %-16s %5d/%-5d %5.1f %%\n", area, reached[area] + 0, lines[area], 100 * reached[area] / lines[area] | "sort"
    }' "$folder/lines.info"
