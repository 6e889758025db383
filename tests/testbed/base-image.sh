#!/usr/bin/env bash
# Builds the base image of the tests' images from this machine's own Debian packages, once, and prints its name.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[[ $EUID == 0 ]] || skip "building images needs root"
command -v apt-get >/dev/null || skip "no apt-get to get the base image's packages with"
"$TESTBED/install.sh" node

unpacked() {
    local folder=$1 package
    cd "$folder"
    mkdir packages root
    cd packages
    apt-get -qq update
    # As root, because apt's own user may not write here.
    apt-get -qq -o APT::Sandbox::User=root download base-files netbase libc6 libgcc-s1 libstdc++6 ca-certificates tzdata
    # base-files first: on merged-/usr systems it brings the links that the others' files go through.
    for package in base-files*.deb [!b]*.deb; do
        dpkg-deb -x "$package" ../root
    done
    cd ../root
    # What the packages' own install scripts would make.
    cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
    echo 'root:x:0:0:root:/root:/sbin/nologin' >etc/passwd
    mkdir -p -m 1777 tmp
    rm -rf usr/share/{doc,man,locale,lintian,bug} usr/lib/*/gconv
}

exec 9>"$CACHE/base-image.lock"
flock 9
if ! builder inspect --type image "$BASE_IMAGE" >/dev/null 2>&1; then
    log "building $BASE_IMAGE (once)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (unpacked "$work") >&2
    container=$(builder from scratch)
    builder copy -q "$container" "$work/root" / >/dev/null
    builder commit -q --rm "$container" "$BASE_IMAGE" >/dev/null
fi
echo "$BASE_IMAGE"
