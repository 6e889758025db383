SELECT auction, bidder, dateTime
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, bidder ORDER BY dateTime) AS rn FROM bid)
WHERE rn = 1;
