#!/bin/bash
# Gets guests and peers ready: unpacks Debian packages into the user's cache, without root and without touching the
# host's own packages.
#
#   eng/guest/provision.sh [COMPONENT...]      prints "COMPONENT PATH" for each (default: all of components/*.conf)
#
# A component is a folder tree made of one package list with its dependencies, as apt solves them for an empty machine.
# Its name carries a hash of its definition; it appears by rename when it is whole, and is then never changed. So a second
# clone, or a second run, finds it there; an interrupted download goes on where it stopped; two runs wait for each other.
# Programs that are to run on the host run with their own tree's C library (PATH/vireo-bin/PROGRAM).
set -euo pipefail
# shellcheck source=eng/guest/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Part of each component's hash: raise it when a tree is laid out differently from the same definition.
layout_version=2

component_path() {
    local file="$guest_dir/components/$1.conf" hash
    [ -r "$file" ] || die "there is no component '$1' in eng/guest/components."
    hash="$({ echo "$layout_version"; cat "$file"; } | sha256sum)"
    printf '%s/components/%s-%s\n' "$vireo_cache" "$1" "${hash:0:12}"
}

# Sets the variables below from a definition:
#   release, target   the Debian release, and the suite packages are taken from first
#   packages, assume  what is wanted, and what its dependencies may take for installed
#   programs          what the host runs from the tree, by launchers
#   folders           made in the tree, for mounts
#   architecture      of the packages, if it is not the host's (then no program of them runs here)
#   depmod            "yes": the tree holds kernel modules to be indexed
read_definition() {
    local key value
    release='' target='' packages='' assume='' programs='' folders='' depmod='' architecture=amd64
    while read -r key value; do
        case "$key" in
        release | target | packages | assume | programs | folders | depmod | architecture) printf -v "$key" '%s' "$value" ;;
        '' | '#'*) ;;
        *) die "eng/guest/components/$1.conf: unknown key '$key'." ;;
        esac
    done <"$guest_dir/components/$1.conf"
}

# A private apt: own sources, lists, downloads and (almost empty) list of installed packages; the host's proxies and keys.
# $1: whether the security archive and updates of the release are asked too (a mirror may lack them for an architecture).
write_apt_configuration() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg main security
    [ -r "$keyring" ] || die "Debian's signing keys are missing: install the package debian-archive-keyring."
    main="$(debian_mirror debian)"
    security="$(debian_mirror debian-security)"
    : >"$apt/empty"
    mkdir -p "$apt/empty.d" "$apt/state/lists/partial" "$apt/cache/archives/partial"
    {
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$main" "$release"
        if [ "$1" != release-only ]; then printf 'deb [signed-by=%s] %s %s-updates main\n' "$keyring" "$main" "$release"; fi
        if [ "$target" != "$release" ]; then printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$main" "$target"; fi
        if [ "$1" = with-security ]; then printf 'deb [signed-by=%s] %s %s-security main\n' "$keyring" "$security" "$release"; fi
    } >"$apt/sources.list"
    {
        printf 'Dir::Etc "%s";\nDir::Etc::sourcelist "%s";\n' "$apt" "$apt/sources.list"
        printf 'Dir::Etc::%s "%s";\n' sourceparts "$apt/empty.d" parts "$apt/empty.d" preferencesparts "$apt/empty.d" \
            main "$apt/empty" preferences "$apt/empty" trustedparts "$apt/empty.d" trusted "$apt/empty"
        printf 'Dir::State "%s";\nDir::State::status "%s";\nDir::Cache "%s";\n' "$apt/state" "$apt/status" "$apt/cache"
        printf 'APT::Architecture "%s";\nAPT::Architectures { "%s"; };\nAPT::Install-Recommends "false";\n' "$architecture" "$architecture"
        printf 'APT::Sandbox::User "";\nDebug::NoLocking "true";\nAcquire::Languages "none";\nAcquire::Retries "3";\n'
        printf 'APT::Update::Error-Mode "any";\n'
        env -u APT_CONFIG apt-config dump | grep -E '^Acquire::(http|https|ftp|Check-Valid-Until|Check-Date|ForceIPv[46])' | grep -v '""' || true
    } >"$apt/apt.conf"
}

