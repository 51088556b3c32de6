#!/bin/bash
# network cards beside DPDK's vhost back-end, both driven by DPDK's virtio driver; --quick, --help
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=eng/lib.sh
. "$here/../lib.sh"

usage() {
    cat <<'END'
./bench net [--quick] [--rows PATTERN] [--rounds N] [--seconds S]

The client is DPDK's testpmd with net_virtio_user on one processor; the server has the other one. Prints, as Markdown:

  port     millions of packets in a second that 'vireo net' moves, which polls, and testpmd with net_vhost, one after the other in each round
  switch   those that 'vireo switch' moves between two ports, beside testpmd's echo on one port and its forwarding between two
  paced    processor time per packet of a 'vireo net' that sleeps, with about a million packets in a second offered
  memory   resident memory of the servers, with one port and with several, and with several pairs of queues

Shown is the middle one of the rounds with the lowest and the highest. All of it takes about 35 minutes with five rounds, of which
the port's rows are 30; a measurement takes three seconds and those of --seconds.

  --quick          one round of the rows that matter most (2 minutes)
  --rows PATTERN   only the rows whose name matches this regular expression, for example '^receive 64.*packed', '^switch' or
                   '^(paced|memory)'; a row's name is its first columns: 'send 64 split mergeable any'
  --rounds N       measurements per cell (default 5; quick: 1)
  --seconds S      whole seconds per measurement (default 1)
END
}

quick=0 rows=. rounds='' seconds=1
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1 ;;
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
if [ $quick = 1 ]; then rounds="${rounds:-1}"; else rounds="${rounds:-5}"; fi
[[ "$rounds" =~ ^[1-9][0-9]?$ ]] || die "--rounds is '$rounds', but has to be a number from 1 to 99."
[[ "$seconds" =~ ^[1-9][0-9]?$ ]] || die "--seconds is '$seconds', but has to be a number from 1 to 99."

# Works, one a line: direction as the guest sees it, bytes, ring, buffers, order, in quick?
works() {
    local bytes direction ring
    for bytes in 64 1518; do
        for direction in send receive echo; do
            for ring in split packed; do
                printf '%s %s %s mergeable any %s\n' $direction $bytes $ring "$([ $bytes = 64 ] && echo q)"
                printf '%s %s %s single any\n' $direction $bytes $ring
                printf '%s %s %s mergeable in-order\n' $direction $bytes $ring
            done
        done
    done
}
switches() {
    local bytes ring
    for bytes in 64 1518; do
        for ring in split packed; do printf 'switch %s %s mergeable any %s\n' $bytes $ring "$([ $bytes = 64 ] && echo q)"; done
    done
}
paced() {
    local ring
    for ring in split packed; do printf 'paced 64 %s mergeable any\n' $ring; done
}
# Servers for the table of memory: kind, ports, pairs of queues.
memories() {
    printf 'memory %s\n' 'net 1 1' 'net 1 2' 'net 1 8' 'switch 1 1' 'switch 2 1' 'switch 8 1' 'dpdk 1 1' 'dpdk 1 2' 'dpdk 1 8' 'dpdk 2 1' 'dpdk 8 1'
}
wanted() { # name of a row, in quick?
    if [ $quick = 1 ] && [ -z "$2" ]; then return 1; fi
    [[ "$1" =~ $rows ]]
}

[ "$(nproc)" -ge 2 ] || die 'one processor for the client and one for the server are needed, and this host has one.'
command -v taskset >/dev/null || install_packages util-linux
dpdk="$("$root/eng/guest/provision.sh" dpdk | sed -n 's/^dpdk //p')"
drivers="$dpdk/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0"
vireo="$root/artifacts/bin/Vireo.Cli/release/vireo"
[ -x "$vireo" ] || die "there is no $vireo; run this as ./bench net, which builds it."

