//! Jobs over generated Nexmark events: the same events in every run.

use std::path::Path;

/// The tables over `events` generated events, read at `rows_per_second`; 0 reads as fast as it goes.
pub fn tables(events: u64, rows_per_second: u64) -> String {
    let pace =
        if rows_per_second == 0 { String::new() } else { format!(", 'scan.rows-per-second' = '{rows_per_second}'") };
    format!(
        "CREATE TABLE nexmark (
            event_type INT,
            bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
                    dateTime TIMESTAMP(3), extra VARCHAR>,
            dateTime AS bid.dateTime,
            WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
        ) WITH ('connector' = 'nexmark', 'events.num' = '{events}', 'next-event.rate' = '1000', 'seed' = '1'{pace});
        CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, dateTime FROM nexmark WHERE event_type = 2;
"
    )
}

/// Bids and prices of each auction in windows of a second, written as JSON files to `out`.
pub fn windowed_job(out: &Path, events: u64, rows_per_second: u64) -> String {
    format!(
        "{}
        CREATE TABLE result (window_start TIMESTAMP(3), auction BIGINT, bids BIGINT, highest BIGINT, bidders BIGINT)
            WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
        INSERT INTO result
        SELECT window_start, auction, COUNT(*), MAX(price), COUNT(DISTINCT bidder)
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
        GROUP BY window_start, window_end, auction;\n",
        tables(events, rows_per_second),
        out.display()
    )
}
