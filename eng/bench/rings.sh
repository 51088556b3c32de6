#!/bin/bash
# ns per request in the rings alone, and our driver against our device beside libblkio against qemu-storage-daemon; --quick, --help
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=eng/lib.sh
. "$here/../lib.sh"

usage() {
    cat <<'END'
./bench rings [--quick] [--rounds N] [--seconds S] [--poll-us N]

First what a request costs in the rings alone: both layouts, both roles, with and without EVENT_IDX and IN_ORDER. Then requests per
second over shared memory between two processes, one on each of two processors: random reads of 4 KiB from a disk that holds nothing.

  --quick       one short round: a minute
  --rounds N    measurements per cell, whose median is shown (default 5; quick: 1)
  --seconds S   seconds per measurement (default 0.5; quick: 0.3)
  --poll-us N   how long a polling vireo looks for work before it sleeps (default 50)
END
}

rounds='' seconds='' poll_us=50 quick=0
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1 ;;
        --rounds | --seconds | --poll-us)
            [ $# -ge 2 ] || die "$1 wants a value; see --help."
            case "$1" in
                --rounds) rounds="$2" ;;
                --seconds) seconds="$2" ;;
                --poll-us) poll_us="$2" ;;
            esac
            shift
            ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) die "'$1' is not an option; see --help." ;;
    esac
    shift
done
if [ $quick = 1 ]; then rounds="${rounds:-1}" seconds="${seconds:-0.3}"; else rounds="${rounds:-5}" seconds="${seconds:-0.5}"; fi
[[ "$rounds" =~ ^[1-9][0-9]?$ ]] || die "--rounds is '$rounds', but has to be a number from 1 to 99."
[[ "$seconds" =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--seconds is '$seconds', but has to be a number such as 0.5."
[ "$(nproc)" -ge 2 ] || die 'one processor for the client and one for the server are needed, and this host has one.'

if ! command -v gcc >/dev/null || [ ! -e /usr/include/stdio.h ]; then install_packages gcc libc6-dev; fi
command -v taskset >/dev/null || install_packages util-linux
declare -A trees=()
while read -r name path; do trees[$name]="$path"; done < <("$root/eng/guest/provision.sh" qemu11 blkio)
blkio="${trees[blkio]}/usr/lib/x86_64-linux-gnu"
daemon="${trees[qemu11]}/vireo-bin/qemu-storage-daemon"
vireo="$root/artifacts/bin/Vireo.Cli/release/vireo"
benchmarks="$root/artifacts/bin/Vireo.Benchmarks/release/Vireo.Benchmarks"
if [ ! -x "$vireo" ] || [ ! -x "$benchmarks" ]; then die "there is no $vireo; run this as ./bench rings, which builds it."; fi

mkdir -p "$root/artifacts/bench"
load="$root/artifacts/bench/blkioload"
# The library is newer than the host's C library may be: it is run with its own.
gcc -O2 -Wall -Wextra -Werror -std=gnu11 -I "${trees[blkio]}/usr/include" -o "$load" "$here/blkioload.c" \
    -L "$blkio" -lblkio -Wl,--allow-shlib-undefined

work="$(mktemp -d "${TMPDIR:-/tmp}/vireo-bench.XXXXXX")"
declare -A pids=()
finish() {
    local name
    for name in "${!pids[@]}"; do kill "${pids[$name]}" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

client_core=0 server_core=1
serve() { # name, command...
    local name="$1"
    shift
    taskset -c $server_core "$@" >"$work/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
}
serve_vireo() { # name, arguments...
    local name="$1"
    shift
    serve "$name" "$vireo" block --null 16G --vhost-user "$work/$name.sock" --queue-size 256 --log-level warning "$@"
}
serve_daemon() { # name, export options, further arguments...
    local name="$1" options="$2"
    shift 2
    serve "$name" "$daemon" "$@" --blockdev driver=null-co,size=17179869184,read-zeroes=off,node-name=disk \
        --export "type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=$work/$name.sock,writable=on$options"
}
serve_vireo vireo-sleeping
serve_vireo vireo-polling --poll-us "$poll_us"
serve_daemon qsd-sleeping ,iothread=loop --object iothread,id=loop,poll-max-ns=0
serve_daemon qsd-polling ,iothread=loop --object "iothread,id=loop,poll-max-ns=$((poll_us * 1000))"
for name in "${!pids[@]}"; do
    for ((wait = 0; wait < 200; wait++)); do
        if [ -S "$work/$name.sock" ]; then break; fi
        if ! kill -0 "${pids[$name]}" 2>/dev/null; then die "$name ended: $(cat "$work/$name.log")"; fi
        sleep 0.05
    done
done

# One measurement: client, server, depth, how the client waits. Prints requests per second.
measure() {
    local client="$1" server="$work/$2.sock" depth="$3" how="$4" command
    case "$client" in
        libblkio) command=("${trees[blkio]}/usr/lib64/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$blkio" "$load" "$server" "$depth" "$seconds" "$how") ;;
        *) command=("$benchmarks" session "$server" "$depth" "$seconds" "$how" "$client") ;;
    esac
    taskset -c $client_core "${command[@]}" || die "$client on $2 failed"
}
median() {
    sort -g | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

model="$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
printf '%s; %s processors; Linux %s; %s; libblkio %s\n\n' "${model:-$(uname -m)}" "$(nproc)" "$(uname -r)" \
    "$("$daemon" --version | head -n 1)" "$(basename "$(readlink -f "$blkio/libblkio.so")" | sed 's/^libblkio\.so\.//')"

taskset -c $client_core "$benchmarks" rings

say 'warming up'
# A .NET program compiles its paths while they are new: what is measured is a server that has run for some seconds.
for server in vireo-sleeping vireo-polling; do
    for client in split packed; do
        measure $client $server 1 poll >/dev/null
        measure $client $server 32 poll >/dev/null
        measure $client $server 32 wait >/dev/null
    done
done

echo
echo "thousand requests per second, median of $rounds rounds of $seconds s"
echo
echo '| client and server | depth | our driver, our device: split | packed | libblkio, qemu-storage-daemon | ratio, split | packed | our driver, qemu-storage-daemon | libblkio, our device |'
echo '|---|---|---|---|---|---|---|---|---|'
row() { # description, how the client waits, which server, depth
    local name="$1" how="$2" server="$3" depth="$4" round pair file="$work/row"
    rm -f "$file".*
    for ((round = 0; round < rounds; round++)); do
        for pair in split:vireo packed:vireo libblkio:qsd split:qsd libblkio:vireo; do
            measure "${pair%:*}" "${pair#*:}-$server" "$depth" "$how" >>"$file.$pair"
        done
    done
    awk -v name="$name" -v depth="$depth" -v split_="$(median <"$file.split:vireo")" -v packed="$(median <"$file.packed:vireo")" \
        -v peer="$(median <"$file.libblkio:qsd")" -v ours="$(median <"$file.split:qsd")" -v theirs="$(median <"$file.libblkio:vireo")" '
        function show(value) { return sprintf(value >= 1e5 ? "%.0f" : "%.1f", value / 1e3) }
        BEGIN {
            printf "| %s | %d | %s | %s | %s | **%.2f** | **%.2f** | %s | %s |\n", name, depth, show(split_), show(packed), show(peer),
                split_ / peer, packed / peer, show(ours), show(theirs)
        }'
}
row 'both poll' poll polling 1
row 'both poll' poll polling 32
row 'both poll' poll polling 128
row 'client sleeps' wait polling 1
row 'client sleeps' wait polling 32
row 'both sleep' wait sleeping 1
row 'both sleep' wait sleeping 32
