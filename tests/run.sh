#!/usr/bin/env bash
# All tests, ring by ring: guards, units and in-process rings, the API server, the real node. `run.sh e2e` leaves out the
# guards and the units.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}

tests/build.sh
if [[ ${1:-all} != e2e ]]; then
    tests/guards.sh
    # Parts that a test bed can give; what it cannot give is skipped by the tests themselves.
    status=0
    tests/testbed/up.sh s3 apiserver || status=$?
    trap 'tests/testbed/down.sh >/dev/null 2>&1 || true' EXIT
    if [[ $status == 0 ]]; then
        . "${SLUICE_TESTBED_DIR:-/tmp/sluice-testbed}/env"
        export SLUICE_TEST_APISERVER_KUBECONFIG=$KUBECONFIG
    elif [[ $status != 77 ]]; then
        exit "$status"
    fi
    cargo test --release --workspace
    # The same queries each time, so that a change is judged by itself; FUZZ_SEED= asks for new ones.
    tests/fuzz.sh 300 ${FUZZ_SEED-777000}
    tests/testbed/down.sh >/dev/null 2>&1 || true
    unset KUBECONFIG SLUICE_TEST_APISERVER_KUBECONFIG S3_ENDPOINT S3_REGION S3_BUCKET S3_ACCESS_KEY S3_SECRET_KEY
fi
tests/kubernetes.sh
