SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE (
    SELECT num, wt FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY num DESC) AS rn
        FROM (
            SELECT auction, COUNT(*) AS num, window_start, window_end, window_time AS wt
            FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
            GROUP BY auction, window_start, window_end, window_time))
    WHERE rn <= 3), DESCRIPTOR(wt), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
