#!/bin/bash
# network cards beside DPDK's vhost back-end, both driven by DPDK's virtio driver; --quick, --help
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=eng/lib.sh
. "$here/../lib.sh"

usage() {
    cat <<'END'
./bench net [--quick] [--rows PATTERN] [--rounds N] [--seconds S]

The client is DPDK's testpmd with net_virtio_user on one processor. The server on the other is 'vireo net', which polls, or testpmd
with net_vhost, one after the other in each round. Prints a table of millions of packets in a second.

  --quick          one round of the rows that matter most
  --rows PATTERN   only the rows whose name matches this regular expression, for example '64.*packed'
  --rounds N       measurements per cell, whose median is shown (default 3; quick: 1)
  --seconds S      whole seconds per measurement (default 2; quick: 1)
END
}

quick=0 rows=. rounds='' seconds=''
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
if [ $quick = 1 ]; then rounds="${rounds:-1}" seconds="${seconds:-1}"; else rounds="${rounds:-3}" seconds="${seconds:-2}"; fi
[[ "$rounds" =~ ^[1-9][0-9]?$ ]] || die "--rounds is '$rounds', but has to be a number from 1 to 99."
[[ "$seconds" =~ ^[1-9][0-9]?$ ]] || die "--seconds is '$seconds', but has to be a number from 1 to 99."

# Works, one a line: direction as the guest sees it, bytes, ring, buffers, order, in quick?
works() {
    local bytes direction ring
    for bytes in 64 1518; do
        for direction in send receive echo; do
            for ring in split packed; do
                printf '%s %s %s mergeable any %s\n' $direction $bytes $ring "$([ $bytes = 64 ] && echo q)"
                if [ $bytes = 64 ]; then
                    printf '%s %s %s single any\n' $direction $bytes $ring
                    printf '%s %s %s mergeable in-order\n' $direction $bytes $ring
                fi
            done
        done
    done
}

[ "$(nproc)" -ge 2 ] || die 'one processor for the client and one for the server are needed, and this host has one.'
command -v taskset >/dev/null || install_packages util-linux
dpdk="$("$root/eng/guest/provision.sh" dpdk | sed -n 's/^dpdk //p')"
drivers="$dpdk/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0"
vireo="$root/artifacts/bin/Vireo.Cli/release/vireo"
[ -x "$vireo" ] || die "there is no $vireo; run this as ./bench net, which builds it."

work="$(mktemp -d "${TMPDIR:-/tmp}/vireo-bench.XXXXXX")"
server=''
stop_server() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=''
    fi
}
finish() {
    stop_server
    rm -rf "$work"
}
trap finish EXIT

client_core=0 server_core=1
testpmd() { # processor, name, driver, device, arguments...
    local core="$1" name="$2" driver="$3" device="$4"
    shift 4
    # One thread takes commands and sleeps, the other one works; both on the same processor.
    exec "$dpdk/vireo-bin/dpdk-testpmd" --no-huge -m 256 --no-pci --no-telemetry --single-file-segments "--file-prefix=$name" \
        --lcores "(0,1)@$core" -d "$drivers/$driver" -d "$drivers/librte_mempool_ring.so.23" --vdev "$device" \
        -- --total-num-mbufs=8192 --no-lsc-interrupt "$@"
}
wait_for() { # file of a socket
    local count
    for ((count = 0; count < 200; count++)); do
        if [ -S "$1" ]; then return; fi
        if ! kill -0 "$server" 2>/dev/null; then die "the server ended: $(tail -n 5 "$work/server.log")"; fi
        sleep 0.05
    done
    die "the server does not listen: $(tail -n 5 "$work/server.log")"
}
start_server() { # vireo or dpdk, direction, bytes, socket
    local arguments=(--forward-mode=io)
    if [ "$1" = vireo ]; then
        case "$2" in
            send) arguments=(--null) ;;
            receive) arguments=(--generate "$3") ;;
            echo) arguments=(--loopback) ;;
        esac
        taskset -c $server_core "$vireo" net "${arguments[@]}" --poll-us 1000000 --cpus $server_core --vhost-user "$4" \
            --log-level warning >"$work/server.log" 2>&1 </dev/null &
        server=$!
    else
        case "$2" in
            send) arguments=(--forward-mode=rxonly) ;;
            receive) arguments=(--forward-mode=txonly "--txpkts=$3") ;;
        esac
        testpmd $server_core "vireo-bench-$$-server" librte_net_vhost.so.23 "net_vhost0,iface=$4,queues=1" --port-topology=loop \
            --no-flush-rx --stats-period=1000 "${arguments[@]}" >"$work/server.log" 2>&1 </dev/null &
        server=$!
    fi
    wait_for "$4"
}