update_lists() {
    local stamp="$apt/updated" variant log
    # Lists of the last six hours are good enough; older ones may name files the archive no longer has.
    if [ -n "$(find "$stamp" -mmin -360 2>/dev/null)" ]; then return; fi
    say "$release: reading Debian's package lists from $(debian_mirror debian)"
    log="$apt/update.log"
    for variant in with-security without-security release-only; do
        write_apt_configuration "$variant"
        if apt-get -q update >"$log" 2>&1; then
            touch "$stamp"
            return
        fi
    done
    grep -E '^(E|W|Err)' "$log" >&2 || cat "$log" >&2
    die "the package lists of Debian $release cannot be read; is the archive reachable (or set VIREO_DEBIAN_MIRROR)?"
}

# Packages that the definition takes for given count as installed.
write_status() {
    local package
    : >"$apt/status"
    for package in $assume; do
        printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: foreign\nVersion: 999\nMaintainer: -\nDescription: -\n\n' \
            "$package" "$architecture" >>"$apt/status"
    done
}

download() {
    local name="$1" bytes count log="$apt/download.log" key percent shown=-1 step=0 install
    install=(apt-get install -qq -y)
    if [ "$target" != "$release" ]; then install+=(-t "$target"); fi
    # apt lists only what is not in its folder of downloads yet: the whole list is what an empty folder lacks.
    # shellcheck disable=SC2086 # package names are words
    "${install[@]}" --print-uris -o "Dir::Cache::archives=$apt/empty.d" $packages >"$apt/uris" 2>"$log" || {
        cat "$log" >&2
        die "$name: apt finds no way to install: $packages."
    }
    # shellcheck disable=SC2086
    read -r bytes count < <("${install[@]}" --print-uris $packages |
        awk '/^'\''/ {bytes += $3; count++} END {print bytes + 0, count + 0}')
    if [ "$count" -eq 0 ]; then return; fi
    say "$name: downloading $count packages, $(human_size "$bytes")"
    # shellcheck disable=SC2086
    "${install[@]}" --download-only -o APT::Status-Fd=1 $packages 2>"$log" |
        while IFS=: read -r key _ percent _; do
            if [ "$key" != dlstatus ]; then continue; fi
            percent="${percent%.*}"
            if [ "$percent" != "$shown" ]; then say_progress "$name: downloading $(human_size "$bytes"): $percent %"; fi
            shown="$percent"
            if [ ! -t 2 ] && [ "$percent" -ge $((step + 25)) ] && [ "$bytes" -gt 20000000 ]; then
                step=$((percent / 25 * 25))
                say "$name: $step %"
            fi
        done || {
        cat "$log" >&2
        die "$name: the download failed; run it again to go on where it stopped."
    }
}

unpack() {
    local name="$1" destination="$2" work="$2.partial.$$" file folder count=0
    rm -rf "$destination".partial.*
    mkdir -p "$work"
    say "$name: unpacking"
    # Debian 13 joins /bin, /sbin and /lib with /usr by links that a package brings which may not be in the list.
    if [ "$release" != bookworm ]; then
        mkdir -p "$work/usr/bin" "$work/usr/sbin" "$work/usr/lib" "$work/usr/lib64"
        ln -s usr/bin "$work/bin"
        ln -s usr/sbin "$work/sbin"
        ln -s usr/lib "$work/lib"
        ln -s usr/lib64 "$work/lib64"
    fi
    while read -r file; do
        count=$((count + 1))
        say_progress "$name: unpacking, package $count"
        # Not dpkg-deb -x: older ones put folders in the place of the links.
        dpkg-deb --fsys-tarfile "$apt/cache/archives/$file" |
            tar -x -f - -C "$work" --no-same-owner --keep-directory-symlink --exclude='./usr/share/doc/*' \
                --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*'
    done < <(awk '/^'\''/ {print $2}' "$apt/uris")
    awk '/^'\''/ {print $2}' "$apt/uris" >"$work/vireo-packages"
    for folder in $folders; do mkdir -p "$work/$folder"; done
    if [ "$depmod" = yes ]; then
        "$(component_path tools)/vireo-bin/depmod" -b "$work" "$(ls "$work/usr/lib/modules")"
    fi
    write_launchers "$work"
    mv -T "$work" "$destination"
}

# A launcher runs a program of the tree with the tree's own loader and libraries, whatever the host has.
write_launchers() {
    local root="$1" program loader libraries='' folder
    if [ -z "$programs" ]; then return; fi
    for loader in usr/lib64/ld-linux-x86-64.so.2 lib64/ld-linux-x86-64.so.2; do
        if [ -e "$root/$loader" ]; then break; fi
    done
    for folder in usr/lib/x86_64-linux-gnu lib/x86_64-linux-gnu; do
        if [ -d "$root/$folder" ] && [ ! -L "$root/${folder%%/*}" ]; then libraries="$libraries${libraries:+:}\$root/$folder"; fi
    done
    mkdir -p "$root/vireo-bin"
    for program in $programs; do
        {
            # shellcheck disable=SC2016 # expanded when the launcher runs
            printf '%s\n' '#!/bin/bash' '# Written by eng/guest/provision.sh.' 'root="$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")"'
            if [ -d "$root/usr/lib/x86_64-linux-gnu/qemu" ]; then
                # shellcheck disable=SC2016
                printf '%s\n' 'export QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu"'
            fi
            # shellcheck disable=SC2016
            printf 'exec "$root/%s" --inhibit-cache --library-path "%s" --argv0 %s "$root/%s"' "$loader" "$libraries" "${program##*/}" "$program"
            case "$program" in
            */qemu-system-*)
                for folder in usr/share/qemu usr/share/seabios usr/lib/ipxe/qemu; do
                    # shellcheck disable=SC2016
                    if [ -d "$root/$folder" ]; then printf ' -L "$root/%s"' "$folder"; fi
                done
                ;;
            esac
            printf ' "$@"\n'
        } >"$root/vireo-bin/${program##*/}"
        chmod +x "$root/vireo-bin/${program##*/}"
    done
}

provision() {
    local name="$1" path="$2"
    read_definition "$name"
    apt="$vireo_cache/apt/$release-$target"
    if [ "$architecture" != amd64 ]; then apt="$apt-$architecture"; fi
    mkdir -p "$apt" "$vireo_cache/components"
    export APT_CONFIG="$apt/apt.conf"
    write_apt_configuration with-security
    update_lists
    write_status
    download "$name"
    unpack "$name" "$path"
    say "$name: ready"
    # Other definitions of this component, of other clones perhaps, go when nobody has asked for them for a month.
    find "$vireo_cache/components" -mindepth 1 -maxdepth 1 -name "$name-????????????" -type d ! -path "$path" \
        -exec sh -c '[ -z "$(find "$1/vireo-packages" -mtime -30)" ]' _ {} \; -exec rm -rf {} +
}

main() {
    local name path missing=()
    if [ $# -eq 0 ]; then
        for path in "$guest_dir"/components/*.conf; do
            name="${path##*/}"
            set -- "$@" "${name%.conf}"
        done
    fi
    for name in "$@"; do
        path="$(component_path "$name")"
        if [ ! -d "$path" ]; then missing+=("$name"); fi
    done
    if [ ${#missing[@]} -gt 0 ]; then
        need_debian_tools
        mkdir -p "$vireo_cache"
        exec 9>"$vireo_cache/.lock"
        if ! flock -n 9; then
            say "waiting for another run that fills $vireo_cache"
            flock 9
        fi
        for name in "${missing[@]}"; do
            # Indexing kernel modules takes the tools.
            if grep -q '^depmod yes' "$guest_dir/components/$name.conf" && [ ! -d "$(component_path tools)" ]; then provision tools "$(component_path tools)"; fi
            path="$(component_path "$name")"
            if [ ! -d "$path" ]; then provision "$name" "$path"; fi
        done
        rm -f "$vireo_cache"/apt/*/cache/archives/*.deb
    fi
    for name in "$@"; do
        path="$(component_path "$name")"
        touch -c "$path/vireo-packages"
        printf '%s %s\n' "$name" "$path"
    done
}

main "$@"
