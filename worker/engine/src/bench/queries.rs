//! The Nexmark queries that are measured, and what other engines reach on two cores of the same kind.

/// A query with its sink.
pub(super) struct Query {
    pub(super) name: &'static str,
    /// The sink's columns.
    pub(super) sink: &'static str,
    pub(super) select: &'static str,
    /// Events a second of Apache Flink 2.3 (3 M events, parallelism 2, RocksDB, mini-batch).
    pub(super) flink: u64,
}

/// The queries in order of their numbers.
pub(super) const QUERIES: &[Query] = &[
    Query {
        name: "q0",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra VARCHAR",
        select: "SELECT auction, bidder, price, dateTime, extra FROM bid",
        flink: 296_000,
    },
    Query {
        name: "q1",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), dateTime TIMESTAMP(3), extra VARCHAR",
        select: "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid",
        flink: 336_000,
    },
    Query {
        name: "q2",
        sink: "auction BIGINT, price BIGINT",
        select: "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
        flink: 341_000,
    },
    Query {
        name: "q3",
        sink: "name VARCHAR, city VARCHAR, state VARCHAR, id BIGINT",
        select: "SELECT P.name, P.city, P.state, A.id FROM auction AS A INNER JOIN person AS P ON A.seller = P.id \
                 WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
        flink: 207_000,
    },
    Query {
        name: "q17",
        sink: "auction BIGINT, `day` VARCHAR, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, \
               rank3_bids BIGINT, min_price BIGINT, max_price BIGINT, avg_price BIGINT, sum_price BIGINT",
        select: "SELECT auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd') AS `day`, count(*) AS total_bids, \
                 count(*) FILTER (WHERE price < 10000) AS rank1_bids, \
                 count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids, \
                 count(*) FILTER (WHERE price >= 1000000) AS rank3_bids, \
                 min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price \
                 FROM bid GROUP BY auction, DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
        flink: 182_000,
    },
];
