# shellcheck shell=bash disable=SC2034 # variables are for those who source this
# What the scripts at the root share. Sourced, never run. Everything for people goes to stderr.

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
# No greeting, no telemetry, no processes left behind by builds, no need for the host's language data.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 MSBUILDDISABLENODEREUSE=1

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "${0##*/}: $*"
    exit 1
}

# Installs packages of the distribution by their ordinary names, as root or through sudo, or says which are missing.
install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then die "please install: $* (this host has no apt-get)."; fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then die "please install these packages (needs root): apt-get install $*"; fi
        as_root=(sudo -n)
    fi
    say "installing $*"
    # The lists may be missing or old: read them anew and try once more.
    local log install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@")
    log="$(mktemp)"
    if ! "${install[@]}" >"$log" 2>&1 && ! { "${as_root[@]}" apt-get update -qq && "${install[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $*"
    fi
    rm -f "$log"
}

# Makes "dotnet" the SDK that global.json asks for, installing it only if there is none and the distribution has one.
need_dotnet() {
    local wanted=10.0
    # The SDK's own place, when it was unpacked for this user.
    if ! command -v dotnet >/dev/null && [ -x "$HOME/.dotnet/dotnet" ]; then PATH="$HOME/.dotnet:$PATH"; fi
    if command -v dotnet >/dev/null && (cd "$root" && dotnet --version >/dev/null 2>&1); then return; fi
    if apt-cache show "dotnet-sdk-$wanted" >/dev/null 2>&1; then
        install_packages "dotnet-sdk-$wanted"
        return
    fi
    die "the .NET SDK $wanted is missing and this host's package sources do not have it: see https://dotnet.microsoft.com/download."
}