work="$(mktemp -d "${TMPDIR:-/tmp}/vireo-bench.XXXXXX")"
servers=()
stop_servers() {
    local process
    for process in "${servers[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    servers=()
    rm -f "$work"/*.sock
}
finish() {
    stop_servers
    rm -rf "$work"
}
trap finish EXIT

client_core=0 server_core=1
# MiB that a testpmd takes at its start and never more: a server gets less where memory is what is measured.
dpdk_memory=512
testpmd() { # processor, name, driver, words of EAL, --, words of testpmd
    local core="$1" name="$2" driver="$3" words=()
    shift 3
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    # One thread takes commands and sleeps, the other one works; both on the same processor.
    exec "$dpdk/vireo-bin/dpdk-testpmd" --no-huge -m "$dpdk_memory" --no-pci --no-telemetry "--file-prefix=$name" \
        --lcores "(0,1)@$core" -d "$drivers/$driver" -d "$drivers/librte_mempool_ring.so.23" "${words[@]}" \
        -- --no-lsc-interrupt "$@"
}
wait_for() { # process, file of a socket
    local count
    for ((count = 0; count < 200; count++)); do
        if [ -S "$2" ]; then return; fi
        if ! kill -0 "$1" 2>/dev/null; then die "the server ended: $(tail -n 5 "$work/server.log")"; fi
        sleep 0.05
    done
    die "the server does not listen: $(tail -n 5 "$work/server.log")"
}
# Sockets of servers are called port0.sock, port1.sock and so on.
start_vireo() { # last socket, words
    local socket="$1"
    shift
    taskset -c $server_core "$vireo" "$@" --cpus $server_core --log-level warning >"$work/server.log" 2>&1 </dev/null &
    servers+=($!)
    wait_for $! "$work/$socket"
}
start_dpdk() { # ports, pairs, words
    local index devices=() ports="$1" pairs="$2"
    shift 2
    for ((index = 0; index < ports; index++)); do devices+=(--vdev "net_vhost$index,iface=$work/port$index.sock,queues=$pairs"); done
    testpmd $server_core "vireo-bench-$$-server" librte_net_vhost.so.23 "${devices[@]}" -- --total-num-mbufs=$((4096 + 4096 * ports * pairs)) \
        --no-flush-rx --stats-period=1000 "--rxq=$pairs" "--txq=$pairs" "$@" >"$work/server.log" 2>&1 </dev/null &
    servers+=($!)
    wait_for $! "$work/port$((ports - 1)).sock"
}
start_server() { # vireo or dpdk, direction, bytes
    case "$1 $2" in
        'vireo send') start_vireo port0.sock net --null --poll-us 1000000 --vhost-user "$work/port0.sock" ;;
        'vireo receive') start_vireo port0.sock net --generate "$3" --poll-us 1000000 --vhost-user "$work/port0.sock" ;;
        'vireo echo') start_vireo port0.sock net --loopback --poll-us 1000000 --vhost-user "$work/port0.sock" ;;
        'vireo switch') start_vireo port1.sock switch --guest "$work/port0.sock" --guest "$work/port1.sock" --poll-us 1000000 ;;
        'dpdk send') start_dpdk 1 1 --port-topology=loop --forward-mode=rxonly ;;
        'dpdk receive') start_dpdk 1 1 --port-topology=loop --forward-mode=txonly "--txpkts=$3" ;;
        'dpdk echo') start_dpdk 1 1 --port-topology=loop --forward-mode=io ;;
        'dpdk switch') start_dpdk 2 1 --port-topology=paired --forward-mode=io ;;
    esac
}

# What the client's words for a card are, the card of port N having the address 02:00:00:00:01:0N.
card() { # number, pairs, ring, buffers, order
    printf '%s' "net_virtio_user$1,path=$work/port$1.sock,queues=$2,queue_size=256,mac=02:00:00:00:01:0$1"
    printf ',packed_vq=%d,mrg_rxbuf=%d,in_order=%d' "$([ "$3" = packed ] && echo 1 || echo 0)" \
        "$([ "$4" = mergeable ] && echo 1 || echo 0)" "$([ "$5" = in-order ] && echo 1 || echo 0)"
}

# Runs the client and, once it works, the command whose output is wanted.
# shellcheck disable=SC2094  # What the client writes is looked at while it writes.
drive() { # seconds before, how it starts, words of EAL, --, words of testpmd, ++, command
    local before="$1" start="$2" words=() count
    shift 2
    while [ "$1" != ++ ]; do
        words+=("$1")
        shift
    done
    shift
    # Empty before it is looked at: the last client's is not this one's.
    : >"$work/client.log"
    {
        echo "$start"
        for ((count = 0; count < 200; count++)); do
            if grep -q 'packet forwarding' "$work/client.log"; then break; fi
            sleep 0.05
        done
        sleep "$before"
        echo 'show port stats all'
        "$@" >&3
        echo 'show port stats all'
        sleep 0.1
        echo quit
    } 3>"$work/figures" | testpmd $client_core "vireo-bench-$$-client" librte_net_virtio.so.23 --single-file-segments "${words[@]}" \
        >"$work/client.log" 2>&1 || die "the client failed: $(tail -n 5 "$work/client.log")"
}
# The rate that the client's ports counted between two looks at them.
measure() { # vireo or dpdk, direction, bytes, ring, buffers, order
    local start=start field=Rx-pps ports=1 before=0.3 words=(--total-num-mbufs=8192 "--txpkts=$3")
    # Vireo compiles its paths while they are new: what is measured is a server that has run for a while.
    if [ "$1" = vireo ]; then before=1.5; fi
    case "$2" in
        send) words+=(--forward-mode=txonly) field=Tx-pps ;;
        receive) words+=(--forward-mode=rxonly) ;;
        echo) words+=(--forward-mode=io) start='start tx_first 8' ;;
        # Packets go round: out of one port, over the switch, into the other port, which sends them back out of the first one. The same happens
        # the other way round, so that the switch knows both addresses at once.
        switch)
            words+=(--forward-mode=io --port-topology=paired "--eth-peer=0,02:00:00:00:01:01" "--eth-peer=1,02:00:00:00:01:00")
            start='start tx_first 8' ports=2
            ;;
    esac
    local devices=() index
    for ((index = 0; index < ports; index++)); do devices+=(--vdev "$(card $index 1 "$4" "$5" "$6")"); done
    drive "$before" "$start" "${devices[@]}" -- -i "${words[@]}" ++ sleep "$seconds"
    sed -n "s/.*$field:[[:space:]]*\([0-9]*\).*/\1/p" "$work/client.log" | tail -n "$ports" | awk '{ sum += $1 } END { print sum }'
}
one_rate() { # vireo or dpdk, direction, bytes, ring, buffers, order
    local rate
    start_server "$1" "$2" "$3"
    rate="$(measure "$@")"
    stop_servers
    [[ "$rate" =~ ^[1-9][0-9]*$ ]] || die "the client counted '$rate'"
    echo "$rate"
}

