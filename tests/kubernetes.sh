#!/usr/bin/env bash
# End to end on a real Kubernetes: install, run, kill pods, savepoint, rescale, suspend and resume; the result is held
# against a run of the same SQL in one process. Skipped where no node can run. Prints `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
work=$(mktemp -d)
passed=0 failed=0
namespace=default

status=0
tests/testbed/up.sh node || status=$?
if [[ $status == 77 ]]; then
    echo "kubernetes: skipped"
    exit 0
fi
[[ $status == 0 ]] || exit "$status"
. "${SLUICE_TESTBED_DIR:-/tmp/sluice-testbed}/env"
finish() {
    local code=$?
    if [[ $failed != 0 || $code != 0 ]]; then
        kubectl get flinkjobs,pods -o wide || true
        kubectl describe flinkjob orders | tail -40 || true
        for pod in $(kubectl get pods -o name); do echo "--- $pod"; kubectl logs --tail=15 "$pod" || true; done
        kubectl logs -n sluice-system deployment/sluice-operator --tail=20 || true
    fi
    tests/testbed/down.sh >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok: $name"
        passed=$((passed + 1))
    else
        echo "FAILED: $name"
        tail -15 "$work/log"
        failed=$((failed + 1))
    fi
}

# Waits until a field of the job has a value (an extended regular expression): field JSONPATH VALUE [SECONDS]
field() {
    local deadline=$((SECONDS + ${3:-60})) value=""
    while ((SECONDS < deadline)); do
        value=$(kubectl get flinkjob orders -o "jsonpath={$1}" 2>/dev/null) || true
        [[ $value =~ ^($2)$ ]] && return 0
        sleep 0.3
    done
    echo "$1 is '$value' and not '$2'"
    return 1
}
pods() { [[ $(kubectl get pods -l "sluice.dev/job=orders,sluice.dev/role=$1" --field-selector=status.phase=Running -o name | wc -l) == "$2" ]]; }
eventually() { local end=$((SECONDS + 60)); until "$@"; do ((SECONDS < end)) || return 1; sleep 0.3; done; }
running() { field '.status.conditions[?(@.type=="Running")].status' True 60; }

# The same job here and there; only the rate and the sink's path differ.
job_sql() {
    cat <<END
CREATE TABLE nexmark (
  event_type INT,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime TIMESTAMP(3), extra STRING>,
  dateTime AS bid.dateTime,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
) WITH ('connector' = 'nexmark', 'events.num' = '$events', 'next-event.rate' = '1000', 'seed' = '3'$2);
CREATE TABLE revenue (window_start TIMESTAMP(3), auction BIGINT, bids BIGINT, revenue BIGINT)
WITH ('connector' = 'filesystem', 'path' = '$1', 'format' = 'json');
CREATE VIEW bids AS SELECT bid.auction, bid.price, dateTime FROM nexmark WHERE event_type = 2;
INSERT INTO revenue
SELECT window_start, auction, COUNT(*), SUM(price)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, auction;
END
}
events=${EVENTS:-600000}
rate=${RATE:-6000}

manifest() {
    cat <<END
apiVersion: sluice.dev/v1alpha1
kind: FlinkJob
metadata: {name: orders}
spec:
  image: sluice:0.1.0
  job:
    sql:
      inline: |
$(job_sql "s3://$S3_BUCKET/orders/out" ", 'scan.rows-per-second' = '$rate'" | sed 's/^/        /')
  maxParallelism: 128
  taskManager: {replicas: ${1:-2}, slots: 2, resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 512Mi}}}
  jobManager: {resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 256Mi}}}
  checkpoint: {uri: "s3://$S3_BUCKET/orders/checkpoints", interval: 2s, endpoint: "$S3_ENDPOINT", region: "$S3_REGION", pathStyle: true, credentials: {secretRef: {name: s3}}}
  savepoint: {uri: "s3://$S3_BUCKET/orders/savepoints"}
${2:-}
END
}

