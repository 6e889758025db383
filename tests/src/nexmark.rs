//! Nexmark: 20,000 events, and the rows Apache Flink 2.3 computes from them.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::Result;
use flate2::read::GzDecoder;

use crate::changelog::Table;

/// The queries, as Nexmark defines them.
pub const QUERIES: &[(&str, &str)] = &[
    ("q0", "SELECT auction, bidder, price, dateTime, extra FROM bid"),
    ("q1", "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid"),
    ("q2", "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0"),
    (
        "q3",
        "SELECT P.name, P.city, P.state, A.id FROM auction AS A INNER JOIN person AS P on A.seller = P.id \
         WHERE A.category = 10 and (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
    ),
    (
        "q17",
        "SELECT auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, count(*) AS total_bids, \
         count(*) filter (where price < 10000) AS rank1_bids, \
         count(*) filter (where price >= 10000 and price < 1000000) AS rank2_bids, \
         count(*) filter (where price >= 1000000) AS rank3_bids, min(price) AS min_price, max(price) AS max_price, \
         avg(price) AS avg_price, sum(price) AS sum_price \
         FROM bid GROUP BY auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
    ),
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/nexmark").join(name)
}

/// Unpacks the events into a folder and gives the file.
///
/// # Errors
/// If the data is missing or the folder cannot be written.
pub fn events(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("events.jsonl");
    let mut reader = GzDecoder::new(BufReader::new(File::open(data("events.jsonl.gz"))?));
    std::io::copy(&mut reader, &mut File::create(&path)?)?;
    Ok(path)
}

/// The wide table over a file of events, and the three views.
pub fn tables(events: &Path, options: &str) -> String {
    let path = events.display();
    format!(
        "CREATE TABLE nexmark (
            event_type INT,
            person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR,
                       dateTime TIMESTAMP(3), extra VARCHAR>,
            auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT,
                        dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR>,
            bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
                    dateTime TIMESTAMP(3), extra VARCHAR>,
            dateTime AS CASE WHEN event_type = 0 THEN person.dateTime
                             WHEN event_type = 1 THEN auction.dateTime
                             ELSE bid.dateTime END,
            WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND
        ) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json',
                'json.timestamp-format.standard' = 'ISO-8601'{options});
        CREATE VIEW person AS SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city,
            person.state, dateTime, person.extra FROM nexmark WHERE event_type = 0;
        CREATE VIEW auction AS SELECT auction.id, auction.itemName, auction.description, auction.initialBid,
            auction.reserve, dateTime, auction.expires, auction.seller, auction.category, auction.extra
            FROM nexmark WHERE event_type = 1;
        CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, dateTime, bid.extra
            FROM nexmark WHERE event_type = 2;
"
    )
}

/// Flink's column names and rows of a query.
///
/// # Errors
/// If the data is missing.
pub fn expected(query: &str) -> Result<(Vec<String>, Table)> {
    let plain = data(&format!("{query}.tsv"));
    let mut text = String::new();
    if plain.exists() {
        File::open(plain)?.read_to_string(&mut text)?;
    } else {
        GzDecoder::new(File::open(data(&format!("{query}.tsv.gz")))?).read_to_string(&mut text)?;
    }
    let mut lines = text.lines();
    let columns = lines.next().unwrap_or_default().split('\t').map(str::to_owned).collect();
    let mut table = Table::new();
    for line in lines {
        *table.entry(line.to_owned()).or_default() += 1;
    }
    Ok((columns, table))
}
