# A whole Kubernetes node in a network namespace of its own, and the way to leave nothing of it behind. Sourced.
# No rule of it touches the machine's network: a pair of virtual cards joins the two, the machine routes the pods' and
# the services' addresses to the node, and the node has no route to anywhere else.
# shellcheck shell=bash disable=SC2034

NAMESPACE=sluice-testbed
NODE=$NET.0.2
IN_NAMESPACE=(nsenter "--net=/run/netns/$NAMESPACE" --)

# containerd, its plugins and kubelet use these folders and set these values of the whole machine, whatever they are
# told. They see folders and files of ours in their place.
FIXED_FOLDERS=(/run/containerd /var/lib/cni /var/lib/kubelet /var/log/containers)
FIXED_FILES=(/proc/sys/vm/overcommit_memory /proc/sys/kernel/panic{,_on_oops} /proc/sys/kernel/keys/root_max{keys,bytes})

ctr() { command ctr --address "$PART/containerd.sock" --namespace k8s.io "$@"; }
kubectl() { KUBECACHEDIR=$PART/kube-cache "$KUBERNETES_BIN/kubectl" --kubeconfig "$PART/pki/admin.kubeconfig" "$@"; }

# One folder with cgroup v2, one for each controller with v1.
cgroups() {
    local folder
    for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [[ -e $folder/cgroup.procs && ! -L $folder && ($folder == /sys/fs/cgroup || ! -e /sys/fs/cgroup/cgroup.procs) ]] &&
            echo "$folder/sluice-testbed"
    done
    return 0
}

# The card says whose node it is, so that this is known as long as there is one, whatever became of the folder.
owns_node() { [[ $(cat /sys/class/net/sluice0/ifalias 2>/dev/null) == "$DIR" ]]; }

network_up() {
    # One without a card is what an interrupted start left.
    ip netns delete "$NAMESPACE" 2>/dev/null || true
    ip netns add "$NAMESPACE"
    ip link add sluice0 type veth peer name eth0 netns "$NAMESPACE"
    ip link set sluice0 alias "$DIR"
    ip addr add "$NET.0.1/30" dev sluice0
    ip link set sluice0 up
    ip -n "$NAMESPACE" addr add "$NODE/30" dev eth0
    ip -n "$NAMESPACE" link set eth0 up
    ip -n "$NAMESPACE" link set lo up
    ip route add "$NET.1.0/24" via "$NODE"
    ip route add "$NET.2.0/24" via "$NODE"
    # Never used on the wire: kube-proxy redirects what goes there, but only what has a route in the first place.
    ip -n "$NAMESPACE" route add "$NET.2.0/24" dev eth0
    "${IN_NAMESPACE[@]}" sysctl -qw net.ipv4.ip_forward=1
}

containerd_up() {
    local CNI_BIN SNAPSHOTTER=overlayfs
    CNI_BIN=$(cni_folder)
    # An overlay cannot lie on an overlay, as in a container.
    [[ $(stat -f -c %T "$PART") == overlayfs ]] && SNAPSHOTTER=native
    mkdir -p "$PART/cni"
    render "$TESTBED/node/containerd.toml" >"$PART/containerd.toml"
    render "$TESTBED/node/cni.conflist" >"$PART/cni/sluice-testbed.conflist"
    # The mounts of both programs are in a mount namespace that ends with its last process, so none is left to undo.
    # shellcheck disable=SC2016 # the inner shell expands it
    start containerd "${IN_NAMESPACE[@]}" unshare --mount --propagation private -- bash -ec '
        for path in "${@:2}"; do
            if [[ -f $path ]]; then
                mkdir -p "$1/fixed${path%/*}"
                cat "$path" >"$1/fixed$path"
            else
                mkdir -p "$path" "$1/fixed$path"
            fi
            mount --bind "$1/fixed$path" "$path"
        done
        exec containerd --config "$1/containerd.toml"' containerd "$PART" "${FIXED_FOLDERS[@]}" "${FIXED_FILES[@]}"
    started containerd 20 ctr version
    local folder
    for folder in "$PAUSE_BIN" "$COREDNS_BIN" "$VERSITYGW_BIN"; do
        ctr images import "$folder-image/image.tar" >/dev/null
    done
}

