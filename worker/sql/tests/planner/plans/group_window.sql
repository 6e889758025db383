SELECT TUMBLE_START(hour_end, INTERVAL '1' DAY) AS `day`, TUMBLE_ROWTIME(hour_end, INTERVAL '1' DAY) AS last, SUM(num)
FROM (
    SELECT HOP_ROWTIME(dateTime, INTERVAL '30' MINUTE, INTERVAL '1' HOUR) AS hour_end, auction, COUNT(*) AS num
    FROM bid
    WHERE price > 10
    GROUP BY auction, HOP(dateTime, INTERVAL '30' MINUTE, INTERVAL '1' HOUR)
    HAVING COUNT(*) > 1)
GROUP BY TUMBLE(hour_end, INTERVAL '1' DAY);
