//! Jobs over generated Nexmark events: the same events in every run.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{
    binary,
    changelog::{self, Table},
};

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

/// The table of [`windowed_job`]'s results: JSON files in `out`, a path or URI.
pub fn result_table(out: &str) -> String {
    format!(
        "CREATE TABLE result (window_start TIMESTAMP(3), auction BIGINT, bids BIGINT, highest BIGINT, bidders BIGINT)
            WITH ('connector' = 'filesystem', 'path' = '{out}', 'format' = 'json');"
    )
}

/// Bids and prices of each auction in windows of a second, written to [`result_table`].
pub fn windowed_job(out: &str, events: u64, rows_per_second: u64) -> String {
    format!(
        "{}
        {}
        INSERT INTO result
        SELECT window_start, auction, COUNT(*), MAX(price), COUNT(DISTINCT bidder)
        FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND))
        GROUP BY window_start, window_end, auction;\n",
        tables(events, rows_per_second),
        result_table(out)
    )
}

/// The rows of [`result_table`], read with these options (`KEY=VALUE`); `folder` is for the script.
///
/// # Errors
/// If they cannot be read.
pub fn read_result(folder: &Path, out: &str, options: &[String]) -> Result<Table> {
    let script = folder.join("read.sql");
    std::fs::write(&script, format!("{} SELECT * FROM result;", result_table(out)))?;
    let mut command = binary::command(&["run", "--output", "jsonl"])?;
    for option in options {
        command.args(["--set", option]);
    }
    let output = command.arg(&script).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let columns = ["window_start", "auction", "bids", "highest", "bidders"].map(str::to_owned);
    changelog::materialize(&String::from_utf8(output.stdout)?, &columns)
}
