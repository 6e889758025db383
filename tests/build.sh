#!/usr/bin/env bash
# Builds programs: `build.sh` all of them, `build.sh sluice` one. Features are those of the whole workspace, so that what
# is built later (other programs, tests) finds the packages as it needs them. RocksDB's C++ is built first.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
programs=(--bins)
(($# == 0)) || programs=("${@/#/--bin=}")

# Minutes of one core, as measured from cold.
rocksdb=34
rust=46
if ! compgen -G "$CARGO_TARGET_DIR/release/build/librocksdb-sys-*/out/librocksdb.a" >/dev/null; then
    cores=$(getconf _NPROCESSORS_ONLN)
    echo "build: for the first time: RocksDB (C++), then the Rust packages; on $cores cores this takes about" \
        "$(((rocksdb + rust) / cores + 1)) minutes; later builds take seconds to a few minutes"
    echo "build: RocksDB, about $((rocksdb / cores + 1)) minutes"
    cargo build --release -p librocksdb-sys
    echo "build: Rust, about $((rust / cores + 1)) minutes"
fi
cargo build --release --workspace "${programs[@]}"
