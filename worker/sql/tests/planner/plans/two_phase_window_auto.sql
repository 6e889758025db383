SET 'table.exec.mini-batch.enabled' = 'true';
SELECT MAX(num), window_end
FROM (
    SELECT auction, COUNT(*) AS num, window_start, window_end
    FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end)
GROUP BY window_start, window_end;
