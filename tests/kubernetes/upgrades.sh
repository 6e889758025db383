# Jobs that are upgraded from one build to another: a name, a backend, a query each, written to files that all builds
# write. Sourced.
# shellcheck shell=bash disable=SC2154

upgraded="windows sessions joined semi first distinct"

upgraded_events=${EVENTS:-400000}

# query JOB: its columns, a line, and its query. Updating queries are counted in windows, so that their rows are appended.
query() {
    case $1 in
    windows) echo "start TIMESTAMP(3), auction BIGINT, bids BIGINT, highest BIGINT
SELECT window_start, auction, COUNT(*), MAX(price) FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND,
    INTERVAL '10' SECOND)) GROUP BY window_start, window_end, auction" ;;
    sessions) echo "bidder BIGINT, bids BIGINT, start TIMESTAMP(3)
SELECT bidder, COUNT(*), SESSION_START(dateTime, INTERVAL '5' SECOND) FROM bid
    GROUP BY bidder, SESSION(dateTime, INTERVAL '5' SECOND)" ;;
    joined) echo "auction BIGINT, bidder BIGINT, price BIGINT, category BIGINT
SELECT b.auction, b.bidder, b.price, a.category FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10" ;;
    semi) echo "auction BIGINT, bidder BIGINT, price BIGINT
SELECT auction, bidder, price FROM bid WHERE auction IN (SELECT id FROM auction WHERE category = 11)" ;;
    first) echo "auction BIGINT, first TIMESTAMP(3)
SELECT auction, dateTime FROM (SELECT auction, dateTime, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY dateTime) AS n
    FROM bid) WHERE n = 1" ;;
    distinct) echo "start TIMESTAMP(3), bidders BIGINT, auctions BIGINT
SELECT window_start, COUNT(DISTINCT bidder), COUNT(DISTINCT auction) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime),
    INTERVAL '10' SECOND)) GROUP BY window_start, window_end" ;;
    esac
}

upgraded_table() { echo "CREATE TABLE result ($(query "$2" | head -1)) WITH ('connector' = 'filesystem', 'path' = '$1', 'format' = 'json');"; }
upgraded_out() { echo "s3://$S3_BUCKET/$1/out"; }

# All builds read the same events from a file: what the generator makes of its seed is not promised from build to build.
upgraded_source="s3://$S3_BUCKET/upgraded"
upgraded_columns="event_type INT, auction ROW<id BIGINT, category BIGINT, dateTime TIMESTAMP(3)>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3)>"
upgraded_input() {
    cat >"$work/input.sql" <<END
CREATE TABLE nexmark ($upgraded_columns) WITH ('connector' = 'nexmark', 'events.num' = '$upgraded_events', 'first-event.rate' = '1000', 'seed' = '5');
CREATE TABLE events ($upgraded_columns) WITH ('connector' = 'filesystem', 'path' = '$upgraded_source', 'format' = 'json');
INSERT INTO events SELECT * FROM nexmark WHERE event_type > 0;
END
    sluice "$work/input.sql"
}

# upgraded_sql PATH JOB OPTIONS
upgraded_sql() {
    cat <<END
CREATE TABLE events (
  $upgraded_columns,
  dateTime AS CASE WHEN event_type = 1 THEN auction.dateTime ELSE bid.dateTime END,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$upgraded_source', 'format' = 'json'$3);
$(upgraded_table "$1" "$2")
CREATE VIEW auction AS SELECT auction.id, auction.category, dateTime FROM events WHERE event_type = 1;
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, dateTime FROM events WHERE event_type = 2;
INSERT INTO result
$(query "$2" | tail -n +2);
END
}

# Half of the jobs on each backend.
old_job() {
    local backend=hashmap
    case $1 in joined | first | distinct) backend=rocksdb ;; esac
    manifest "$1" "$(upgraded_sql "$(upgraded_out "$1")" "$1" ", 'scan.rows-per-second' = '8000'")" "$S3_BUCKET" s3 "  config: {state.backend.type: $backend}" |
        sed 's/image: sluice:0.1.0/image: sluice:old/; s/replicas: 2, slots: 2/replicas: 1, slots: 2/'
}

upgraded_rows() {
    { upgraded_table "$1" "$2" && echo "SELECT * FROM result;"; } >"$work/read-$2.sql"
    sluice "$work/read-$2.sql" | sort
}

undisturbed_run() {
    upgraded_sql "$work/model-$1" "$1" "" >"$work/model-$1.sql"
    sluice "$work/model-$1.sql" && upgraded_rows "$work/model-$1" "$1" >"$work/expected-$1" && [[ -s $work/expected-$1 ]]
}

some_rows() { [[ -n $(upgraded_rows "$(upgraded_out "$1")" "$1" 2>/dev/null | head -1) ]]; }
image() { kubectl patch flinkjob "$1" --type=merge -p "{\"spec\":{\"image\":\"$2\"}}"; }

# Either it runs with the state of the savepoint that the upgrade took, or it says which operator's state it cannot take;
# then the old image goes on.
kept_or_refused() {
    local end=$((SECONDS + 90)) stalled
    while ((SECONDS < end)); do
        stalled=$(get "default/$1" '.status.conditions[?(@.type=="Stalled")].message')
        if [[ -n $stalled ]]; then
            echo "$1: refused: $stalled"
            [[ $stalled =~ (operator|state|table) ]] || return 1
            image "$1" sluice:old && return
        elif [[ $(get "default/$1" .status.observedGeneration) == 2 && $(get "default/$1" .status.phase) =~ ^(Running|Finished)$ &&
            -n $(get "default/$1" .status.job.restorePath) && -z $(get "default/$1" .status.upgrade) ]]; then
            echo "$1: kept, from $(get "default/$1" .status.job.restorePath)"
            return
        fi
        sleep 0.3
    done
    kubectl get flinkjob "$1" -o yaml | tail -60
    return 1
}

equal_rows() {
    upgraded_rows "$(upgraded_out "$1")" "$1" >"$work/actual-$1"
    wc -l "$work/expected-$1" "$work/actual-$1"
    cmp "$work/expected-$1" "$work/actual-$1"
}