# Processor time in nanoseconds that all threads of a process have had.
cpu_of() {
    cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}
# Packets of the client's second port, processor time of the measured server and how long it took, before and after.
sample() { # process
    local start end
    cpu_of "$1"
    start="$(date +%s%N)"
    sleep "$seconds"
    cpu_of "$1"
    end="$(date +%s%N)"
    echo $((end - start))
}
# The source, which sleeps as well, stays a sixth below its limit.
one_paced() { # bytes, ring, buffers, order: packets in a second, nanoseconds of the server per packet
    start_vireo port0.sock net --generate "$1" --packet-rate 1200000 --vhost-user "$work/port0.sock"
    start_vireo port1.sock net --null --vhost-user "$work/port1.sock"
    drive 1.5 start --vdev "$(card 0 1 "$2" "$3" "$4")" --vdev "$(card 1 1 "$2" "$3" "$4")" -- -i --total-num-mbufs=8192 \
        --forward-mode=io --port-topology=paired ++ sample "${servers[1]}"
    stop_servers
    sed -n 's/.*Tx-pps:[[:space:]]*\([0-9]*\).*/\1/p' "$work/client.log" | tail -n 1 |
        awk -v figures="$(tr '\n' ' ' <"$work/figures")" '{ split(figures, of, " "); printf "%d %.1f\n", $1, $1 ? (of[2] - of[1]) / (of[3] / 1e9) / $1 : 0 }'
}

# Resident memory in KiB without the driver's, which has the name that DPDK gives to all such memory, but not the number.
memory_of() { # process, number of the server's own memory of that name, if it has one
    awk -v own="$2" '/^[0-9a-f]+-[0-9a-f]+ / { is_drivers = /memfd:nohuge/ && $5 != own } !is_drivers && /^Rss:/ { sum += $2 } END { print sum }' \
        "/proc/$1/smaps"
}
one_memory() { # kind, ports, pairs
    local index devices=() sockets=()
    for ((index = 0; index < $2; index++)); do
        sockets+=(--guest "$work/port$index.sock")
        devices+=(--vdev "$(card $index "$3" packed mergeable any)")
    done
    case "$1" in
        net) start_vireo port0.sock net --null --queue-pairs "$3" --vhost-user "$work/port0.sock" ;;
        switch) start_vireo "port$(($2 - 1)).sock" switch "${sockets[@]}" ;;
        dpdk) dpdk_memory=$((48 + 24 * $2 * $3)) start_dpdk "$2" "$3" --forward-mode=rxonly --port-topology=loop ;;
    esac
    local own
    own="$(awk '/memfd:nohuge/ { print $5; exit }' "/proc/${servers[0]}/maps")"
    drive 2 start "${devices[@]}" -- -i --forward-mode=txonly --port-topology=loop "--total-num-mbufs=$((4096 * $2 * $3))" \
        "--rxq=$3" "--txq=$3" ++ memory_of "${servers[0]}" "$own"
    stop_servers
    cat "$work/figures"
}

# The middle one of some numbers, the lowest and the highest.
middle() {
    printf '%s\n' "$@" | sort -g |
        awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2, value[1], value[NR] }'
}
rates() { # middle, lowest, highest: in millions
    awk -v middle="$1" -v low="$2" -v high="$3" 'BEGIN { printf "%.1f (%.1f-%.1f)", middle / 1e6, low / 1e6, high / 1e6 }'
}
ratio() {
    awk -v ours="$1" -v theirs="$2" 'BEGIN { printf "**%.2f**", ours / theirs }'
}
nanoseconds() {
    awk -v rate="$1" 'BEGIN { printf "%.0f", 1e9 / rate }'
}

