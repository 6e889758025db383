CREATE TABLE sink (
    auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, bid_dateTime TIMESTAMP(3),
    itemName VARCHAR, seller BIGINT, category BIGINT
) WITH ('connector' = 'blackhole');
INSERT INTO sink
SELECT auction, bidder, price, channel, url, B.dateTime, itemName, seller, category
FROM bid AS B INNER JOIN auction AS A on B.auction = A.id
WHERE A.category = 10;
