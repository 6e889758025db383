//! The Nexmark queries that are measured.

/// A query with its sink.
pub(super) struct Query {
    pub(super) name: &'static str,
    /// The sink's columns.
    pub(super) sink: &'static str,
    pub(super) select: &'static str,
}

/// The queries in order of their numbers.
pub(super) const QUERIES: &[Query] = &[
    Query {
        name: "q0",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra VARCHAR",
        select: "SELECT auction, bidder, price, dateTime, extra FROM bid",
    },
    Query {
        name: "q1",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), dateTime TIMESTAMP(3), extra VARCHAR",
        select: "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid",
    },
    Query {
        name: "q2",
        sink: "auction BIGINT, price BIGINT",
        select: "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
    },
    Query {
        name: "q3",
        sink: "name VARCHAR, city VARCHAR, state VARCHAR, id BIGINT",
        select: "SELECT P.name, P.city, P.state, A.id FROM auction AS A INNER JOIN person AS P ON A.seller = P.id \
                 WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
    },
    Query {
        name: "q4",
        sink: "category BIGINT, final BIGINT",
        select: "SELECT Q.category, AVG(Q.final) FROM ( SELECT MAX(B.price) AS final, A.category FROM auction A, \
                 bid B WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires GROUP BY A.id, \
                 A.category ) Q GROUP BY Q.category",
    },
    Query {
        name: "q5",
        sink: "auction BIGINT, num BIGINT",
        select: "SELECT AuctionBids.auction, AuctionBids.num FROM ( SELECT auction, count(*) AS num, window_start \
                 AS starttime, window_end AS endtime FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' \
                 SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end ) AS AuctionBids JOIN ( \
                 SELECT max(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime FROM ( SELECT count(*) \
                 AS num, window_start AS starttime, window_end AS endtime FROM TABLE(HOP(TABLE bid, \
                 DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, \
                 window_end ) AS CountBids GROUP BY CountBids.starttime, CountBids.endtime ) AS MaxBids ON \
                 AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime AND \
                 AuctionBids.num >= MaxBids.maxn",
    },
    Query {
        name: "q7",
        sink: "auction BIGINT, price BIGINT, bidder BIGINT, dateTime TIMESTAMP(3), extra VARCHAR",
        select: "SELECT B.auction, B.price, B.bidder, B.dateTime, B.extra from bid B JOIN ( SELECT MAX(price) AS \
                 maxprice, window_end as dateTime FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' \
                 SECOND)) GROUP BY window_start, window_end ) B1 ON B.price = B1.maxprice WHERE B.dateTime BETWEEN \
                 B1.dateTime - INTERVAL '10' SECOND AND B1.dateTime",
    },
    Query {
        name: "q8",
        sink: "id BIGINT, name VARCHAR, starttime TIMESTAMP(3)",
        select: "SELECT P.id, P.name, P.starttime FROM ( SELECT id, name, window_start AS starttime, window_end AS \
                 endtime FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) GROUP BY id, \
                 name, window_start, window_end ) P JOIN ( SELECT seller, window_start AS starttime, window_end AS \
                 endtime FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) GROUP BY \
                 seller, window_start, window_end ) A ON P.id = A.seller AND P.starttime = A.starttime AND \
                 P.endtime = A.endtime",
    },
    Query {
        name: "q9",
        sink: "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime \
               TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR, auction BIGINT, \
               bidder BIGINT, price BIGINT, bid_dateTime TIMESTAMP(3), bid_extra VARCHAR",
        select: "SELECT id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra, \
                 auction, bidder, price, bid_dateTime, bid_extra FROM ( SELECT A.*, B.auction, B.bidder, B.price, \
                 B.dateTime AS bid_dateTime, B.extra AS bid_extra, ROW_NUMBER() OVER (PARTITION BY A.id ORDER BY \
                 B.price DESC, B.dateTime ASC) AS rownum FROM auction A, bid B WHERE A.id = B.auction AND \
                 B.dateTime BETWEEN A.dateTime AND A.expires ) WHERE rownum <= 1",
    },
    Query {
        name: "q10",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra VARCHAR, dt VARCHAR, hm \
               VARCHAR",
        select: "SELECT auction, bidder, price, dateTime, extra, DATE_FORMAT(dateTime, 'yyyy-MM-dd'), \
                 DATE_FORMAT(dateTime, 'HH:mm') FROM bid",
    },
    Query {
        name: "q11",
        sink: "bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        select: "SELECT B.bidder, count(*) as bid_count, SESSION_START(B.dateTime, INTERVAL '10' SECOND) as starttime, \
                 SESSION_END(B.dateTime, INTERVAL '10' SECOND) as endtime FROM bid B GROUP BY B.bidder, \
                 SESSION(B.dateTime, INTERVAL '10' SECOND)",
    },
    Query {
        name: "q12",
        sink: "bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        select: "SELECT bidder, count(*) as bid_count, window_start AS starttime, window_end AS endtime \
                 FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() as p_time FROM bid), DESCRIPTOR(p_time), \
                 INTERVAL '10' SECOND)) GROUP BY bidder, window_start, window_end",
    },
    Query {
        name: "q14",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), bidTimeType VARCHAR, dateTime TIMESTAMP(3), \
               extra VARCHAR, c_counts BIGINT",
        select: "SELECT auction, bidder, 0.908 * price as price, CASE WHEN HOUR(dateTime) >= 8 AND HOUR(dateTime) <= 18 \
                 THEN 'dayTime' WHEN HOUR(dateTime) <= 6 OR HOUR(dateTime) >= 20 THEN 'nightTime' ELSE 'otherTime' END \
                 AS bidTimeType, dateTime, extra, count_char(extra, 'c') AS c_counts FROM bid \
                 WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
    },
    Query {
        name: "q15",
        sink: "`day` VARCHAR, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT, \
               total_bidders BIGINT, rank1_bidders BIGINT, rank2_bidders BIGINT, rank3_bidders BIGINT, \
               total_auctions BIGINT, rank1_auctions BIGINT, rank2_auctions BIGINT, rank3_auctions BIGINT",
        select: "SELECT DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, count(*) AS total_bids, count(*) filter \
                 (where price < 10000) AS rank1_bids, count(*) filter (where price >= 10000 and price < 1000000) AS \
                 rank2_bids, count(*) filter (where price >= 1000000) AS rank3_bids, count(distinct bidder) AS \
                 total_bidders, count(distinct bidder) filter (where price < 10000) AS rank1_bidders, \
                 count(distinct bidder) filter (where price >= 10000 and price < 1000000) AS rank2_bidders, \
                 count(distinct bidder) filter (where price >= 1000000) AS rank3_bidders, count(distinct auction) \
                 AS total_auctions, count(distinct auction) filter (where price < 10000) AS rank1_auctions, \
                 count(distinct auction) filter (where price >= 10000 and price < 1000000) AS rank2_auctions, \
                 count(distinct auction) filter (where price >= 1000000) AS rank3_auctions FROM bid GROUP BY \
                 DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
    },
    Query {
        name: "q16",
        sink: "channel VARCHAR, `day` VARCHAR, `minute` VARCHAR, total_bids BIGINT, rank1_bids BIGINT, rank2_bids \
               BIGINT, rank3_bids BIGINT, total_bidders BIGINT, rank1_bidders BIGINT, rank2_bidders BIGINT, \
               rank3_bidders BIGINT, total_auctions BIGINT, rank1_auctions BIGINT, rank2_auctions BIGINT, \
               rank3_auctions BIGINT",
        select: "SELECT channel, DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, max(DATE_FORMAT(dateTime, 'HH:mm')) \
                 as `minute`, count(*) AS total_bids, count(*) filter (where price < 10000) AS rank1_bids, count(*) \
                 filter (where price >= 10000 and price < 1000000) AS rank2_bids, count(*) filter (where price >= \
                 1000000) AS rank3_bids, count(distinct bidder) AS total_bidders, count(distinct bidder) filter \
                 (where price < 10000) AS rank1_bidders, count(distinct bidder) filter (where price >= 10000 and \
                 price < 1000000) AS rank2_bidders, count(distinct bidder) filter (where price >= 1000000) AS \
                 rank3_bidders, count(distinct auction) AS total_auctions, count(distinct auction) filter (where \
                 price < 10000) AS rank1_auctions, count(distinct auction) filter (where price >= 10000 and price < \
                 1000000) AS rank2_auctions, count(distinct auction) filter (where price >= 1000000) AS \
                 rank3_auctions FROM bid GROUP BY channel, DATE_FORMAT(dateTime, 'yyyy-MM-dd')",
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
    },
    Query {
        name: "q18",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3), \
               extra VARCHAR",
        select: "SELECT auction, bidder, price, channel, url, dateTime, extra FROM (SELECT *, ROW_NUMBER() OVER \
                 (PARTITION BY bidder, auction ORDER BY dateTime DESC) AS rank_number FROM bid) WHERE rank_number \
                 <= 1",
    },
    Query {
        name: "q19",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP(3), \
               extra VARCHAR, rank_number BIGINT",
        select: "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS \
                 rank_number FROM bid) WHERE rank_number <= 10",
    },
    Query {
        name: "q20",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, bid_dateTime \
               TIMESTAMP(3), bid_extra VARCHAR, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve \
               BIGINT, auction_dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, \
               auction_extra VARCHAR",
        select: "SELECT auction, bidder, price, channel, url, B.dateTime, B.extra, itemName, description, \
                 initialBid, reserve, A.dateTime, expires, seller, category, A.extra FROM bid AS B INNER JOIN \
                 auction AS A on B.auction = A.id WHERE A.category = 10",
    },
    Query {
        name: "q21",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, channel_id VARCHAR",
        select: "SELECT auction, bidder, price, channel, CASE WHEN lower(channel) = 'apple' THEN '0' WHEN \
                 lower(channel) = 'google' THEN '1' WHEN lower(channel) = 'facebook' THEN '2' WHEN lower(channel) = \
                 'baidu' THEN '3' ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id FROM bid \
                 where REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) is not null or lower(channel) in ('apple', \
                 'google', 'facebook', 'baidu')",
    },
    Query {
        name: "q22",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, dir1 VARCHAR, dir2 VARCHAR, dir3 \
               VARCHAR",
        select: "SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) as dir1, SPLIT_INDEX(url, '/', 4) \
                 as dir2, SPLIT_INDEX(url, '/', 5) as dir3 FROM bid",
    },
];
