#!/bin/bash
# network cards beside QEMU's own, both in one emulated guest: iperf3 over taps, and packets to a device that sleeps; --help
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=eng/lib.sh
. "$here/../lib.sh"

usage() {
    cat <<'END'
./bench net-guest [--rounds N] [--seconds S] [--rows PATTERN]

Boots a Debian guest on one emulated processor with four network cards: QEMU's built-in virtio-net and 'vireo net' over vhost-user, each with
a tap (offloads on, vhost=off) and each with nothing behind it. In each round they are measured one after the other:

  receive, send   iperf3 over the taps, one TCP connection between the guest and this host
  packets         the guest's kernel (pktgen) sends 60 bytes to the cards with nothing behind them, at the same rate; nobody polls
  load            the same by a program in the guest (netload.c) in place of the kernel's driver, which could not offer so much

The guest's processor is one of this host's, the other one has the devices and iperf3. Processor time of the device is that of all threads of
QEMU and vireo but the one that is the guest's processor. Everything happens in a network namespace of its own. All of it takes about
10 minutes with five rounds of three seconds.

  --rounds N       measurements per cell, whose middle one is shown (default 5)
  --seconds S      whole seconds per measurement (default 3)
  --rows PATTERN   only the rows whose name matches this regular expression: 'receive', 'send', 'packets 20000', 'load 1000000 32'
END
}

rounds=5 seconds=3 rows=.
while [ $# -gt 0 ]; do
    case "$1" in
        --rows | --rounds | --seconds)
            [ $# -ge 2 ] || die "$1 wants a value; see --help."
            case "$1" in
                --rows) rows="$2" ;;
                --rounds) rounds="$2" ;;
                --seconds) seconds="$2" ;;
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
[[ "$rounds" =~ ^[1-9][0-9]?$ ]] || die "--rounds is '$rounds', but has to be a number from 1 to 99."
[[ "$seconds" =~ ^[1-9][0-9]?$ ]] || die "--seconds is '$seconds', but has to be a number from 1 to 99."
[ "$(nproc)" -ge 2 ] || die 'one processor for the guest and one for the devices are needed, and this host has one.'

if [ -z "${VIREO_BENCH_NAMESPACE:-}" ]; then
    VIREO_BENCH_NAMESPACE=1 exec unshare --user --map-root-user --net -- "${BASH_SOURCE[0]}" --rounds "$rounds" --seconds "$seconds" --rows "$rows"
fi

if ! command -v gcc >/dev/null || [ ! -e /usr/include/stdio.h ]; then install_packages gcc libc6-dev; fi
value() { sed -n "s/^$1 //p"; }
images="$("$root/eng/guest/initramfs.sh")"
trees="$("$root/eng/guest/provision.sh" qemu11 guestroot kernel tools nettools)"
nettools="$(value nettools <<<"$trees")"
vireo="$root/artifacts/bin/Vireo.Cli/release/vireo"
[ -x "$vireo" ] || die "there is no $vireo; run this as ./bench net-guest, which builds it."
guest_core=0 device_core=1

