#!/usr/bin/env bash
# Installs what the build needs beside Rust, a C compiler and the C++ library: clang, for RocksDB, and libclang, for its
# bindings.
set -euo pipefail

# libclang-cpp, which other packages bring, is another library.
has_libclang() {
    [[ -n "${LIBCLANG_PATH:-}" ]] && return 0
    local folder
    for folder in /usr/lib/llvm*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/local/lib; do
        compgen -G "$folder/libclang.so*" >/dev/null && return 0
        compgen -G "$folder/libclang-[0-9]*.so*" >/dev/null && return 0
    done
    [[ -d /Library/Developer/CommandLineTools ]]
}

command -v cargo >/dev/null || { echo "setup: Rust is missing: install it with rustup, then try again" >&2; exit 1; }
command -v "${CXX:-clang++}" >/dev/null && has_libclang && exit 0
command -v apt-get >/dev/null || { echo "setup: install your system's packages of clang and libclang" >&2; exit 1; }
as_root=()
if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || { echo "setup: run 'apt-get install clang libclang-dev' as root" >&2; exit 1; }
    as_root=(sudo)
fi
echo "setup: installing clang and libclang"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends clang libclang-dev >/dev/null
