SELECT window_start, window_end, MAX(num) AS most
FROM (
    SELECT auction, COUNT(*) AS num, window_start, window_end, window_time
    FROM TABLE(CUMULATE(
        DATA => TABLE bid, TIMECOL => DESCRIPTOR(dateTime), STEP => INTERVAL '2' SECOND, SIZE => INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end, window_time)
GROUP BY window_start, window_end;
