# What is under deploy/, as users apply it. Sourced.
# shellcheck shell=bash disable=SC2154

# Overlays build, the plain manifest is the chart's, and the API server accepts it and every example.
deploy_folder() {
    deploy/render.sh --check && kubectl kustomize deploy/base >"$work/base.yaml" &&
        kubectl kustomize deploy/quickstart >"$work/quickstart.yaml" || return 1
    local file
    # The installed chart has the same objects; its fields are not taken over.
    kubectl apply --server-side --force-conflicts --dry-run=server -f "$work/base.yaml" || return 1
    for file in deploy/examples/*.yaml; do
        kubectl apply --dry-run=server -f "$file" || return 1
    done
}

counts_words() { kubectl logs deployment/word-count-taskmanager --tail=20 | grep -q 'word-[1-5], [0-9]*\]'; }

# small_memory JOB: what the kubelet counts for its pods. Pages of the program, which pods share, are not among it; a test
# of processes counts those, too.
small_memory() {
    local node used
    node=$(kubectl get pods -l "sluice.dev/job=$1" -o 'jsonpath={.items[0].spec.nodeName}')
    used=$(kubectl get --raw "/api/v1/nodes/$node/proxy/stats/summary" |
        jq "[.pods[] | select(.podRef.name | startswith(\"$1-\")) | .memory.workingSetBytes // empty] | select(length == 2) | add")
    echo "JobManager and TaskManager together: ${used:-unknown} bytes"
    [[ -n $used ]] && ((used > 1000000 && used < 100000000))
}

# The examples that need S3, beside the quickstart's. Only requests and the generator's rate are what a small node allows.
examples() {
    local namespace=sluice-quickstart
    local image=versity/versitygw:v1.8.0
    [[ -n ${SLUICE_TESTBED_NODE:-} ]] && image=localhost/sluice-testbed/versitygw:latest
    sed "s#versity/versitygw:v1.8.0#$image#" "$work/quickstart.yaml" | kubectl apply -f - &&
        kubectl wait -n $namespace --for=condition=complete job/bucket --timeout=60s || return 1
    sed 's/cpu: "1"/cpu: 50m/; s/memory: 1Gi/memory: 64Mi/; s/50000/5000/' deploy/examples/nexmark-q17.yaml | kubectl apply -n $namespace -f - &&
        kubectl apply -n $namespace -f deploy/examples/windowed-orders.yaml &&
        ready $namespace/nexmark-q17 && ready $namespace/orders || return 1
    # Rows flow, so there is state to save.
    local job
    for job in nexmark-q17 orders; do
        kubectl annotate -n $namespace flinkjob $job sluice.dev/savepoint=1 &&
            field $namespace/$job .status.savepoint.lastPath "s3://sluice/$job/.+" || return 1
    done
    kubectl delete namespace $namespace --timeout=60s
}
