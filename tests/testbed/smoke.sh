#!/usr/bin/env bash
# Proves the test bed itself: up, what tests rely on, down to nothing, up again. Takes down a node that is up.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$TESTBED/s3.sh"
. "$TESTBED/node.sh"

[[ $EUID == 0 ]] || skip "a node needs root"
unset KUBECONFIG S3_ENDPOINT
passed=0 failed=0 work=$(mktemp -d)
trap '"$TESTBED/down.sh" node; rm -rf "$work"' EXIT

# check WHAT COMMAND...
check() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok: $what"
        passed=$((passed + 1))
    else
        echo "FAILED: $what"
        sed 's/^/    /' "$work/output"
        failed=$((failed + 1))
    fi
}

up() {
    local status=0
    "$TESTBED/up.sh" node || status=$?
    [[ $status == 0 ]] || exit "$status"
    # shellcheck disable=SC1091
    . "$DIR/env"
    enter_part node
}

# resolve PREFIX...: the address of kubernetes.default by the cluster's DNS, asked from where PREFIX leads; it ends the answer.
# shellcheck disable=SC2016 # the inner shell expands it
resolve() {
    "$@" timeout 5 bash -c 'exec 3<>/dev/udp/$0/53
        printf "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x0akubernetes\x07default\x03svc\x07cluster\x05local\0\0\x01\0\x01" |
            dd obs=512 status=none >&3
        dd bs=512 count=1 status=none <&3 | tail -c 4 | od -An -tu1' "$NET.2.10"
}
resolves() { [[ $(resolve "$@" | xargs | tr ' ' .) == "$NET.2.1" ]]; }

in_pod() {
    local container pid
    container=$(kubectl get pod -l app=pause -o 'jsonpath={.items[0].status.containerStatuses[0].containerID}')
    pid=$(ctr tasks list | awk -v id="${container#containerd://}" '$1 == id { print $2 }')
    nsenter --net="/proc/$pid/ns/net" -- "$@"
}

rolled_out() { kubectl rollout status "deployment/$1" --timeout 60s; }

# Nobody in particular, nothing to write on, no rights, little memory: what a hardened cluster asks of every pod.
deployment() {
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: $1
        image: $2
        imagePullPolicy: Never
        resources: {limits: {memory: 32Mi}}
        securityContext:
          runAsUser: 10001
          runAsNonRoot: true
          readOnlyRootFilesystem: true
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
END
}

deployed() { deployment "$1" "$2" | kubectl apply -f - && rolled_out "$1"; }

# A program that needs the base image's C library, put where a Dockerfile's build stage would leave it.
image_built() {
    mkdir -p "$work/build" "$work/context"
    cc -o "$work/build/pause" "$TESTBED/node/pause.c"
    cat >"$work/context/Dockerfile" <<'END'
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE} AS build
RUN false
FROM ${BASE_IMAGE} AS worker
COPY --from=build /pause /usr/local/bin/pause
ENTRYPOINT ["/usr/local/bin/pause"]
END
    "$TESTBED/load-image.sh" sluice-testbed/smoke 1 worker "$work/build" "$work/context"
}

put() { s3_request -X PUT -H "$2" --data-binary "$1" "$S3_ENDPOINT/$S3_BUCKET/$3"; }
create_once() { [[ $(put a 'If-None-Match: *' once) == 200 && $(put b 'If-None-Match: *' once) == 412 ]]; }
one_of_16_wins() {
    local writer
    for writer in {1..16}; do put "$writer" 'If-None-Match: *' race & done >"$work/race"
    wait
    [[ $(grep -c 200 "$work/race") == 1 && $(grep -c 412 "$work/race") == 15 ]]
}

s3_in_cluster() {
    kubectl apply -f "$TESTBED/s3.yaml" && rolled_out s3 || return
    local S3_ENDPOINT
    S3_ENDPOINT=http://$(kubectl get service s3 -o 'jsonpath={.spec.clusterIP}'):7070
    [[ $(s3_request -X PUT "$S3_ENDPOINT/bucket") == 200 ]]
}

# What the node could have changed about the machine.
machine() {
    find "${FIXED_FOLDERS[@]}" 2>/dev/null
    cat "${FIXED_FILES[@]}"
    nft list ruleset
    ip route
}

nothing_left() {
    local file folder
    ! grep -F "$DIR/node/" /proc/self/mountinfo || return 1
    ! ip netns list | grep -w "$NAMESPACE" || return 1
    ! ip link show sluice0 2>/dev/null || return 1
    for folder in $(cgroups); do [[ ! -d $folder ]] || return 1; done
    [[ $(machine) == "$machine_before" ]] || { machine && return 1; }
    for file in /proc/[0-9]*/cmdline; do
        [[ $(tr '\0' ' ' <"$file") != *"$DIR/node/"* ]] || { tr '\0' ' ' <"$file" && return 1; }
    done 2>/dev/null
}

"$TESTBED/down.sh" node
machine_before=$(machine)
up
check "node is ready" node_ready
check "a pod runs, without any privilege" deployed pause "$PAUSE_IMAGE"
check "logs" grep -q pausing <(kubectl logs deployment/pause)
check "exec" kubectl exec deployment/pause -- /pause once
check "DNS from the host" resolves env
check "DNS from a pod" resolves in_pod
check "S3 from a pod" in_pod curl -s -o /dev/null --max-time 5 "$S3_ENDPOINT/"
check "S3 creates an object once" create_once
check "S3 lets one of 16 writers create an object" one_of_16_wins
check "S3 in the cluster, through its Service" s3_in_cluster
check "an image is built and loaded" image_built
check "the image runs" deployed built sluice-testbed/smoke:1
check "helm" helm list
check "up again is a no-op" "$TESTBED/up.sh" node
check "down" "$TESTBED/down.sh" node
check "down leaves nothing behind" nothing_left
check "down again is a no-op" "$TESTBED/down.sh" node
up
check "node is ready the second time" node_ready
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
