SELECT window_start, window_end, MAX(num) AS most
FROM (
    SELECT bidder, auction, COUNT(*) AS num, window_start, window_end
    FROM TABLE(SESSION(TABLE bid PARTITION BY (bidder, auction), DESCRIPTOR(dateTime), INTERVAL '5' SECOND))
    GROUP BY bidder, auction, window_start, window_end)
GROUP BY window_start, window_end;
