#!/bin/bash
# block devices beside qemu-storage-daemon, with two clients, and files through io_uring alone; --quick, --help
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=eng/lib.sh
. "$here/../lib.sh"

usage() {
    cat <<'END'
./bench block [--quick] [--rows PATTERN] [--rounds N] [--seconds S] [--dir FOLDER] [--size MIB] [--poll-us N]

Serves the same disks with vireo and with qemu-storage-daemon (the newest Debian has, unpacked into the cache), and loads them
from another processor: one for the client, one for the server. Prints a table for people and for docs/benchmarks. All of it takes
a quarter of an hour, and wants a machine that does nothing else.

  --quick          one short round of the rows that matter most: less than a minute
  --rows PATTERN   only the rows whose name matches this regular expression, for example 'cached|direct'
  --rounds N       measurements per cell, whose median is shown (default 3; quick: 1); three times as many where the disk is asked
  --seconds S      seconds per measurement (default 0.6; quick: 0.5)
  --dir FOLDER     where the disk file lies; it is kept for the next time (default: artifacts/bench)
  --size MIB       size of the disk file (default 1024)
  --poll-us N      how long vireo looks for work before it sleeps in the rows named "polling" (default 50)
END
}

quick=0 rows=. rounds='' seconds='' dir="$root/artifacts/bench" size=1024 poll_us=50
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1 ;;
        --rows | --rounds | --seconds | --dir | --size | --poll-us)
            [ $# -ge 2 ] || die "$1 wants a value; see --help."
            case "$1" in
                --rows) rows="$2" ;;
                --rounds) rounds="$2" ;;
                --seconds) seconds="$2" ;;
                --dir) dir="$2" ;;
                --size) size="$2" ;;
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
if [ $quick = 1 ]; then rounds="${rounds:-1}" seconds="${seconds:-0.5}"; else rounds="${rounds:-3}" seconds="${seconds:-0.6}"; fi
[[ "$rounds" =~ ^[1-9][0-9]?$ ]] || die "--rounds is '$rounds', but has to be a number from 1 to 99."
[[ "$size" =~ ^[1-9][0-9]{1,5}$ ]] || die "--size is '$size', but has to be MiB from 10 to 999999."

# Works, one a line: name, which disk, direction, pattern, block, depth, queues, peer disk, what the ratio is to reach, in quick?
#   The client polls, unless the name says that it sleeps.
works() {
    cat <<'END'
null, polling            null-poll  read  random     4096   1   1 null-1 19   q
null, polling            null-poll  read  random     4096   8   1 null   -
null, polling            null-poll  read  random     4096   32  1 null   2.1  q
null, polling            null-poll  read  random     4096   128 1 null   3.2  q
null, polling, 2 queues  null-poll  read  random     4096   32  2 null   -
null, polling, 4 queues  null-poll  read  random     4096   32  4 null   -
null, sleeping           null       read  random     4096   1   1 null   1.0
null, both sleep         null       read  random     4096   1   1 null   1.0  q
null, client sleeps      null-poll  read  random     4096   1   1 null-1 19   q
null, sleeping           null       read  random     4096   32  1 null   -
memory, polling          memory     read  random     4096   32  1 null   0.9  q
memory, polling          memory     read  random     4096   128 1 null   0.9  q
cached                   cached     read  random     4096   1   1 cached -
cached                   cached     read  random     4096   8   1 cached 1.8  q
cached                   cached     read  random     4096   32  1 cached 1.8  q
cached                   cached     read  random     4096   128 1 cached 1.8  q
cached, 2 queues         cached     read  random     4096   32  2 cached 1.8
cached, 4 queues         cached     read  random     4096   32  4 cached 1.8
cached                   cached     read  sequential 131072 8   1 cached 1.0  q
O_DIRECT                 direct     read  random     4096   1   1 direct -
O_DIRECT                 direct     read  random     4096   8   1 direct 1.0
O_DIRECT                 direct     read  random     4096   32  1 direct 1.0  q
O_DIRECT                 direct     read  random     4096   128 1 direct 1.0
O_DIRECT, 2 queues       direct     read  random     4096   32  2 direct 1.0
O_DIRECT, 4 queues       direct     read  random     4096   32  4 direct 1.0
O_DIRECT, registered     registered read  random     4096   32  1 direct 1.0
O_DIRECT, registered     registered read  random     4096   128 1 direct 1.0
O_DIRECT                 direct     read  sequential 131072 8   1 direct 1.0
O_DIRECT, client sleeps  direct     write random     4096   32  1 direct 1.0
O_DIRECT, client sleeps  direct     write sequential 131072 8   1 direct 1.0
cached                   cached     write random     4096   8   1 cached 1.0
cached                   cached     write random     4096   32  1 cached 1.0  q
cached                   cached     write sequential 131072 8   1 cached 1.0
qcow2, cached            qcow2      read  random     4096   8   1 qcow2  1.5
qcow2, cached            qcow2      read  random     4096   32  1 qcow2  1.5  q
qcow2, cached            qcow2      read  random     4096   128 1 qcow2  1.5
qcow2, cached            qcow2      read  sequential 131072 8   1 qcow2  1.0
qcow2, cached            qcow2      write random     4096   32  1 qcow2  1.0
qcow2, O_DIRECT          qcow2-direct read random    4096   8   1 qcow2-direct 1.0
qcow2, O_DIRECT          qcow2-direct read random    4096   32  1 qcow2-direct 1.0  q
qcow2, O_DIRECT, client sleeps qcow2-direct write random   4096   32  1 qcow2-direct 1.0
END
}

