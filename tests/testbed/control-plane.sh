# etcd and kube-apiserver with a small CA of their own: all of the fast ring's cluster, and the node's control plane. Sourced.
# shellcheck shell=bash

# issue NAME SUBJECT ADDRESSES: a key and a certificate, good for serving and for calling alike.
issue() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$PKI/$1.key" 2>/dev/null |
        openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -days 365 -out "$PKI/$1.crt" 2>/dev/null \
            -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$3")
}

# kubeconfig NAME SERVER: self-contained, so that it can be copied and mounted.
kubeconfig() {
    cat >"$PKI/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: sluice-testbed
contexts: [{name: sluice-testbed, context: {cluster: sluice-testbed, user: $1}}]
clusters:
- name: sluice-testbed
  cluster:
    server: $2
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$1.crt")
    client-key-data: $(base64 -w0 "$PKI/$1.key")
END
}

# control_plane_pki ADDRESS PORT: the names are the ones Kubernetes' built-in roles are bound to.
control_plane_pki() {
    local names="IP:$1,IP:127.0.0.1,IP:$NET.2.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    mkdir -p "$PKI"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=sluice-testbed \
        -keyout "$PKI/ca.key" -out "$PKI/ca.crt" 2>/dev/null
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/service-account.key" 2>/dev/null
    openssl pkey -in "$PKI/service-account.key" -pubout -out "$PKI/service-account.pub"
    issue apiserver /CN=kube-apiserver "$names"
    issue admin /O=system:masters/CN=admin DNS:admin
    kubeconfig admin "https://$1:$2"
}

apiserver_ready() {
    curl -sf --noproxy '*' --max-time 2 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" "$1/readyz"
}

# up_control_plane ADDRESS PORT ETCD_PORT OWN_FLAGS [PREFIX OF EVERY COMMAND...]: in the part entered last.
up_control_plane() {
    local address=$1 port=$2 etcd=$3 flags=$4
    shift 4
    PKI=$PART/pki
    if running etcd && running kube-apiserver; then
        return
    fi
    stop kube-apiserver
    stop etcd
    (umask 077 && control_plane_pki "$address" "$port")

    # Nothing in here has to survive the machine.
    start etcd "$@" "$KUBERNETES_BIN/kubernetes" etcd --unsafe-no-fsync --data-dir "$PART/etcd" --log-level warn \
        --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
        --listen-peer-urls "http://127.0.0.1:$((etcd + 1))"
    # shellcheck disable=SC2086 # a list of flags
    start kube-apiserver "$@" "$KUBERNETES_BIN/kubernetes" kube-apiserver \
        --etcd-servers "http://127.0.0.1:$etcd" \
        --bind-address "$address" --advertise-address "$address" --secure-port "$port" \
        --service-cluster-ip-range "$NET.2.0/24" \
        --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" --client-ca-file "$PKI/ca.crt" \
        --authorization-mode Node,RBAC --anonymous-auth=false --allow-privileged \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$PKI/service-account.pub" \
        --service-account-signing-key-file "$PKI/service-account.key" \
        --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-preferred-address-types InternalIP \
        --kubelet-client-certificate "$PKI/admin.crt" --kubelet-client-key "$PKI/admin.key" \
        $flags
    started kube-apiserver 60 apiserver_ready "https://$address:$port"
}

down_control_plane() {
    stop kube-apiserver
    stop etcd
}
