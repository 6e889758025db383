SELECT window_start, auction, bidder, SUM(price) AS total
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
WHERE price > 5
GROUP BY window_start, window_end, GROUPING SETS ((auction), (auction, bidder), ());
