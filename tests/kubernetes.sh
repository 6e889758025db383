#!/usr/bin/env bash
# End to end on a real Kubernetes: install, run, kill, rescale, change, suspend, delete and restore a job whose result on
# S3 is held against a run of the same SQL in one process; jobs that cannot work; the examples. Skipped where no node can
# run. Prints `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
work=$(mktemp -d)

status=0
tests/testbed/up.sh node || status=$?
if [[ $status == 77 ]]; then
    echo "kubernetes: skipped"
    exit 0
fi
[[ $status == 0 ]] || exit "$status"
. "${SLUICE_TESTBED_DIR:-/tmp/sluice-testbed}/env"
for tool in kubectl helm curl jq; do
    command -v $tool >/dev/null || { echo "kubernetes: skipped: there is no $tool" && exit 0; }
done
. tests/kubernetes/lib.sh
. tests/kubernetes/jobs.sh
. tests/kubernetes/examples.sh

finish() {
    local code=$?
    if [[ $failed != 0 || $code != 0 ]]; then
        kubectl get flinkjobs,pods -A -o wide || true
        kubectl describe flinkjob orders | tail -40 || true
        for pod in $(kubectl get pods -l sluice.dev/job=orders -o name); do
            echo "--- $pod"
            kubectl logs --tail=15 "$pod" || true
        done
        kubectl logs -n sluice-system deployment/sluice-operator --tail=30 || true
    fi
    tests/testbed/down.sh >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

# Images and installation.
mkdir -p "$work/build/out"
cp "$bin/sluice" "$bin/sluice-operator" "$work/build/out/"
strip "$work/build/out/"*
tests/testbed/load-image.sh sluice 0.1.0 worker "$work/build" | tee "$work/image"
tests/testbed/load-image.sh sluice-operator 0.1.0 operator "$work/build"
small() { (($(grep -o '[0-9]* bytes' "$work/image" | cut -d' ' -f1) < 120000000)); }
check "the worker's image has less than 120 MB" small
kubectl create secret generic s3 --from-literal=AWS_ACCESS_KEY_ID="$S3_ACCESS_KEY" --from-literal=AWS_SECRET_ACCESS_KEY="$S3_SECRET_KEY"
kubectl create secret generic s3-wrong --from-literal=AWS_ACCESS_KEY_ID="$S3_ACCESS_KEY" --from-literal=AWS_SECRET_ACCESS_KEY=wrong
check "helm lint" helm lint --strict charts/sluice
check "helm install" helm install sluice charts/sluice -n sluice-system --create-namespace --wait --timeout 90s --set image.tag=0.1.0
check "manifests: deploy/ is as rendered and accepted" deploy_folder

# The smallest example, as it is, and beside it what cannot work.
check "word count: apply" kubectl apply -f deploy/examples/word-count.yaml
check "word count: ready within 30 s" ready default/word-count 30
check "wrong jobs: apply" kubectl apply -f - < <(wrong_jobs)
check "word count: counts" within 30 counts_words
check "bad SQL: line and column are told" told bad-sql 'line 10, column 72: .*prise'
check "no bucket: told" told no-bucket 'bucket no-such-bucket does not exist'
check "wrong keys: told" told bad-keys 'secret key'
check "no Secret: told" told no-keys 's3-missing'
for job in bad-sql no-bucket bad-keys; do kubectl get pods -l "sluice.dev/job=$job" -o name | sort >"$work/pods-$job"; done
kubectl delete flinkjob no-keys --wait=false
check "idle: JobManager and TaskManager use less than 100 MB" within 60 small_memory word-count
cat "$work/log"
kubectl delete flinkjob word-count --wait=false

# The job.
check "the model" model
orders first >"$work/orders.yaml"
check "apply" kubectl apply -f "$work/orders.yaml"
check "ready within 30 s" ready default/orders 30
check "one JobManager pod" within 10 pods default/orders jm 1
check "two TaskManager pods" within 10 pods default/orders tm 2
slots() { [[ $(rest default/orders /overview | jq '."slots-total"') == "$1" ]]; }
check "with two slots each" within 10 slots 4
downtime default/orders deploy "first start" || true
refused() { ! kubectl apply -f - <"$1" 2>"$work/refused" && cat "$work/refused" && grep -q "$2" "$work/refused"; }
sed 's/replicas: 2/replicas: 0/' "$work/orders.yaml" >"$work/bad.yaml"
check "a bad manifest is refused with words" refused "$work/bad.yaml" 'spec.taskManager.replicas.*greater than or equal to 1'
check "a checkpoint" field default/orders .status.checkpoint.lastId '[1-9][0-9]*'

savepoint() { kubectl annotate --overwrite flinkjob orders "sluice.dev/savepoint=$1"; }
saved() { field default/orders .status.savepoint.lastHandledTrigger "$1" && field default/orders .status.savepoint.inProgress ''; }
path() { get default/orders .status.savepoint.lastPath; }
generation=$(get default/orders .metadata.generation)
check "savepoint by annotation" savepoint one
check "it is taken" saved one
first=$(path)
check "it is on S3 at the path of the status" is_snapshot "$first"
check "the same value again" savepoint one
kubectl annotate flinkjob orders unrelated=1 >/dev/null
check "another value" savepoint two
check "a second one is taken" saved two
check "there are two, so the same value did nothing" snapshots orders/savepoints/ 2
check "the first is still there" is_snapshot "$first"
check "the generation is unchanged" field default/orders .metadata.generation "$generation"

check "kill a TaskManager" kill_pod default/orders tm
check "the status says so" restarts default/orders 1
check "it comes back" within 60 pods default/orders tm 2
check "the job, too" ready default/orders
check "its downtime is in the status" downtime default/orders taskFailure "TaskManager killed"
check "results so far are exact" within 20 exact_so_far

check "scale to 4" kubectl scale flinkjob orders --replicas=4
check "four TaskManagers" within 60 pods default/orders tm 4
check "eight subtasks" field default/orders .status.parallelism 8
check "ready" ready default/orders
check "its downtime is in the status" downtime default/orders scale "scale to 4"
before=$(get default/orders .status.job.restarts)
check "kill the JobManager" kill_pod default/orders jm
check "the status says so" restarts default/orders $((before + 1))
check "it comes back" within 60 pods default/orders jm 1
check "the job, too" ready default/orders
check "its downtime is in the status" downtime default/orders jobManagerFailure "JobManager killed"
subtasks() { [[ $(rest default/orders "/jobs/$(get default/orders .status.job.id)" | jq '[.vertices[].parallelism] | max') == "$1" ]]; }
check "with the parallelism that it was scaled to" subtasks 8
check "results so far are exact" within 20 exact_so_far

before=$(get default/orders .status.job.restarts) jobmanager=$(pod_names default/orders jm)
check "kill the operator" kubectl delete pod -n sluice-system --all --grace-period=0 --force
check "scale to 1" kubectl scale flinkjob orders --replicas=1
check "the new operator does it" field default/orders .status.parallelism 2
check "one TaskManager" within 60 pods default/orders tm 1
check "ready" ready default/orders
check "its downtime is in the status" downtime default/orders scale "scale to 1"
undisturbed() {
    echo "JobManager $1 and now $(pod_names default/orders jm), restarts $2 and now $(get default/orders .status.job.restarts)"
    events default/orders Restarted
    [[ $1 == "$(pod_names default/orders jm)" && $2 == "$(get default/orders .status.job.restarts)" ]]
}
check "the JobManager stayed, and nothing restarted but for the new parallelism" undisturbed "$jobmanager" "$before"

change() { orders "$1" | kubectl apply -f - && ready default/orders; }
check "change the SQL to another that means the same" change renamed
check "its downtime is in the status" downtime default/orders upgrade "SQL changed"
before=$(get default/orders .status.job.restarts) jobmanager=$(pod_names default/orders jm)
orders more | sed 's/SUM(price)/SUM(prise)/' >"$work/mistake.yaml"
check "change the SQL to one with a mistake" kubectl apply -f "$work/mistake.yaml"
check "line and column are told" told orders 'line 10, column 72: .*prise'
check "the job runs all the same" condition default/orders Running True
check "and was not touched" undisturbed "$jobmanager" "$before"
check "correct it, and add a column" change more
check "its downtime is in the status" downtime default/orders upgrade "SQL changed again, after a mistake"
check "results so far are exact" within 20 exact_so_far

desired() { kubectl patch flinkjob orders --type=merge -p "{\"spec\":{\"desiredState\":\"$1\"}}"; }
check "suspend" desired Suspended
check "suspended" field default/orders .status.phase Suspended
check "no pods" within 60 no_pods default/orders
check "resume" desired Running
check "running again" ready default/orders
check "its downtime is in the status" downtime default/orders resume "resumed"

check "delete" kubectl delete flinkjob orders --timeout=60s
check "no pods" within 60 no_pods default/orders
# The resource is gone; its events are not.
last=$(events default/orders SavepointCompleted | tail -1)
check "the savepoint of the deletion is on S3" is_snapshot "$last"
check "recreate from it" kubectl apply -f - < <(orders last "  restoreFrom: {path: \"$last\"}")
check "running again" field default/orders .status.phase 'Running|Finished'
check "its downtime is in the status" downtime default/orders deploy "recreated from a savepoint"
restored() { field default/orders .status.job.restorePath "$last" && field default/orders .status.phase Finished 120; }
check "finished" restored
check "results on S3 are exact" exact
cat "$work/log"

# What was wrong at the beginning has stayed as it was.
check "bad SQL: its pods are not started again" still bad-sql
check "no bucket: its pods are not started again" still no-bucket
check "wrong keys: its pods are not started again" still bad-keys
check "no bucket: make it" s3 -X PUT "$S3_ENDPOINT/no-such-bucket"
check "no bucket: restart" kubectl annotate flinkjob no-bucket sluice.dev/restart=1
check "no bucket: runs" field default/no-bucket .status.phase 'Running|Finished'
kubectl delete flinkjobs --all --wait=false

check "examples" examples

echo "Downtimes, as the status has them:"
sed 's/^/  /' "$work/downtimes"
echo "$passed passed, $failed failed in $SECONDS s"
[[ $failed == 0 ]]
