#!/usr/bin/env bash
# What holds for all code without running it: its format, the compiler's and clippy's warnings, its documentation, and
# the packages that it declares. All are checked, then it fails if one of them did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
failed=()

guard() {
    local name=$1 start=$SECONDS
    shift
    echo "guard: $name"
    "$@" || failed+=("$name")
    echo "guard: $name took $((SECONDS - start)) s"
}

guard format cargo fmt --all --check
guard warnings cargo clippy --release --workspace --all-targets -- -D warnings
guard documentation env RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --release --workspace --no-deps
guard packages cargo test --release --workspace --test dependencies --test packages
if ((${#failed[@]})); then
    echo "guards: failed: ${failed[*]}" >&2
    exit 1
fi
echo "guards: passed"