# What the second client does: name, disk, peer disk, depth, requests, in quick?
blkio_works() {
    cat <<'END'
null null-poll null 1 50000
null null-poll null 32 400000 q
cached cached cached 32 200000 q
O_DIRECT direct direct 32 50000
qcow2 qcow2 qcow2 32 200000
END
}

[ "$(nproc)" -ge 2 ] || die 'one processor for the client and one for the server are needed, and this host has one.'
if ! command -v gcc >/dev/null || [ ! -e /usr/include/linux/io_uring.h ]; then install_packages gcc libc6-dev linux-libc-dev; fi
command -v taskset >/dev/null || install_packages util-linux
mkdir -p "$root/artifacts/bench" "$dir"
load="$root/artifacts/bench/blkload"
gcc -O2 -Wall -Wextra -std=gnu11 -fno-strict-aliasing -o "$load" "$here/blkload.c"
peer="$("$root/eng/guest/provision.sh" qemu11 | sed -n 's/^qemu11 //p')/vireo-bin"
vireo="$root/artifacts/bin/Vireo.Cli/release/vireo"
[ -x "$vireo" ] || die "there is no $vireo; run this as ./bench block, which builds it."

work="$(mktemp -d "${TMPDIR:-/tmp}/vireo-bench.XXXXXX")"
declare -A pids=()
finish() {
    local name
    for name in "${!pids[@]}"; do kill "${pids[$name]}" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

file="$dir/disk-$size.raw"
if [ ! -e "$file" ]; then
    say "writing $file"
    # Random bytes, so that nothing below this can leave them out.
    head -c "${size}M" /dev/urandom >"$file.new"
    mv "$file.new" "$file"
fi
sync "$file"
cat "$file" >/dev/null
# The same bytes as a qcow2 image in which every cluster has its place. Nothing is allocated while both servers have it open, so they do not harm it.
image="$dir/disk-$size.qcow2"
if [ ! -e "$image" ]; then
    say "writing $image"
    "$vireo" image convert --from raw --to qcow2 "$file" "$image.new"
    mv "$image.new" "$image"
fi
sync "$image"
cat "$image" >/dev/null

client_core=0 server_core=1 class=()
serve() { # name, command...
    local name="$1"
    shift
    taskset -c $server_core "${class[@]}" "$@" >"$work/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
}
# Each server is a process of its own, so that its time and memory are those of one disk.
serve_vireo() { # name, arguments...
    local name="vireo-$1"
    is_needed "$name" || return 0
    shift
    serve "$name" "$vireo" block "$@" --vhost-user "$work/$name.sock" --queues 4 --queue-size 512 --log-level warning
}
serve_peer() { # name, blockdev
    is_needed "qsd-$1" || return 0
    serve "qsd-$1" "$peer/qemu-storage-daemon" --blockdev "$2,node-name=disk" \
        --export "vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=$work/qsd-$1.sock,writable=on,num-queues=4"
}
# What the rows that were asked for need.
needed=' '
while read -r line; do
    if [ $quick = 1 ] && [[ "$line" != *' q' ]]; then continue; fi
    [[ "$line" =~ ^(.+[^\ ])\ +([a-z0-9-]+)\ +(read|write)\ +([a-z]+)\ +[0-9]+\ +([0-9]+)\ +[0-9]+\ +([a-z0-9-]+)\  ]] || die "a row that cannot be read: $line"
    row_name="${BASH_REMATCH[1]} ${BASH_REMATCH[3]} ${BASH_REMATCH[4]} ${BASH_REMATCH[5]}"
    row_disks="vireo-${BASH_REMATCH[2]} qsd-${BASH_REMATCH[6]} "
    if [[ "$row_name" =~ $rows ]]; then needed+="$row_disks"; fi
done < <(works)
while read -r name disk other depth _ in_quick; do
    if [ $quick = 1 ] && [ -z "$in_quick" ]; then continue; fi
    if [[ "libblkio, $name $depth" =~ $rows ]]; then needed+="vireo-$disk qsd-$other "; fi
done < <(blkio_works)
is_needed() { [[ "$needed" == *" $1 "* ]]; }

say 'starting the servers'
serve_vireo null --null 16G
serve_vireo null-poll --null 16G --poll-us "$poll_us"
serve_vireo memory --memory 256M --poll-us "$poll_us"
serve_vireo cached "$file" --no-lock
serve_vireo direct "$file" --no-lock --cache none
serve_vireo registered "$file" --no-lock --cache none --registered-memory
serve_vireo qcow2 "$image" --no-lock
serve_peer null driver=null-co,size=17179869184,read-zeroes=off
# Where one request at a time is asked for, the peer is to wait for it as it does for everybody: asleep, in the ordinary scheduling class.
class=(chrt --other 0)
serve_peer null-1 driver=null-co,size=17179869184,read-zeroes=off
class=()
serve_peer cached "driver=file,filename=$file,aio=io_uring,locking=off"
serve_peer direct "driver=file,filename=$file,aio=io_uring,locking=off,cache.direct=on"
serve_vireo qcow2-direct "$image" --no-lock --cache none
serve_peer qcow2 "driver=qcow2,file.driver=file,file.filename=$image,file.aio=io_uring,file.locking=off"
serve_peer qcow2-direct "driver=qcow2,cache.direct=on,file.driver=file,file.filename=$image,file.aio=io_uring,file.locking=off,file.cache.direct=on"
for name in "${!pids[@]}"; do
    for ((wait = 0; wait < 200; wait++)); do
        if [ -S "$work/$name.sock" ]; then break; fi
        if ! kill -0 "${pids[$name]}" 2>/dev/null; then die "$name ended: $(cat "$work/$name.log")"; fi
        sleep 0.05
    done
done

# Vireo compiles its paths while they are new: what is measured is a server that has run for some seconds.
warm_up() {
    local name
    for name in "${!pids[@]}"; do
        if [[ "$name" != vireo-* ]]; then continue; fi
        taskset -c $client_core "$load" --socket "$work/$name.sock" --depth 1 --seconds "$1" >/dev/null
        taskset -c $client_core "$load" --socket "$work/$name.sock" --depth 32 --queues 2 --seconds "$1" >/dev/null
    done
}
say 'warming up'
if [ $quick = 1 ]; then warm_up 0.7; else warm_up 1.5; fi

declare -A results=()
note() { # key, line of the client: iops, mib_s, cpu_us
    local iops mib cpu
    [[ "$2" =~ iops=([0-9]+)\ mib_s=([0-9.]+)\ cpu_us=([0-9.]+) ]] || die "the client said: $2"
    iops="${BASH_REMATCH[1]}" mib="${BASH_REMATCH[2]}" cpu="${BASH_REMATCH[3]}"
    results[$1.iops]+="$iops " results[$1.mib]+="$mib " results[$1.cpu]+="$cpu "
}
median() { # values, separated by blanks
    tr ' ' '\n' <<<"$1" | grep . | sort -g | awk '{ value[NR] = $1 } END { if (NR) print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2; else print 0 }'
}
run_load() { # key, arguments...
    local key="$1" line
    shift
    line="$(taskset -c $client_core "$load" --seconds "$seconds" --warm-up 0.1 "$@")" || die "$key: ${line:-the client failed}"
    note "$key" "$line"
}

print_machine() {
    local model
    model="$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
    printf '%s; %s processors; Linux %s; %s; %s rounds of %s s\n\n' "${model:-$(uname -m)}" "$(nproc)" "$(uname -r)" \
        "$("$peer/qemu-storage-daemon" --version | head -n 1)" "$rounds" "$seconds"
}
print_machine
echo '| work | block | depth | Vireo | peer | ratio | to reach | io_uring alone | of it | CPU per request: Vireo | peer | io_uring |'
echo '|---|---|---|---|---|---|---|---|---|---|---|---|'

print_row() { # row, name, operation, pattern, block, depth, goal
    local row="$1" unit=iops ours theirs alone our_cpu their_cpu alone_cpu
    if [ "$5" -ge 65536 ]; then unit=mib; fi
    ours="$(median "${results[$row.vireo.$unit]}")" theirs="$(median "${results[$row.qsd.$unit]}")"
    alone="$(median "${results[$row.uring.$unit]:-0}")" alone_cpu="$(median "${results[$row.uring.cpu]:-0}")"
    our_cpu="$(median "${results[$row.vireo.cpu]}")" their_cpu="$(median "${results[$row.qsd.cpu]}")"
    awk -v name="$2: $4 $3" -v block="$5" -v depth="$6" -v goal="$7" -v unit="$unit" -v ours="$ours" -v theirs="$theirs" \
        -v alone="$alone" -v our_cpu="$our_cpu" -v their_cpu="$their_cpu" -v alone_cpu="$alone_cpu" '
        function show(value) {
            if (unit == "mib") return sprintf("%.0f MiB/s", value)
            if (value >= 1e6) return sprintf("%.2f M/s", value / 1e6)
            return sprintf(value >= 1e4 ? "%.0f k/s" : "%.1f k/s", value / 1e3)
        }
        BEGIN {
            printf "| %s | %s | %s | %s | %s | **%.2f** | %s | %s | %s | %.2f µs | %.2f µs | %s |\n", name,
                block / 1024 " KiB", depth, show(ours), show(theirs), ours / theirs, (goal == "-" ? "" : goal),
                (alone ? show(alone) : ""), (alone ? sprintf("%.2f", ours / alone) : ""), our_cpu, their_cpu,
                (alone ? sprintf("%.2f µs", alone_cpu) : "")
        }'
}

row=0
while read -r line; do
    [[ "$line" =~ ^(.+[^\ ])\ +([a-z0-9-]+)\ +(read|write)\ +([a-z]+)\ +([0-9]+)\ +([0-9]+)\ +([0-9]+)\ +([a-z0-9-]+)\ +([0-9.-]+)\ *(q?)$ ]] ||
        die "a row that cannot be read: $line"
    name="${BASH_REMATCH[1]}" disk="${BASH_REMATCH[2]}" operation="${BASH_REMATCH[3]}" pattern="${BASH_REMATCH[4]}"
    block="${BASH_REMATCH[5]}" depth="${BASH_REMATCH[6]}" queues="${BASH_REMATCH[7]}" other="${BASH_REMATCH[8]}"
    goal="${BASH_REMATCH[9]}" in_quick="${BASH_REMATCH[10]}"
    if [ $quick = 1 ] && [ -z "$in_quick" ]; then continue; fi
    if ! [[ "$name $operation $pattern $depth" =~ $rows ]]; then continue; fi
    row=$((row + 1))
    work_arguments=(--op "$operation" --pattern "$pattern" --block "$block" --depth "$depth")
    client_arguments=("${work_arguments[@]}" --queues "$queues")
    if [[ "$name" == *'both sleep'* || "$name" == *'client sleeps'* ]]; then client_arguments+=(--sleep); fi
    # What O_DIRECT writes over in the page cache has to be thrown out of it, which is nobody's work here; the others find all of it there.
    case "$disk" in
        direct | registered) dd if="$file" iflag=nocache count=0 status=none ;;
        qcow2-direct) dd if="$image" iflag=nocache count=0 status=none && dd if="$file" iflag=nocache count=0 status=none ;;
        cached) cat "$file" >/dev/null ;;
        qcow2) cat "$file" "$image" >/dev/null ;;
    esac
    # A virtual disk's speed changes from second to second, by more than servers differ: it takes more rounds to see past that.
    case "$disk" in *direct | registered) row_rounds=$((rounds * 3)) ;; *) row_rounds=$rounds ;; esac
    for ((round = 0; round < row_rounds; round++)); do
        # What was written before goes to the disk now, and not while others are measured.
        case "$disk" in cached | direct | registered) sync "$file" ;; qcow2*) sync "$image" ;; esac
        # Whoever comes first may find the disk rested, so that each comes first in its turn.
        for ((turn = round; turn < round + 3; turn++)); do
            case "$((turn % 3)) $disk" in
                0*) run_load $row.vireo --socket "$work/vireo-$disk.sock" --pid "${pids[vireo-$disk]}" "${client_arguments[@]}" ;;
                1*) run_load $row.qsd --socket "$work/qsd-$other.sock" --pid "${pids[qsd-$other]}" "${client_arguments[@]}" ;;
                *' cached' | *' qcow2') run_load $row.uring --uring "$file" "${work_arguments[@]}" ;;
                *' direct' | *' registered' | *' qcow2-direct') run_load $row.uring --uring "$file" --direct "${work_arguments[@]}" ;;
            esac
        done
    done
    print_row $row "$name" "$operation" "$pattern" "$block" "$depth" "$goal"
