SELECT auction, price, window_end FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, window_start, window_end ORDER BY dateTime DESC) AS rn
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND)))
WHERE rn = 1;