work="$(mktemp -d "${TMPDIR:-/tmp}/vireo-bench.XXXXXX")"
processes=()
finish() {
    local process
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
in_time() { # what is waited for, command: looks twenty times a second for two minutes
    local what="$1" count
    shift
    for ((count = 0; count < 2400; count++)); do
        if "$@"; then return; fi
        if ! kill -0 "${processes[@]}" 2>/dev/null; then break; fi
        sleep 0.05
    done
    tail -n 20 "$work"/*.log >&2
    die "$what: that did not come."
}

# The guest obeys the files command-1, command-2 and so on in a folder that both see.
mkdir -p "$work/host" "$work/vireo"
cat >"$work/vireo/script" <<'END'
mkdir -p /run/nettools
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose nettools /run/nettools
modprobe pktgen || exit 1
# The card with the address 02:00:00:00:02:0N is called netN and has the address 10.9.N.2.
for number in 1 2 3 4; do
    name=$(ip -o link | sed -n "s/^[0-9]*: \([a-z0-9]*\):.*02:00:00:00:02:0$number.*/\1/p")
    ip link set "$name" name net$number
    ip address add 10.9.$number.2/24 dev net$number
    ip link set net$number up
    basename "$(dirname "$(readlink -f /sys/class/net/net$number/device)")" >/run/pci$number
done
echo 2 >/proc/sys/vm/nr_hugepages
programs=/run/nettools/usr
$programs/lib64/ld-linux-x86-64.so.2 --library-path $programs/lib/x86_64-linux-gnu $programs/bin/iperf3 -s --forceflush >/run/iperf.log 2>&1 &
for try in $(seq 300); do
    if grep -q listening /run/iperf.log; then break; fi
    sleep 0.1
done
number=1
while :; do
    until [ -e /host/command-$number ]; do sleep 0.1; done
    sh /host/command-$number >/host/partial 2>&1
    mv /host/partial /host/result-$number
    number=$((number + 1))
done
END
{
    cat "$(value initramfs <<<"$images")"
    (cd "$work" && find vireo | "$(value tools <<<"$trees")/vireo-bin/cpio" -o -H newc --quiet)
} >"$work/initrd"

commands=0
ask() { # script for the guest
    commands=$((commands + 1))
    printf '%s\n' "$1" >"$work/command"
    mv "$work/command" "$work/host/command-$commands"
}
answer() {
    in_time "the guest's answer" test -e "$work/host/result-$commands"
    cat "$work/host/result-$commands"
}

gcc -O2 -Wall -Wextra -std=gnu11 -fno-strict-aliasing -static -o "$work/host/netload" "$here/netload.c"

ip="$nettools/vireo-bin/ip"
"$ip" link set lo up
"$vireo" net --tap vireo-tap --vhost-user "$work/tap.sock" --cpus $device_core --log-level warning >"$work/tap.log" 2>&1 </dev/null &
processes+=($!)
with_tap=$!
"$vireo" net --null --vhost-user "$work/null.sock" --cpus $device_core --log-level warning >"$work/null.log" 2>&1 </dev/null &
processes+=($!)
with_null=$!
in_time 'the socket of vireo net' test -S "$work/tap.sock"
in_time 'the socket of vireo net' test -S "$work/null.sock"

share() {
    printf '%s\n' -fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap,readonly=$3" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}
card() { # number, words of the netdev
    printf '%s\n' -netdev "$2" -device "virtio-net-pci,netdev=net$1,mac=02:00:00:00:02:0$1,romfile="
}
mapfile -t devices < <(
    share userland "$(value guestroot <<<"$trees")" on
    share modules "$(value kernel <<<"$trees")/usr/lib/modules" on
    share nettools "$nettools" on
    share host "$work/host" off
    printf '%s\n' -chardev "socket,id=tap,path=$work/tap.sock" -chardev "socket,id=null,path=$work/null.sock"
    card 1 tap,id=net1,ifname=qemu-tap,script=no,downscript=no,vhost=off
    card 2 vhost-user,id=net2,chardev=tap
    # A card without a netdev: what it sends is taken at once and goes nowhere.
    printf '%s\n' -device virtio-net-pci,mac=02:00:00:00:02:03,romfile=
    card 4 vhost-user,id=net4,chardev=null
)
# With room for a second processor: an emulator that is sure of one leaves out the barriers between the guest and a device in another process.
say 'booting a guest'
taskset -c $device_core "$(value qemu11 <<<"$trees")/vireo-bin/qemu-system-x86_64" -name bench,debug-threads=on -accel tcg,thread=multi -cpu max \
    -smp 1,maxcpus=2 -m 768M -object memory-backend-memfd,id=mem,size=768M,share=on -M q35,memory-backend=mem \
    -nodefaults -no-user-config -display none -no-reboot -serial stdio -device virtio-rng-pci "${devices[@]}" \
    -kernel "$(value kernel <<<"$images")" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 $(value words <<<"$images") vireo.mode=script vireo.userland=9p" \
    </dev/null >"$work/qemu.log" 2>&1 &
processes+=($!)
qemu=$!
for name in qemu vireo; do
    in_time "the tap $name-tap" "$ip" link show "$name-tap" >/dev/null 2>&1
    "$ip" link set "$name-tap" up
done
"$ip" address add 10.9.1.1/24 dev qemu-tap
"$ip" address add 10.9.2.1/24 dev vireo-tap

# The thread that is the guest's processor.
guest_thread=''
find_guest_thread() {
    local task
    for task in "/proc/$qemu/task"/*; do
        if grep -q '^CPU 0' "$task/comm" 2>/dev/null; then guest_thread="${task##*/}"; fi
    done
    [ -n "$guest_thread" ]
}
in_time "the guest's processor" find_guest_thread
taskset -c -p $guest_core "$guest_thread" >/dev/null
ask 'echo ready'
answer >/dev/null

# What a measurement begins and ends with: the time in nanoseconds, bytes that went over a tap, and the processor time of each thread.
sample() { # file, tap or - for none
    local process who task
    {
        echo "time $(date +%s%N)"
        echo "bytes $(sed -n "s/^ *$2: *//p" /proc/net/dev | awk '{ print $1 + $9 }')"
        for process in $with_tap $with_null $qemu; do
            for task in "/proc/$process/task"/*; do
                who=vireo
                if [ "$process" = $qemu ]; then who=qemu; fi
                if [ "${task##*/}" = "$guest_thread" ]; then who=guest; fi
                # A thread may end while it is looked at.
                echo "$who ${task##*/} $(cut -d' ' -f1 "$task/schedstat" 2>/dev/null || true)"
            done
        done
    } >"$work/$1"
}
# Rate, and nanoseconds per unit of it: of the server (vireo, or QEMU without the guest's processor), of both, of all with the guest's processor.
# Units and rate are given, or else KiB and Mbit/s over the tap. What a thread did that has ended since is left out: such are QEMU's helpers for
# the guest's files, and the compiler of .NET.
figures() { # qemu or vireo, rate, units
    awk -v which="$1" -v rate="${2:-}" -v units="${3:-}" '
        FNR == NR && NF == 2 { first[$1] = $2; next }
        FNR == NR { before[$2] = $3; next }
        NF == 2 { last[$1] = $2 - first[$1]; next }
        { spent[$1] += $3 - before[$2] }
        END {
            if (units == "") {
                units = last["bytes"] / 1024
                rate = last["bytes"] * 8e3 / last["time"]
            }
            if (units <= 0) exit 1
            printf "%s %.1f %.1f %.1f %.1f\n", which, rate, spent[which] / units, (spent["vireo"] + spent["qemu"]) / units,
                (spent["vireo"] + spent["qemu"] + spent["guest"]) / units
        }' "$work/before" "$work/after" || die 'nothing came over the tap.'
}
iperf() {
    taskset -c $device_core "$nettools/vireo-bin/iperf3" "$@"
}
# Mbit/s, nanoseconds of the device per KiB, nanoseconds of everything per KiB.
one_stream() { # qemu or vireo, receive or send
    local number=1 load='' try direction=()
    if [ "$1" = vireo ]; then number=2; fi
    if [ "$2" = send ]; then direction=(-R); fi
    # Between two clients the server does not listen for a moment.
    for ((try = 0; try < 20; try++)); do
        iperf -c "10.9.$number.2" -t $((seconds + 3)) "${direction[@]}" >"$work/iperf.log" 2>&1 &
        load=$!
        sleep 1.5
        if kill -0 $load 2>/dev/null; then break; fi
        wait $load || true
    done
    sample before "$1-tap"
    sleep "$seconds"
    sample after "$1-tap"
    wait $load || die "iperf3 failed: $(tail -n 3 "$work/iperf.log")"
    figures "$1"
}
# The guest's kernel sends to a card with nothing behind it.
one_flood() { # qemu or vireo, packets in a second for each packet of a burst, packets in a burst
    local number=3 count=$(($2 * $3 * seconds))
    if [ "$1" = vireo ]; then number=4; fi
    sample before -
    ask "
        cd /proc/net/pktgen
        echo rem_device_all >kpktgend_0
        echo add_device net$number >kpktgend_0
        for words in 'count $count' 'clone_skb 1000' 'burst $3' 'pkt_size 60' 'dst 10.9.$number.1' 'dst_mac 02:00:00:00:02:0f' 'ratep $2'; do
            echo \"\$words\" >net$number
        done
        echo start >pgctrl
        cat net$number"
    answer >"$work/pktgen"
    sample after -
    figures "$1" "$(sed -n 's/.*[^0-9]\([0-9]\{1,\}\)pps.*/\1/p' "$work/pktgen")" $count
}

# The same without the guest's kernel, which could not offer so much: packets in a second, packets in a burst.
one_load() { # qemu or vireo, rate, burst
    local number=3 packets rate
    if [ "$1" = vireo ]; then number=4; fi
    sample before -
    ask "
        card=\$(cat /run/pci$number)
        if [ -e /sys/bus/pci/devices/\$card/driver ]; then echo \$card >/sys/bus/pci/devices/\$card/driver/unbind; fi
        /host/netload \$card $2 $3 $seconds"
    answer >"$work/netload"
    sample after -
    read -r packets _ rate _ <"$work/netload"
    [[ "$packets" =~ ^[1-9][0-9]*$ ]] || die "the load in the guest failed: $(cat "$work/netload")"
    figures "$1" "$rate" "$packets"
}

# The middle one of some numbers, the lowest and the highest.
middle() {
    printf '%s\n' "$@" | sort -g |
        awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2, value[1], value[NR] }'
}
compare() { # cells of the table
    local column ours=() theirs=() our their cells=() all
    for column in 2 3 4 5; do
        mapfile -t theirs < <(sed -n 's/^qemu //p' "$work/measured" | cut -d' ' -f$((column - 1)))
        mapfile -t ours < <(sed -n 's/^vireo //p' "$work/measured" | cut -d' ' -f$((column - 1)))
        read -ra our <<<"$(middle "${ours[@]}")"
        read -ra their <<<"$(middle "${theirs[@]}")"
        cells+=("$(printf '%.0f (%.0f-%.0f)' "${our[@]}")" "$(printf '%.0f (%.0f-%.0f)' "${their[@]}")" \
            "$(awk -v our="${our[0]}" -v their="${their[0]}" 'BEGIN { printf "**%.2f**", their ? our / their : 0 }')")
    done
    # Rates and their ratio; vireo alone; with QEMU's own threads, QEMU alone and the ratio of that; the ratio with the guest's processor.
    for all in 0 1 2 3 6 7 8 11; do printf ' %s |' "${cells[all]}"; done
    echo
}

