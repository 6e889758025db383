#!/usr/bin/env bash
# Random queries over random tables, compared with DuckDB: `fuzz.sh N [SEED]`. Needs Python 3 with venv and pip, and the
# binary that `make build` made (or SLUICE). DuckDB is installed into the cache folder. Prints `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:?usage: fuzz.sh N [SEED]}
sluice=${SLUICE:-${CARGO_TARGET_DIR:-$PWD/target}/release/sluice}
version=$(cat tests/fuzz/duckdb.version)
venv=${SLUICE_CACHE:-$HOME/.cache/sluice}/fuzz-duckdb-$version

skip() {
    echo "fuzz: skipped: $1"
    exit 0
}
if [[ ! -x $venv/bin/python || ! -e $venv/installed ]]; then
    command -v python3 >/dev/null || skip "python3 is missing"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv" >/dev/null 2>&1 || skip "python3 has no venv or no pip"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "duckdb==$version" || skip "DuckDB could not be installed"
    touch "$venv/installed"
fi
[[ -x $sluice ]] || { echo "fuzz: $sluice is missing: build it with 'make build'" >&2; exit 1; }
exec "$venv/bin/python" tests/fuzz/main.py "$sluice" "$count" "${@:2}"
