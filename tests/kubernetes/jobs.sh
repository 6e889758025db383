# The job under test in the forms it takes, the model of its result, and jobs that are wrong. Sourced.
# shellcheck shell=bash disable=SC2001,SC2154

events_number=${EVENTS:-1500000}
rate=${RATE:-6000}

# The result's columns at first, and after the change that adds one.
columns="window_start TIMESTAMP(3), auction BIGINT, bids BIGINT, revenue BIGINT"
columns_more="$columns, average BIGINT"
sums="COUNT(*), SUM(price)"
sums_more="$sums, SUM(price) / COUNT(*)"

result_table() { echo "CREATE TABLE revenue ($2) WITH ('connector' = 'filesystem', 'path' = '$1', 'format' = 'json');"; }

# job_sql PATH OPTIONS FORM: where the result goes, options of the source, and the text: `first`, `renamed`, which
# means the same, or `more`, with one more column. The filter differs, so the hint says whose state the windows keep.
job_sql() {
    local view=bids filter="event_type = 2" into=$columns select=$sums
    [[ $3 == first ]] || view=offers filter="event_type >= 2"
    [[ $3 == more ]] && into=$columns_more select=$sums_more
    cat <<END
CREATE TABLE nexmark (
  event_type INT,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime TIMESTAMP(3), extra STRING>,
  dateTime AS bid.dateTime,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
) WITH ('connector' = 'nexmark', 'events.num' = '$events_number', 'first-event.rate' = '1000', 'seed' = '3'$2);
$(result_table "$1" "$into")
CREATE VIEW $view AS SELECT bid.auction, bid.price, dateTime FROM nexmark WHERE $filter;
INSERT INTO revenue
SELECT /*+ STATE_ID('revenue') */ window_start, auction, $select
FROM TABLE(TUMBLE(TABLE $view, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, auction;
END
}

out() { echo "s3://$S3_BUCKET/orders/out"; }

# manifest NAME SQL BUCKET SECRET [MORE]: two TaskManagers with two slots each. MORE are lines of the spec.
manifest() {
    cat <<END
apiVersion: sluice.dev/v1alpha1
kind: FlinkJob
metadata: {name: $1}
spec:
  image: sluice:0.1.0
  job:
    sql:
      inline: |
$(sed 's/^/        /' <<<"$2")
  maxParallelism: 128
  taskManager: {replicas: 2, slots: 2, resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 512Mi}}}
  jobManager: {resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 256Mi}}}
  checkpoint: {uri: "s3://$3/$1/checkpoints", interval: 2s, endpoint: "$S3_ENDPOINT", region: "$S3_REGION", pathStyle: true, credentials: {secretRef: {name: $4}}}
  savepoint: {uri: "s3://$3/$1/savepoints"}
${5:-}
END
}

# orders FORM [MORE]: the job; the last form reads what is left as fast as it can.
orders() {
    local pace=", 'scan.rows-per-second' = '$rate'"
    [[ $1 == last ]] && pace=""
    manifest orders "$(job_sql "$(out)" "$pace" "${1/last/more}")" "$S3_BUCKET" s3 "  deletion: {savepoint: BestEffort, timeout: 30s}
${2:-}"
}

sluice() {
    AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY "$bin/sluice" run --output jsonl \
        --set "s3.endpoint=$S3_ENDPOINT" --set "s3.region=$S3_REGION" --set s3.path.style.access=true "$@"
}

# rows PATH COLUMNS: the result below a path, sorted.
rows() {
    { result_table "$1" "$2" && echo "SELECT * FROM revenue;"; } >"$work/read.sql"
    sluice "$work/read.sql" | sort
}

# The same job in one process, undisturbed.
model() {
    job_sql "$work/model" "" more >"$work/model.sql"
    sluice "$work/model.sql" && rows "$work/model" "$columns" >"$work/expected" &&
        rows "$work/model" "$columns_more" >"$work/expected-more" && [[ -s $work/expected ]]
}

# What is there by now is part of the model's rows, each at most once.
exact_so_far() {
    rows "$(out)" "$columns" >"$work/actual"
    wc -l "$work/actual" && [[ -s $work/actual ]] && [[ -z $(comm -23 "$work/actual" "$work/expected" | head -3 | tee /dev/stderr) ]]
}

# All is there, and the rows since the change have the new column.
exact() {
    rows "$(out)" "$columns" >"$work/actual"
    wc -l "$work/expected" "$work/actual"
    comm -3 "$work/expected" "$work/actual" | awk 'NR <= 6; END { print NR " rows are not in both, those of the model at the left" }'
    cmp "$work/expected" "$work/actual" || return 1
    rows "$(out)" "$columns_more" | grep -v '"average":null' >"$work/actual-more"
    wc -l "$work/actual-more"
    [[ -s $work/actual-more ]] && (($(wc -l <"$work/actual-more") < $(wc -l <"$work/actual"))) &&
        [[ -z $(comm -23 "$work/actual-more" "$work/expected-more" | head -3 | tee /dev/stderr) ]]
}

# Jobs that cannot work, each for a reason of its own.
wrong_jobs() {
    local sql
    sql=$(job_sql "$(out)-wrong" "" first)
    manifest bad-sql "${sql/SUM(price)/SUM(prise)}" "$S3_BUCKET" s3
    echo ---
    manifest no-bucket "$sql" no-such-bucket s3
    echo ---
    manifest bad-keys "$sql" "$S3_BUCKET" s3-wrong
    echo ---
    manifest no-keys "$sql" "$S3_BUCKET" s3-missing
}

# told JOB WORDS: what is wrong is where users look.
told() {
    field "default/$1" '.status.conditions[?(@.type=="Stalled")].status' True 60 || return 1
    kubectl describe flinkjob "$1" >"$work/described"
    grep -E 'Message:|Warning' "$work/described"
    grep -Eq "Message: .*$2" "$work/described" && grep -Eq "Warning .*$2" "$work/described"
}

# still JOB: the pods that were there at first, none started again.
still() {
    local selector="sluice.dev/job=$1"
    kubectl get pods -l "$selector"
    [[ $(kubectl get pods -l "$selector" -o name | sort) == "$(cat "$work/pods-$1")" ]] &&
        [[ $(kubectl get pods -l "$selector" -o 'jsonpath={.items[*].status.containerStatuses[*].restartCount}') =~ ^[\ 0]*$ ]]
}