model="$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
printf '%s; %s processors; Linux %s; %s rounds of %s s\n' "${model:-$(uname -m)}" "$(nproc)" "$(uname -r)" "$rounds" "$seconds"
table=''
heading() { # name of the table, its columns: the first two lines, once
    if [ "$table" = "$1" ]; then return; fi
    table="$1"
    printf '\n%s\n' "$2"
    awk -F '|' '{ for (column = 2; column < NF; column++) printf "|---"; print "|" }' <<<"$2"
}
row() { # name, measure, arguments
    local round which name="$1" measure="$2"
    shift 2
    # Once before it counts: Vireo compiles its paths while they are new, as QEMU does the guest's.
    for which in qemu vireo; do "$measure" $which "$@" >/dev/null; done
    for ((round = 0; round < rounds; round++)); do
        for which in qemu vireo; do "$measure" $which "$@"; done
    done >"$work/measured"
    printf '| %s |' "$name"
    compare
}
columns() { # name, unit of rates, unit of costs
    printf '| %s | Vireo, %s | QEMU, %s | ratio | Vireo alone, ns per %s | with QEMU, ns per %s | QEMU, ns per %s | ratio | ratio with the guest |' \
        "$1" "$2" "$2" "$3" "$3" "$3"
}
for direction in receive send; do
    if ! [[ "$direction" =~ $rows ]]; then continue; fi
    heading tap "$(columns 'the guest' Mbit/s KiB)"
    row "${direction}s" one_stream $direction
done
while read -r rate burst; do
    if ! [[ "packets $((rate * burst))" =~ $rows ]]; then continue; fi
    heading packets "$(columns 'packets in a second, kicked' 'packets in a second' packet)"
    row "$((rate * burst)), $([ "$burst" = 1 ] && echo 'each' || echo "every $burst")" one_flood "$rate" "$burst"
done < <(printf '%s\n' '10000 1' '20000 1' '3125 32')
while read -r rate burst; do
    if ! [[ "load $rate $burst" =~ $rows ]]; then continue; fi
    heading load "$(columns 'packets in a second, bursts of' 'packets in a second' packet)"
    row "$rate, $burst" one_load "$rate" "$burst"
done < <(printf '%s\n' '100000 1' '1000000 1' '1000000 32')
