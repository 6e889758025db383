#!/usr/bin/env bash
# Takes down parts of the test bed however they ended, all of them unless named: down.sh [s3|apiserver|node]... Logs stay.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$TESTBED/s3.sh"
. "$TESTBED/control-plane.sh"
. "$TESTBED/node.sh"

down_s3() { stop s3; }
down_apiserver() { down_control_plane; }

mkdir -p "$DIR"
exec 9>"$DIR/lock"
flock 9
parts=("$@")
[[ $# == 0 ]] && parts=(node apiserver s3)
for part in "${parts[@]}"; do
    [[ $part == @(s3|apiserver|node) ]] || {
        echo "usage: down.sh [s3|apiserver|node]..." >&2
        exit 2
    }
    [[ -d $DIR/$part ]] || { [[ $part == node ]] && owns_node; } || continue
    enter_part "$part"
    "down_$part"
    clear_part
    write_common_env
done