mkdir -p "$work/build/out"
cp "$bin/sluice" "$bin/sluice-operator" "$work/build/out/"
strip --strip-debug "$work/build/out/"*
tests/testbed/load-image.sh sluice 0.1.0 worker "$work/build"
tests/testbed/load-image.sh sluice-operator 0.1.0 operator "$work/build"
kubectl create secret generic s3 --from-literal=AWS_ACCESS_KEY_ID="$S3_ACCESS_KEY" --from-literal=AWS_SECRET_ACCESS_KEY="$S3_SECRET_KEY"

check "helm install" helm install sluice charts/sluice -n sluice-system --create-namespace --wait --timeout 90s --set image.tag=0.1.0
manifest >"$work/orders.yaml"
check "apply" kubectl apply -f "$work/orders.yaml"
check "ready within 30 s" field '.status.conditions[?(@.type=="Ready")].status' True 30
check "running" running
check "one JobManager pod" eventually pods jm 1
check "two TaskManager pods" eventually pods tm 2
bad() { ! sed 's/replicas: 2/replicas: 0/' "$work/orders.yaml" | kubectl apply -f - 2>"$work/bad" && cat "$work/bad" && grep -q replicas "$work/bad"; }
check "a bad manifest is refused" bad
check "a checkpoint" field '.status.checkpoint.lastId' '[1-9][0-9]*' 60

generation=$(kubectl get flinkjob orders -o 'jsonpath={.metadata.generation}')
check "savepoint by annotation" kubectl annotate flinkjob orders sluice.dev/savepoint=one
check "savepoint path in status" field '.status.savepoint.lastPath' 's3://.+' 60
same_generation() { [[ $(kubectl get flinkjob orders -o 'jsonpath={.metadata.generation}') == "$generation" ]]; }
check "generation unchanged" same_generation

kill_pod() { kubectl delete pod --grace-period=0 --force "$(kubectl get pods -l "sluice.dev/job=orders,sluice.dev/role=$1" -o name | head -1 | cut -d/ -f2)"; }
down_then_up() { eventually pods "$1" "$2" && running; }
check "kill a TaskManager" kill_pod tm
check "it comes back" down_then_up tm 2
check "kill the JobManager" kill_pod jm
check "it comes back" down_then_up jm 1
check "kill the operator" kubectl delete pod -n sluice-system --all --grace-period=0 --force
check "scale to 4" kubectl scale flinkjob orders --replicas=4
check "four TaskManagers" eventually pods tm 4
check "running at 4" running
check "scale to 1" kubectl scale flinkjob orders --replicas=1
check "one TaskManager" eventually pods tm 1
check "running at 1" running
check "suspend" kubectl patch flinkjob orders --type=merge -p '{"spec":{"desiredState":"Suspended"}}'
check "suspended" field '.status.phase' Suspended 60
check "no pods" eventually pods tm 0
check "resume" kubectl patch flinkjob orders --type=merge -p '{"spec":{"desiredState":"Running"}}'
check "running again" running
check "finished" field '.status.phase' Finished 240

job_sql "$work/model" "" >"$work/model.sql"
check "the model" "$bin/sluice" run "$work/model.sql"
# Rows of the result below a path, sorted.
rows() {
    { job_sql "$1" "" | sed -n '/^CREATE TABLE revenue/,/;$/p'; echo "SELECT * FROM revenue;"; } >"$work/read.sql"
    AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY "$bin/sluice" run --output jsonl --set "s3.endpoint=$S3_ENDPOINT" \
        --set "s3.region=$S3_REGION" --set s3.path.style.access=true "$work/read.sql" | sort
}
exact() {
    rows "$work/model" >"$work/expected" && rows "s3://$S3_BUCKET/orders/out" >"$work/actual"
    [[ -s $work/expected ]] && wc -l "$work/expected" "$work/actual" && cmp "$work/expected" "$work/actual"
}
check "results on S3 are exact" exact
kubectl get flinkjob orders -o 'jsonpath={.status}' | head -c 2000
echo
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
