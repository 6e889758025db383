CREATE TABLE sink (`day` VARCHAR, total_bids BIGINT, rank1_bids BIGINT, total_bidders BIGINT, rank1_bidders BIGINT)
WITH ('connector' = 'blackhole');
INSERT INTO sink
SELECT DATE_FORMAT(dateTime, 'yyyy-MM-dd') as `day`, count(*) AS total_bids,
    count(*) filter (where price < 10000) AS rank1_bids,
    count(distinct bidder) AS total_bidders,
    count(distinct bidder) filter (where price < 10000) AS rank1_bidders
FROM bid
GROUP BY DATE_FORMAT(dateTime, 'yyyy-MM-dd');