node_ready() { [[ $(kubectl get node sluice-testbed -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]]; }
dns_ready() { [[ $(kubectl -n kube-system get deployment coredns -o 'jsonpath={.status.readyReplicas}') == 1 ]]; }

# client NAME SUBJECT: a program that calls the API server as itself.
client() {
    issue "$1" "$2" "IP:$NODE"
    kubeconfig "$1" "https://$NODE:6443"
}

kubelet_up() {
    local folder containerd
    cgroups | while read -r folder; do mkdir -p "$folder"; done
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        # With v2 a group only has the controllers that those above it hand on.
        sed 's/\</+/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control ||
            log "not all cgroup controllers can be handed on"
    fi
    mkdir -p "$PART/kubelet"
    : >"$PART/resolv.conf"
    render "$TESTBED/node/kubelet.yaml" >"$PART/kubelet.yaml"
    read -r containerd _ <"$PART/pid/containerd"
    start kubelet nsenter "--mount=/proc/$containerd/ns/mnt" "--net=/run/netns/$NAMESPACE" -- \
        "$KUBERNETES_BIN/kubernetes" kubelet --config "$PART/kubelet.yaml" --kubeconfig "$PKI/kubelet.kubeconfig" \
        --root-dir "$PART/kubelet" --hostname-override sluice-testbed --node-ip "$NODE"
}

# In the part entered last.
up_node() {
    local run=("${IN_NAMESPACE[@]}" "$KUBERNETES_BIN/kubernetes")
    if running kubelet && running containerd && running kube-apiserver && node_ready; then
        return
    fi
    # What is half there is not mended: a node is seconds away.
    down_node
    clear_part
    enter_part node
    if [[ -e /sys/class/net/sluice0 ]]; then
        log "a node is up already, with SLUICE_TESTBED_DIR=$(cat /sys/class/net/sluice0/ifalias)"
        return 1
    fi
    network_up
    containerd_up &
    local containerd=$!
    up_control_plane "$NODE" 6443 2379 "" "${IN_NAMESPACE[@]}"
    wait "$containerd"
    (
        umask 077
        # With all rights, where a real cluster has a service account for each controller: making thirty takes seconds.
        client controllers /O=system:masters/CN=system:kube-controller-manager
        client scheduler /CN=system:kube-scheduler
        client proxy /CN=system:kube-proxy
        client kubelet /O=system:nodes/CN=system:node:sluice-testbed
    )
    start kube-controller-manager "${run[@]}" kube-controller-manager --kubeconfig "$PKI/controllers.kubeconfig" \
        --leader-elect=false --kube-api-qps 200 --kube-api-burst 400 --root-ca-file "$PKI/ca.crt" \
        --service-account-private-key-file "$PKI/service-account.key" \
        --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key"
    start kube-scheduler "${run[@]}" kube-scheduler --kubeconfig "$PKI/scheduler.kubeconfig" --leader-elect=false
    # The connection tracking limits are the machine's, not the namespace's: 0 leaves them alone.
    start kube-proxy "${run[@]}" kube-proxy --kubeconfig "$PKI/proxy.kubeconfig" --hostname-override sluice-testbed \
        --proxy-mode nftables --cluster-cidr "$NET.1.0/24" --oom-score-adj 0 --conntrack-max-per-core 0 \
        --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
    kubelet_up
    # A pod of a namespace that has no service account yet is refused.
    wait_for 30 "default service account" kubectl get serviceaccount default
    render "$TESTBED/node/coredns.yaml" | kubectl apply -f - >/dev/null
    started kubelet 60 node_ready
    wait_for 60 "ready CoreDNS" dns_ready || {
        kubectl -n kube-system get events >&2
        return 1
    }
}

# Every process of the node is in its namespace or, as a container, in its cgroup: no recorded pid could be as sure.
node_processes() {
    ip netns pids "$NAMESPACE" 2>/dev/null
    cgroups | while read -r folder; do
        [[ ! -d $folder ]] || find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null
    done
}

killed() {
    local pids
    mapfile -t pids < <(node_processes)
    [[ ${#pids[@]} == 0 ]] && return
    kill -9 "${pids[@]}" 2>/dev/null
    return 1
}

remove_cgroups() {
    local folder
    for folder in $(cgroups); do
        [[ -d $folder ]] || continue
        find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || return 1
    done
}

# In the part entered last. Works alike on a healthy node and on what a crash left: it asks nothing of
# containerd, and nothing in the node has data worth an orderly end.
down_node() {
    owns_node || return 0
    wait_for 20 "end of the node's processes" killed
    wait_for 10 "end of the node's cgroups" remove_cgroups
    ip link delete sluice0
    ip netns delete "$NAMESPACE"
    # Only the empty ones, which no other runtime of this machine uses.
    rmdir "${FIXED_FOLDERS[@]}" 2>/dev/null || true
}
