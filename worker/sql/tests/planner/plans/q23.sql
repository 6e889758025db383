CREATE TABLE sink (auction BIGINT, price BIGINT, bidder VARCHAR, seller BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink
SELECT B.auction, B.price, P.name, A.seller
FROM bid B JOIN person P ON B.bidder = P.id JOIN auction A ON A.seller = B.bidder;