# The rate that the client's port counted between two looks at it.
# shellcheck disable=SC2094  # What the client writes is looked at while it writes.
measure() { # direction, bytes, ring, buffers, order, socket
    local count arguments=(--forward-mode=io) start=start device="net_virtio_user0,path=$6,queues=1,queue_size=256" field=Rx-pps
    case "$1" in
        send) arguments=(--forward-mode=txonly "--txpkts=$2") field=Tx-pps ;;
        receive) arguments=(--forward-mode=rxonly) ;;
        echo) arguments+=("--txpkts=$2") start='start tx_first 8' ;;
    esac
    device+=",packed_vq=$([ "$3" = packed ] && echo 1 || echo 0)"
    device+=",mrg_rxbuf=$([ "$4" = mergeable ] && echo 1 || echo 0)"
    device+=",in_order=$([ "$5" = in-order ] && echo 1 || echo 0)"
    {
        echo "$start"
        for ((count = 0; count < 200; count++)); do
            if grep -q 'packet forwarding' "$work/client.log"; then break; fi
            sleep 0.05
        done
        # Vireo compiles its paths while they are new: what is measured is a server that has run for a while.
        sleep 1.5
        echo 'show port stats all'
        sleep "$seconds"
        echo 'show port stats all'
        sleep 0.1
        echo quit
    } | testpmd $client_core "vireo-bench-$$-client" librte_net_virtio.so.23 "$device" -i "${arguments[@]}" \
        >"$work/client.log" 2>&1 || die "the client failed: $(tail -n 5 "$work/client.log")"
    sed -n "s/.*$field:[[:space:]]*\([0-9]*\).*/\1/p" "$work/client.log" | tail -n 1
}
median() { # values, separated by blanks
    tr ' ' '\n' <<<"$1" | grep . | sort -g | awk '{ value[NR] = $1 } END { if (NR) print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2; else print 0 }'
}

model="$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
printf '%s; %s processors; Linux %s; DPDK %s; %s rounds of %s s\n\n' "${model:-$(uname -m)}" "$(nproc)" "$(uname -r)" \
    "$(basename "$(readlink "$drivers/librte_net_vhost.so.23")" | sed 's/.*so\.//')" "$rounds" "$seconds"
echo '| the guest | bytes | ring | buffers | order | Vireo | DPDK | ratio | ns per packet: Vireo | DPDK |'
echo '|---|---|---|---|---|---|---|---|---|---|'
while read -r direction bytes ring buffers order in_quick; do
    if [ $quick = 1 ] && [ -z "$in_quick" ]; then continue; fi
    if ! [[ "$direction $bytes $ring $buffers $order" =~ $rows ]]; then continue; fi
    ours='' theirs=''
    for ((round = 0; round < rounds; round++)); do
        for which in vireo dpdk; do
            rm -f "$work/net.sock"
            start_server $which "$direction" "$bytes" "$work/net.sock"
            rate="$(measure "$direction" "$bytes" "$ring" "$buffers" "$order" "$work/net.sock")"
            stop_server
            [[ "$rate" =~ ^[0-9]+$ ]] || die "the client counted '$rate'"
            if [ $which = vireo ]; then ours+="$rate "; else theirs+="$rate "; fi
        done
    done
    awk -v name="$direction" -v bytes="$bytes" -v ring="$ring" -v buffers="$buffers" -v order="$order" -v ours="$(median "$ours")" \
        -v theirs="$(median "$theirs")" 'BEGIN {
            printf "| %s | %s | %s | %s | %s | %.2f M/s | %.2f M/s | **%.2f** | %.0f | %.0f |\n", name, bytes, ring, buffers, order,
                ours / 1e6, theirs / 1e6, theirs ? ours / theirs : 0, ours ? 1e9 / ours : 0, theirs ? 1e9 / theirs : 0
        }'
done < <(works)
