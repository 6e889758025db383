#!/usr/bin/env bash
# Builds and installs what the test bed is made of, each piece only if it is not there: install.sh [s3|apiserver|node|all]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# apt_packages COMMAND=PACKAGE...: by command, so that another distribution's packages do as well.
apt_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [[ ${#missing[@]} == 0 ]] && return
    [[ $EUID == 0 ]] || skip "not root, and not installed: ${missing[*]}"
    command -v apt-get >/dev/null || skip "no apt-get, and not installed: ${missing[*]}"
    log "installing ${missing[*]}"
    apt-get -qq update >&2
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >&2
}

# cached FOLDER COMMAND...: runs COMMAND with a folder to fill as its last argument, and keeps it only if all went well.
# One lock for each, so that who needs a small piece does not wait for another's long build.
cached() (
    folder=$1
    shift
    [[ -d $folder ]] && return
    exec 9>"$folder.lock"
    flock 9
    [[ -d $folder ]] && return
    log "building ${folder##*/} (once)"
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    "$@" "$folder.part"
    mv "$folder.part" "$folder"
)

need_go() { command -v go >/dev/null || skip "no Go to build $1 with"; }

go_install() {
    need_go "$1"
    GOBIN=$2 CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" "$1"
}

build_kubernetes() (
    local v=k8s.io/component-base/version minor=${KUBERNETES_VERSION#v1.}
    need_go Kubernetes
    cd "$TESTBED/node"
    export CGO_ENABLED=0
    local flags=(-trimpath -buildvcs=false -ldflags
        "-s -w -X $v.gitVersion=$KUBERNETES_VERSION -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*}")
    go build "${flags[@]}" -o "$1/kubernetes" .
    go build "${flags[@]}" -o "$1/kubectl" k8s.io/kubernetes/cmd/kubectl
)

build_pause() { cc -Os -static -s -o "$1/pause" "$TESTBED/node/pause.c"; }

# scratch_image IMAGE PROGRAM FOLDER: an archive with an image that has one static program and nothing else.
scratch_image() {
    local container
    container=$(builder from scratch)
    builder copy -q "$container" "$2" "/${2##*/}" >/dev/null
    builder config --entrypoint "[\"/${2##*/}\"]" "$container"
    builder commit -q --rm "$container" "docker-archive:$3/image.tar:$1" >/dev/null
}

s3() {
    apt_packages curl=curl setfattr=attr
    cached "$VERSITYGW_BIN" go_install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION"
}

apiserver() {
    apt_packages openssl=openssl
    cached "$KUBERNETES_BIN" build_kubernetes
}

node() {
    [[ $EUID == 0 ]] || skip "a node needs root"
    s3
    apiserver
    apt_packages containerd=containerd runc=runc conntrack=conntrack iptables=iptables nft=nftables ip=iproute2 \
        nsenter=util-linux buildah=buildah dpkg-deb=dpkg cc=build-essential jq=jq
    cni_folder >/dev/null || apt_packages cni=containernetworking-plugins
    cached "$HELM_BIN" go_install "helm.sh/helm/v3/cmd/helm@$HELM_VERSION"
    cached "$COREDNS_BIN" go_install "github.com/coredns/coredns@$COREDNS_VERSION"
    cached "$PAUSE_BIN" build_pause
    cached "$PAUSE_BIN-image" scratch_image "$PAUSE_IMAGE" "$PAUSE_BIN/pause"
    cached "$COREDNS_BIN-image" scratch_image "$COREDNS_IMAGE" "$COREDNS_BIN/coredns"
    cached "$VERSITYGW_BIN-image" scratch_image "$VERSITYGW_IMAGE" "$VERSITYGW_BIN/versitygw"
}

case ${1:-all} in
s3 | apiserver | node) what=$1 ;;
all) what=node ;;
*)
    echo "usage: install.sh [s3|apiserver|node|all]" >&2
    exit 2
    ;;
esac

mkdir -p "$CACHE"
"$what"
