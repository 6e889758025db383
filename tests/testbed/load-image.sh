#!/usr/bin/env bash
# Builds one target of a Dockerfile and gives it to the node: load-image.sh NAME TAG TARGET BUILD_DIR [CONTEXT]
# BUILD_DIR takes the place of the stage `build`, so nothing is compiled; CONTEXT (with the Dockerfile) is the repository.
# SLUICE_IMAGE_LOADER, a command that takes an archive, gives the image to another cluster: "kind load image-archive".
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TESTBED/node.sh"

if [[ $# -lt 4 ]]; then
    echo "usage: load-image.sh NAME TAG TARGET BUILD_DIR [CONTEXT]" >&2
    exit 2
fi
image=$1:$2 target=$3 build=$4 context=${5:-$TESTBED/../..}

base=$("$TESTBED/base-image.sh") || {
    status=$?
    echo "$base"
    exit "$status"
}
enter_part node
[[ -n ${SLUICE_IMAGE_LOADER:-} ]] || running containerd || {
    log "no node to give $image to: bring one up with up.sh node, or set SLUICE_IMAGE_LOADER"
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
builder bud -q --pull-never --target "$target" --build-context "build=$build" --build-arg "BASE_IMAGE=$base" \
    --tag "$image" "$context" >/dev/null
builder push -q "$image" "docker-archive:$work/image.tar:$image"
# The next build makes a new one; only the base is worth its space.
builder rmi "$image" >/dev/null
if [[ -n ${SLUICE_IMAGE_LOADER:-} ]]; then
    $SLUICE_IMAGE_LOADER "$work/image.tar" >&2
else
    ctr images import "$work/image.tar" >/dev/null
fi
echo "loaded $image, $(stat -c %s "$work/image.tar") bytes"
