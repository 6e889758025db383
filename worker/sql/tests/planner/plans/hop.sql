SELECT auction, window_end, AVG(price) AS price
FROM HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '5' SECOND, INTERVAL '1' MINUTE)
WHERE price > 100
GROUP BY auction, window_start, window_end
HAVING COUNT(*) > 2;
