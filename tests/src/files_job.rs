//! A job from files to files: windows, a join and a group aggregate over events that are read from four folders.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{binary, changelog::Table, folder::lines};

/// The same events every time, a row a line; the folder's name is a column.
const EVENTS: &str =
    "kind INT, auction BIGINT, bidder BIGINT, price BIGINT, category BIGINT, ts TIMESTAMP(3), part BIGINT";

/// Writes the auctions and bids of `events` Nexmark events below `folder`: a file in each of four folders.
///
/// # Errors
/// If they cannot be written.
pub fn write_events(folder: &Path, events: u64) -> Result<()> {
    let script = folder.join("events.sql");
    let path = folder.join("events");
    std::fs::write(
        &script,
        format!(
            "CREATE TABLE nexmark (
                event_type INT,
                auction ROW<id BIGINT, category BIGINT, dateTime TIMESTAMP(3)>,
                bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3)>
            ) WITH ('connector' = 'nexmark', 'events.num' = '{events}', 'next-event.rate' = '1000', 'seed' = '1');
            CREATE TABLE events ({EVENTS}) PARTITIONED BY (part)
            WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
            INSERT INTO events SELECT *, MOD(COALESCE(price, auction), 4) FROM (
                SELECT event_type, CASE WHEN event_type = 1 THEN auction.id ELSE bid.auction END AS auction, bid.bidder,
                    bid.price AS price, auction.category,
                    CASE WHEN event_type = 1 THEN auction.dateTime ELSE bid.dateTime END
                FROM nexmark WHERE event_type > 0);",
            path.display()
        ),
    )?;
    binary::run(&["run", &script.display().to_string()])?;
    for entry in std::fs::read_dir(&path)? {
        let part = entry?.path();
        for file in part.is_dir().then(|| std::fs::read_dir(&part)).transpose()?.into_iter().flatten() {
            // What was staged has folders of its own.
            let file = file?.path();
            if file.is_file() {
                spoil(&file)?;
            }
        }
    }
    Ok(())
}

/// Puts lines that are no records between those of a file.
fn spoil(file: &Path) -> Result<()> {
    let mut spoiled = String::new();
    for (number, line) in std::fs::read_to_string(file)?.lines().enumerate() {
        spoiled.push_str(line);
        spoiled.push('\n');
        if number % 100 == 99 {
            spoiled.push_str(&format!("no record {number}\n"));
        }
    }
    Ok(std::fs::write(file, spoiled)?)
}

/// Reads the events at `rows_per_second` (0: as fast as it goes) and writes to `windows`, `totals` and, what cannot be
/// read, to `rejected` below `out`.
pub fn script(folder: &Path, out: &Path, rows_per_second: u64) -> String {
    let pace =
        if rows_per_second == 0 { String::new() } else { format!(", 'scan.rows-per-second' = '{rows_per_second}'") };
    let (events, out) = (folder.join("events").display().to_string(), out.display());
    format!(
        "CREATE TABLE events ({EVENTS}, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) PARTITIONED BY (part)
        WITH ('connector' = 'filesystem', 'path' = '{events}', 'format' = 'json'{pace});
        CREATE VIEW matched AS
        SELECT w.window_start, w.auction, w.bids, w.highest, w.bidders, a.category
        FROM (
            SELECT window_start, window_end, auction, COUNT(*) AS bids, MAX(price) AS highest,
                COUNT(DISTINCT bidder) AS bidders
            FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
            WHERE kind = 2 GROUP BY window_start, window_end, auction
        ) w JOIN (SELECT auction, category FROM events WHERE kind = 1) a ON w.auction = a.auction;
        CREATE TABLE windows (window_start TIMESTAMP(3), auction BIGINT, bids BIGINT, highest BIGINT, bidders BIGINT,
            category BIGINT)
        WITH ('connector' = 'filesystem', 'path' = '{out}/windows', 'format' = 'json');
        CREATE TABLE totals (category BIGINT, auctions BIGINT, bids BIGINT, highest BIGINT)
        WITH ('connector' = 'filesystem', 'path' = '{out}/totals', 'format' = 'debezium-json');
        CREATE TABLE rejected (place STRING, record STRING)
        WITH ('connector' = 'filesystem', 'path' = '{out}/rejected', 'format' = 'json');
        SET 'pipeline.dead-letter-table' = 'rejected';
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO windows SELECT * FROM matched;
        INSERT INTO totals SELECT category, COUNT(DISTINCT auction), SUM(bids), MAX(highest) FROM matched
            GROUP BY category;
        END;\n"
    )
}

/// The committed rows of the tables; the changes of the totals are summed up.
///
/// # Errors
/// If a file cannot be read, or holds no change.
pub fn rows(out: &Path) -> Result<Table> {
    let mut table = BTreeMap::new();
    for name in ["windows", "rejected"] {
        let lines = lines(&out.join(name))?;
        ensure!(!lines.is_empty(), "no {name} were written");
        for line in lines {
            *table.entry(line).or_default() += 1;
        }
    }
    for line in lines(&out.join("totals"))? {
        let change: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let (row, count) = match change["op"].as_str() {
            Some("c") => (&change["after"], 1),
            _ => (&change["before"], -1),
        };
        ensure!(row.is_object(), "no change: {line}");
        *table.entry(row.to_string()).or_default() += count;
    }
    table.retain(|_, count| *count != 0);
    Ok(table)
}

/// The bids of each window and auction that were committed.
///
/// # Errors
/// If a file cannot be read.
pub fn bids(out: &Path) -> Result<BTreeMap<(String, i64), i64>> {
    let mut windows = BTreeMap::new();
    for line in lines(&out.join("windows"))? {
        let row: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let (Some(start), Some(auction)) = (row["window_start"].as_str(), row["auction"].as_i64()) else { continue };
        *windows.entry((start.to_owned(), auction)).or_default() += row["bids"].as_i64().unwrap_or_default();
    }
    ensure!(!windows.is_empty(), "no windows were written");
    Ok(windows)
}
