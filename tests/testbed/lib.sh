# What every test-bed script shares: versions, folders, waiting, and processes that outlive the script. Sourced.
# shellcheck shell=bash disable=SC2034

TESTBED=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${SLUICE_CACHE:-$HOME/.cache/sluice}/testbed
DIR=${SLUICE_TESTBED_DIR:-/tmp/sluice-testbed}
# The first half of every address in the node's own network; change it where a real network has these.
NET=${SLUICE_TESTBED_NET:-10.213}

KUBERNETES_VERSION=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$TESTBED/node/go.mod")
HELM_VERSION=v3.20.2
COREDNS_VERSION=v1.14.7
VERSITYGW_VERSION=v1.8.0

# Folders of the cache are named by what is in them, so another version is another folder and a hit needs no check.
KUBERNETES_BIN=$CACHE/kubernetes-$KUBERNETES_VERSION-$(cat "$TESTBED"/node/{main.go,go.mod,go.sum} | cksum | cut -d' ' -f1)
HELM_BIN=$CACHE/helm-$HELM_VERSION
COREDNS_BIN=$CACHE/coredns-$COREDNS_VERSION
VERSITYGW_BIN=$CACHE/versitygw-$VERSITYGW_VERSION
PAUSE_BIN=$CACHE/pause-$(cksum <"$TESTBED/node/pause.c" | cut -d' ' -f1)

# Images are only ever loaded, never pulled; `localhost/` makes a pull impossible.
PAUSE_IMAGE=localhost/sluice-testbed/pause:latest
COREDNS_IMAGE=localhost/sluice-testbed/coredns:latest
VERSITYGW_IMAGE=localhost/sluice-testbed/versitygw:latest
# shellcheck disable=SC1091
BASE_IMAGE=localhost/sluice-testbed/base:$(. /etc/os-release 2>/dev/null && echo "$ID-${VERSION_ID:-rolling}" || echo none)

log() { echo "testbed: $*" >&2; }

# Callers take exit status 77 for "not tested here", never for a failure.
skip() {
    echo "skipped: $*"
    exit 77
}

[[ $(uname -s) == Linux ]] || skip "the test bed needs Linux"

# wait_for SECONDS WHAT COMMAND...: polls until COMMAND succeeds, fails past the deadline.
wait_for() {
    local deadline=$((SECONDS + $1)) seconds=$1 what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            log "no $what within $seconds s"
            return 1
        fi
        sleep 0.1
    done
}

# A part (s3, apiserver, node) keeps all it has in $DIR/PART: pid/, log/, its data, and the env file its users read.
enter_part() {
    PART=$DIR/$1
    mkdir -p "$PART/pid" "$PART/log"
}

# Leaves the logs. Never crosses into what is still mounted.
clear_part() { find "$PART" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf --one-file-system {} +; }

# The file to source: what each part says, the part entered last at the end, so that it has the last word.
write_common_env() {
    local file
    for file in "$DIR"/*/env; do
        [[ $file == "$PART/env" || ! -s $file ]] || cat "$file"
    done >"$DIR/env.new"
    [[ ! -s $PART/env ]] || cat "$PART/env" >>"$DIR/env.new"
    mv "$DIR/env.new" "$DIR/env"
}

# own VALUE: a line for an env file that lets the next up.sh tell its own values from ones the user brought.
own() { echo "export SLUICE_TESTBED_OWN=\"\${SLUICE_TESTBED_OWN:-} $1\""; }

start_time() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null; }

# running NAME: a pid alone may by now be somebody else's, a pid with its start time may not.
running() {
    local pid started
    [[ -s $PART/pid/$1 ]] || return 1
    read -r pid started <"$PART/pid/$1"
    [[ $(start_time "$pid") == "$started" && $(awk '{ print $3 }' "/proc/$pid/stat" 2>/dev/null) != Z ]]
}

# start NAME COMMAND...: detached, so that it outlives this script. Descriptor 9 is the lock of up.sh.
start() {
    local name=$1
    shift
    running "$name" && return
    setsid nohup "$@" >"$PART/log/$name" 2>&1 </dev/null 9>&- &
    echo "$! $(start_time $!)" >"$PART/pid/$name"
}

# started NAME SECONDS COMMAND...: waits until NAME answers, and tells why when it never will.
started() {
    local name=$1 seconds=$2
    shift 2
    dead_or_answers() { ! running "$name" || "$@"; }
    if wait_for "$seconds" "answer from $name" dead_or_answers "$@" && running "$name"; then
        return
    fi
    log "$name did not come up; the end of $PART/log/$name:"
    tail -n 15 "$PART/log/$name" >&2
    return 1
}

gone() { ! running "$1"; }

# stop NAME: asks, waits, then forces.
stop() {
    local pid
    if running "$1"; then
        read -r pid _ <"$PART/pid/$1"
        kill "$pid" 2>/dev/null || true
        if ! wait_for 10 "end of $1" gone "$1"; then
            kill -9 "$pid" 2>/dev/null || true
            wait_for 5 "end of $1 after SIGKILL" gone "$1"
        fi
    fi
    rm -f "$PART/pid/$1"
}

listening() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Below the kernel's own range for outgoing connections, so only a listener can be in the way.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 10000))
        listening 127.0.0.1 "$port" || break
    done
    echo "$port"
}

# render FILE: the text with ${VARIABLES} filled in. Only for files of this folder: it would run $(commands) too.
render() { eval "cat <<END_OF_TEXT
$(<"$1")
END_OF_TEXT"; }

# Debian keeps the plugins in the first of these, most others in the second.
cni_folder() {
    local folder
    for folder in /usr/lib/cni /opt/cni/bin; do
        [[ -x $folder/ptp ]] && echo "$folder" && return
    done
    return 1
}

# Images are built in a store of their own: nothing is seen of, nor added to, what the user builds. Plain folders (vfs)
# and chroot work inside a container too.
export BUILDAH_ISOLATION=chroot
builder() { buildah --storage-driver vfs --root "$CACHE/buildah" --runroot "$CACHE/buildah-run" "$@"; }
