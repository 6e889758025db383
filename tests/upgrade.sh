#!/usr/bin/env bash
# An upgrade on a real Kubernetes: jobs that an older build runs go on with this one by a change of image, which keeps
# their state, row for row, or refuses it by name. `upgrade.sh REVISION` builds that revision; `upgrade.sh FOLDER` takes
# the `sluice` in it. Needs what kubernetes.sh needs, and this build's binaries. Prints `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
old=${1:?usage: upgrade.sh REVISION|FOLDER}
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
work=$(mktemp -d)

status=0
tests/testbed/up.sh node || status=$?
if [[ $status == 77 ]]; then
    echo "upgrade: skipped"
    exit 0
fi
[[ $status == 0 ]] || exit "$status"
. "${SLUICE_TESTBED_DIR:-/tmp/sluice-testbed}/env"
. tests/kubernetes/lib.sh
. tests/kubernetes/jobs.sh
. tests/kubernetes/upgrades.sh

finish() {
    local code=$?
    if [[ $failed != 0 || $code != 0 ]]; then
        kubectl get flinkjobs,pods -A -o wide || true
        kubectl get events --sort-by=.lastTimestamp | tail -30 || true
    fi
    tests/testbed/down.sh >/dev/null 2>&1 || true
    rm -rf "$work"
    git worktree prune
}
trap finish EXIT

if [[ ! -d $old ]]; then
    git worktree add --force --detach "$work/source" "$old" >/dev/null
    (cd "$work/source" && CARGO_TARGET_DIR=${SLUICE_CACHE:-$HOME/.cache/sluice}/upgrade cargo build --release --bin sluice)
    old=${SLUICE_CACHE:-$HOME/.cache/sluice}/upgrade/release
fi
for version in old new; do
    mkdir -p "$work/$version/out"
    cp "$([[ $version == old ]] && echo "$old" || echo "$bin")/sluice" "$bin/sluice-operator" "$work/$version/out/"
    strip "$work/$version/out/"*
done
tests/testbed/load-image.sh sluice old worker "$work/old"
tests/testbed/load-image.sh sluice 0.1.0 worker "$work/new"
tests/testbed/load-image.sh sluice-operator 0.1.0 operator "$work/new"
kubectl create secret generic s3 --from-literal=AWS_ACCESS_KEY_ID="$S3_ACCESS_KEY" --from-literal=AWS_SECRET_ACCESS_KEY="$S3_SECRET_KEY"
check "helm install" helm install sluice charts/sluice -n sluice-system --create-namespace --wait --timeout 90s --set image.tag=0.1.0

check "the events" upgraded_input
for job in $upgraded; do
    check "$job: what it writes, run undisturbed by this build" undisturbed_run "$job"
    check "$job: apply, with the old image" kubectl apply -f - < <(old_job "$job")
done
for job in $upgraded; do
    check "$job: runs" ready "default/$job"
    check "$job: a checkpoint" field "default/$job" .status.checkpoint.lastId '[1-9][0-9]*'
    check "$job: rows" within 60 some_rows "$job"
    check "$job: the new image" image "$job" sluice:0.1.0
done
for job in $upgraded; do
    check "$job: its state is kept, or refused by name" kept_or_refused "$job"
    cat "$work/log"
    check "$job: finished" field "default/$job" .status.phase Finished 180
    check "$job: every row once" equal_rows "$job"
done
echo "$passed passed, $failed failed in $SECONDS s"
[[ $failed == 0 ]]
