# shellcheck shell=bash disable=SC2034 # variables are for those who source this
# What the scripts of eng/guest share: where the cache is, how they talk, how they find Debian's packages.
# Sourced, never run. Everything for people goes to stderr; stdout belongs to the caller.

vireo_cache="${VIREO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vireo}"
guest_dir="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"

# One line per step; on a terminal the last progress line is overwritten by the next.
say() {
    if [ -t 2 ]; then printf '\r\033[K%s\n' "$*" >&2; else printf '%s\n' "$*" >&2; fi
}

# One line that the next one replaces; nothing when nobody looks.
say_progress() {
    if [ -t 2 ]; then printf '\r\033[K%s' "$*" >&2; fi
}

# The one sentence that says what is wrong and what to do, and the end.
die() {
    say "${0##*/}: $*"
    exit 1
}

# bytes -> "52.5 MB"
human_size() {
    local tenths=$(((${1:-0} + 50000) / 100000))
    printf '%d.%d MB' $((tenths / 10)) $((tenths % 10))
}

need_debian_tools() {
    local tool
    for tool in apt-get apt-cache apt-config dpkg-deb flock; do
        command -v "$tool" >/dev/null ||
            die "guests are built from Debian packages with apt-get and dpkg-deb, and this host has no '$tool': use Debian, Ubuntu or a derivative."
    done
    [ "$(dpkg --print-architecture)" = amd64 ] || die "guests are built for x86-64 only for now, and this host is $(dpkg --print-architecture)."
}

# The address of the Debian archive this host already uses ($1: the last folder of the address), or the public one.
debian_mirror() {
    local folder="$1" address
    if [ -n "${VIREO_DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "${VIREO_DEBIAN_MIRROR%/debian*}/$folder"
        return
    fi
    address="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        grep -vE '^[[:space:]]*#' | grep -oE '[a-z+]+:(//)?[^][:space:]]+/debian(-security)?/?([[:space:]]|$)' |
        sed -E 's,/?[[:space:]]*$,,' | grep -E "/$folder\$" | head -n 1 || true)"
    if [ -z "$address" ] && [ "$folder" != debian ]; then
        address="$(debian_mirror debian)"
        address="${address%/debian}/$folder"
    fi
    printf '%s\n' "${address:-http://deb.debian.org/$folder}"
}