done < <(works)

# The second client is independent of ours, and of Vireo; above a million requests per second it is itself the limit.
blkio() { # key, server, count, depth
    local pid="${pids[$2]}" before after output
    before="$(cat /proc/"$pid"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }')"
    output="$(taskset -c $client_core "$peer/qemu-img" bench -t none -n -c "$3" -d "$4" -s 4096 \
        --image-opts "driver=virtio-blk-vhost-user,path=$work/$2.sock,cache.direct=on")" || die "qemu-img bench on $2: $output"
    after="$(cat /proc/"$pid"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }')"
    [[ "$output" =~ completed\ in\ ([0-9.]+) ]] || die "qemu-img bench said: $output"
    note "$1" "$(awk -v count="$3" -v time="${BASH_REMATCH[1]}" -v cpu=$((after - before)) \
        'BEGIN { printf "iops=%.0f mib_s=%.1f cpu_us=%.3f", count / time, count * 4096 / time / 1048576, cpu / count / 1000 }')"
}
while read -r name disk other depth count in_quick; do
    if [ $quick = 1 ] && [ -z "$in_quick" ]; then continue; fi
    if ! [[ "libblkio, $name $depth" =~ $rows ]]; then continue; fi
    row=$((row + 1))
    for ((round = 0; round < rounds; round++)); do
        blkio $row.vireo "vireo-$disk" "$count" "$depth"
        blkio $row.qsd "qsd-$other" "$count" "$depth"
    done
    print_row $row "libblkio, $name" read sequential 4096 "$depth" -
