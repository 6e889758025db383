# What the steps of kubernetes.sh share: checks, waiting, looking at jobs, at their JobManagers, and at S3. Sourced.
# shellcheck shell=bash disable=SC2154

passed=0 failed=0

# check NAME COMMAND...: runs a command and counts whether it succeeds; shows what it printed if not.
check() {
    local name=$1 began=$SECONDS
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok: $name ($((SECONDS - began)) s)"
        passed=$((passed + 1))
    else
        echo "FAILED: $name ($((SECONDS - began)) s)"
        tail -15 "$work/log"
        failed=$((failed + 1))
    fi
}

# within SECONDS COMMAND...: tries again until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.3
    done
}

# get JOB JSONPATH: a field of a job, named NAMESPACE/NAME.
get() { kubectl get flinkjob -n "${1%/*}" "${1#*/}" -o "jsonpath={$2}" 2>/dev/null; }

# field JOB JSONPATH VALUE [SECONDS]: waits until it is what the extended regular expression says.
field() {
    local end=$((SECONDS + ${4:-60})) value=""
    while ((SECONDS < end)); do
        value=$(get "$1" "$2") || true
        [[ $value =~ ^($3)$ ]] && return 0
        sleep 0.2
    done
    echo "$2 of $1 is '$value' and not '$3'"
    return 1
}

condition() { field "$1" ".status.conditions[?(@.type==\"$2\")].status" "$3" "${4:-60}"; }

# ready JOB [SECONDS]: as it was written last, not as it was before.
ready() {
    local generation
    generation=$(get "$1" .metadata.generation)
    field "$1" .status.observedGeneration "$generation" "${2:-60}" && condition "$1" Ready True "${2:-60}"
}

# pod_names JOB ROLE: the running ones.
pod_names() {
    kubectl get pods -n "${1%/*}" -l "sluice.dev/job=${1#*/},sluice.dev/role=$2" --field-selector=status.phase=Running \
        -o json | jq -r '[.items[].metadata | select(.deletionTimestamp | not) | .name] | join(" ")'
}
pods() { [[ $(pod_names "$1" "$2" | wc -w) == "$3" ]]; }
no_pods() { [[ -z $(kubectl get pods -n "${1%/*}" -l "sluice.dev/job=${1#*/}" -o name) ]]; }

# The death of a machine: no grace, and nobody is told.
kill_pod() {
    local names
    names=$(pod_names "$1" "$2")
    kubectl delete pod -n "${1%/*}" --grace-period=0 --force "${names%% *}"
}

# restarts JOB MINIMUM: by the status, and told as an event.
restarts() { within 30 more_restarts "$1" "$2" && event "$1" Restarted; }
more_restarts() { (($(get "$1" .status.job.restarts || echo 0) >= $2)); }
event() { [[ -n $(events "$1" "$2") ]]; }
# events JOB REASON: the messages, the newest last.
events() {
    kubectl get events -n "${1%/*}" -o json \
        --field-selector="involvedObject.kind=FlinkJob,involvedObject.name=${1#*/},reason=$2" |
        jq -r '.items | sort_by(.eventTime)[].message'
}

# rest JOB PATH: what the JobManager answers.
rest() { kubectl get --raw "/api/v1/namespaces/${1%/*}/services/${1#*/}-jobmanager:rest/proxy$2"; }

# downtime JOB ACTION: what the status says of the last one; for the table.
downtime() {
    local seconds
    seconds=$(get "$1" ".status.job.downtimeSeconds.$2")
    [[ -n $seconds ]] || return 1
    printf '%-40s %s s\n' "$3" "$seconds" >>"$work/downtimes"
}

# s3 ARGUMENTS OF CURL...: a signed request without a body.
s3() {
    curl -fsS --noproxy '*' --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$S3_ACCESS_KEY:$S3_SECRET_KEY" \
        -H "x-amz-content-sha256: $(sha256sum </dev/null | cut -d' ' -f1)" "$@"
}
# is_snapshot URI: whether its metadata is there.
is_snapshot() { s3 --head "$S3_ENDPOINT/${1#s3://}/_metadata"; }
# snapshots PREFIX COUNT: below a prefix of the bucket.
snapshots() {
    local keys
    keys=$(s3 "$S3_ENDPOINT/$S3_BUCKET?list-type=2&prefix=${1//\//%2F}" | grep -o '<Key>[^<]*/_metadata</Key>')
    echo "$keys"
    [[ $(wc -l <<<"$keys") == "$2" ]]
}