model="$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
printf '%s; %s processors; Linux %s; DPDK %s; %s rounds of %s s\n' "${model:-$(uname -m)}" "$(nproc)" "$(uname -r)" \
    "$(basename "$(readlink "$drivers/librte_net_vhost.so.23")" | sed 's/.*so\.//')" "$rounds" "$seconds"

heading() { # name of the table, its columns: the first two lines, once
    if [ "$table" = "$1" ]; then return; fi
    table="$1"
    printf '\n%s\n' "$2"
    awk -F '|' '{ for (column = 2; column < NF; column++) printf "|---"; print "|" }' <<<"$2"
}
table=''
while read -r direction bytes ring buffers order in_quick; do
    wanted "$direction $bytes $ring $buffers $order" "$in_quick" || continue
    heading port '| the guest | bytes | ring | buffers | order | Vireo, M/s | DPDK, M/s | ratio | ns per packet: Vireo | DPDK |'
    case "$direction" in
        echo) label='gets back what it sends' ;;
        *) label="${direction}s" ;;
    esac
    ours=() theirs=()
    for ((round = 0; round < rounds; round++)); do
        ours+=("$(one_rate vireo "$direction" "$bytes" "$ring" "$buffers" "$order")")
        theirs+=("$(one_rate dpdk "$direction" "$bytes" "$ring" "$buffers" "$order")")
    done
    read -ra our <<<"$(middle "${ours[@]}")"
    read -ra their <<<"$(middle "${theirs[@]}")"
    printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$label" "$bytes" "$ring" "$buffers" "$order" \
        "$(rates "${our[@]}")" "$(rates "${their[@]}")" "$(ratio "${our[0]}" "${their[0]}")" "$(nanoseconds "${our[0]}")" "$(nanoseconds "${their[0]}")"
done < <(works)

while read -r direction bytes ring buffers order in_quick; do
    wanted "$direction $bytes $ring $buffers $order" "$in_quick" || continue
    heading switch '| bytes | ring | vireo switch, M/s | DPDK echo, M/s | ratio | DPDK from port to port, M/s | ratio | ns per packet: vireo switch |'
    ours=() echoes=() forwards=()
    for ((round = 0; round < rounds; round++)); do
        ours+=("$(one_rate vireo switch "$bytes" "$ring" "$buffers" "$order")")
        echoes+=("$(one_rate dpdk echo "$bytes" "$ring" "$buffers" "$order")")
        forwards+=("$(one_rate dpdk switch "$bytes" "$ring" "$buffers" "$order")")
    done
    read -ra our <<<"$(middle "${ours[@]}")"
    read -ra echoed <<<"$(middle "${echoes[@]}")"
    read -ra forwarded <<<"$(middle "${forwards[@]}")"
    printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$bytes" "$ring" "$(rates "${our[@]}")" "$(rates "${echoed[@]}")" \
        "$(ratio "${our[0]}" "${echoed[0]}")" "$(rates "${forwarded[@]}")" "$(ratio "${our[0]}" "${forwarded[0]}")" "$(nanoseconds "${our[0]}")"
done < <(switches)

while read -r direction bytes ring buffers order; do
    wanted "$direction $bytes $ring $buffers $order" '' || continue
    heading paced '| bytes | ring | reached, packets in a second | ns of the server per packet |'
    reached=() costs=()
    for ((round = 0; round < rounds; round++)); do
        read -r rate cost <<<"$(one_paced "$bytes" "$ring" "$buffers" "$order")"
        reached+=("$rate") costs+=("$cost")
    done
    read -ra rate <<<"$(middle "${reached[@]}")"
    read -ra cost <<<"$(middle "${costs[@]}")"
    printf '| %s | %s | %.0f (%.0f-%.0f) | %.0f (%.0f-%.0f) |\n' "$bytes" "$ring" "${rate[@]}" "${cost[@]}"
done < <(paced)

while read -r name kind ports pairs; do
    wanted "$name $kind $ports $pairs" '' || continue
    heading memory '| server | ports | pairs of queues each | resident, MiB |'
    case "$kind" in
        net) label='vireo net' ;;
        switch) label='vireo switch' ;;
        dpdk) label='testpmd with net_vhost' ;;
    esac
    kib="$(one_memory "$kind" "$ports" "$pairs")"
    printf '| %s | %s | %s | %s |\n' "$label" "$ports" "$pairs" "$(awk -v kib="$kib" 'BEGIN { printf "%.1f", kib / 1024 }')"
done < <(memories)