done < <(blkio_works)

echo
echo '| server with one disk, after all this | resident memory |'
echo '|---|---|'
for name in vireo-null vireo-null-poll vireo-memory vireo-cached vireo-direct vireo-registered vireo-qcow2 vireo-qcow2-direct \
    qsd-null qsd-null-1 qsd-cached qsd-direct qsd-qcow2 qsd-qcow2-direct; do
    is_needed "$name" || continue
    # What a disk in memory holds is the disk's, not the server's.
    awk -v name="$name" '/^RssAnon|^RssFile/ { sum += $2 } /^RssShmem/ { shared = $2 } END { printf "| %s | %.1f MiB |\n", name, sum / 1024 }' \
        "/proc/${pids[$name]}/status"
done
# What a queue takes: servers that are new, with one queue in use and with sixteen.
queue_memory() { # name, command...
    local name="$1" queues pid before=0 now
    shift
    for queues in 1 16; do
        rm -f "$work/queues.sock"
        serve "queues-$name-$queues" "${@//QUEUES/$queues}"
        pid="${pids[queues-$name-$queues]}"
        for ((wait = 0; wait < 200; wait++)); do
            if [ -S "$work/queues.sock" ]; then break; fi
            sleep 0.05
        done
        taskset -c $client_core "$load" --socket "$work/queues.sock" --queues "$queues" --depth 340 --seconds 1 >/dev/null
        now="$(awk '/^RssAnon|^RssFile/ { sum += $2 } END { print sum }' "/proc/$pid/status")"
        if [ "$queues" = 16 ]; then printf '| %s, each further queue of 1,024, all of it in use | %d KiB |\n' "$name" $(((now - before) / 15)); fi
        before="$now"
        kill "$pid"
        wait "$pid" 2>/dev/null || true
        unset "pids[queues-$name-$queues]"
    done
}
if [[ 'memory of a queue' =~ $rows ]] && [ $quick = 0 ]; then
    queue_memory Vireo "$vireo" block --null 16G --vhost-user "$work/queues.sock" --queues QUEUES --queue-size 1024 --log-level warning
    queue_memory qemu-storage-daemon "$peer/qemu-storage-daemon" --blockdev driver=null-co,size=17179869184,node-name=disk \
        --export "vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=$work/queues.sock,writable=on,num-queues=QUEUES"
fi
