# The S3 server: versitygw over a folder, on loopback or on the node. Sourced.
# shellcheck shell=bash

S3_ACCESS_KEY_HERE=sluice
S3_SECRET_KEY_HERE=sluice-secret

# s3_request ARGUMENTS OF curl...: signed; prints the HTTP status. Reads S3_ENDPOINT and the keys.
s3_request() {
    curl -sS --noproxy '*' -o /dev/null -w '%{http_code}\n' --max-time 10 \
        --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$S3_ACCESS_KEY:$S3_SECRET_KEY" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
}

# Anything it says will do: without a signature that is a refusal.
s3_answers() { curl -s --noproxy '*' -o /dev/null --max-time 2 "$S3_ENDPOINT/"; }

# up_s3 ADDRESS PORT [PREFIX OF THE COMMAND...]: in the part entered last.
up_s3() {
    local address=$1 port=$2
    shift 2
    if running s3; then
        return
    fi
    mkdir -p "$PART/buckets"
    if ! setfattr -n user.sluice -v 1 "$PART/buckets" 2>/dev/null; then
        skip "no extended attributes in $PART, which versitygw needs (set SLUICE_TESTBED_DIR to a folder that has them)"
    fi
    export S3_ENDPOINT=http://$address:$port S3_REGION=us-east-1 S3_BUCKET=sluice
    export S3_ACCESS_KEY=$S3_ACCESS_KEY_HERE S3_SECRET_KEY=$S3_SECRET_KEY_HERE
    start s3 env ROOT_ACCESS_KEY=$S3_ACCESS_KEY ROOT_SECRET_KEY=$S3_SECRET_KEY \
        "$@" "$VERSITYGW_BIN/versitygw" --quiet --keep-alive --port "$address:$port" posix "$PART/buckets"
    started s3 20 s3_answers
    [[ $(s3_request -X PUT "$S3_ENDPOINT/$S3_BUCKET") == @(200|409) ]] || { log "no bucket $S3_BUCKET" && return 1; }
    (own "$S3_ENDPOINT" && s3_env) >"$PART/env.s3"
}

s3_env() {
    local name
    for name in S3_ENDPOINT S3_REGION S3_BUCKET S3_ACCESS_KEY S3_SECRET_KEY; do
        printf 'export %s=%q\n' "$name" "${!name}"
    done
}
