#!/usr/bin/env bash
# Brings up parts of the test bed, each only if it is not up: up.sh [s3|apiserver|node]... and then `. $SLUICE_TESTBED_DIR/env`
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TESTBED/s3.sh"
. "$TESTBED/control-plane.sh"
. "$TESTBED/node.sh"

# given NAME: the user brought one. What an env file of ours exported does not count, even when its part is long gone.
given() { [[ -n ${!1:-} && " ${SLUICE_TESTBED_OWN:-} " != *" ${!1} "* ]]; }

write_env() {
    printf '%s\n' "$@" >"$PART/env"
    write_common_env
}

cluster_env() {
    own "$PART/pki/admin.kubeconfig"
    echo "export KUBECONFIG=$PART/pki/admin.kubeconfig"
    # Another cluster was at this address before, and another will be.
    echo "export KUBECACHEDIR=$PART/kube-cache"
    echo "export PATH=\"$1:\$PATH\""
    # Programs that go by a proxy must not do so for what is on this machine.
    echo "export NO_PROXY=\"127.0.0.1,$NET.0.0/16\${NO_PROXY:+,\$NO_PROXY}\""
}

use_given_cluster() {
    command -v kubectl >/dev/null || skip "KUBECONFIG is set, but there is no kubectl"
    command kubectl --request-timeout 10s get --raw /readyz >/dev/null || { log "the cluster of KUBECONFIG does not answer" && return 1; }
    log "using the cluster of KUBECONFIG"
    write_env "export KUBECONFIG=${KUBECONFIG@Q}"
}

s3() {
    enter_part s3
    if given S3_ENDPOINT; then
        : "${S3_REGION:=us-east-1}" "${S3_BUCKET:?}" "${S3_ACCESS_KEY:?}" "${S3_SECRET_KEY:?}"
        s3_answers || { log "S3_ENDPOINT does not answer" && return 1; }
        log "using the server of S3_ENDPOINT"
        write_env "$(s3_env)"
        return
    fi
    "$TESTBED/install.sh" s3
    up_s3 127.0.0.1 "$(free_port)"
    write_env "$(cat "$PART/env.s3")"
}

apiserver() {
    enter_part apiserver
    if given KUBECONFIG; then
        use_given_cluster
        return
    fi
    "$TESTBED/install.sh" apiserver
    local port
    port=$(free_port)
    # No controllers here: nobody would make service accounts, and a loopback address may not be an endpoint.
    up_control_plane 127.0.0.1 "$port" $((port + 1)) \
        "--disable-admission-plugins=ServiceAccount --endpoint-reconciler-type=none"
    write_env "$(cluster_env "$KUBERNETES_BIN")"
}

node() {
    enter_part node
    if given KUBECONFIG; then
        use_given_cluster
        s3
        return
    fi
    "$TESTBED/install.sh" node
    up_node
    if given S3_ENDPOINT; then
        s3
        enter_part node
        : >"$PART/env.s3"
    else
        # On the node, so that pods and tests reach it by the same address.
        up_s3 "$NODE" 7070 "${IN_NAMESPACE[@]}"
    fi
    write_env "$(cluster_env "$KUBERNETES_BIN:$HELM_BIN")" "$(cat "$PART/env.s3")" \
        "export SLUICE_TESTBED_NODE=$NODE SLUICE_TESTBED_HOST=$NET.0.1"
}

for part in "${@:-node}"; do
    [[ $part == s3 || $part == apiserver || $part == node ]] || {
        echo "usage: up.sh [s3|apiserver|node]..." >&2
        exit 2
    }
done
mkdir -p "$DIR"
exec 9>"$DIR/lock"
flock 9
for part in "${@:-node}"; do
    "$part"
done
echo "up: ${*:-node}; to use it: . $DIR/env"
