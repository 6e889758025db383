SELECT bidder, COUNT(*) AS num, window_end
FROM TABLE(HOP(
    TABLE (SELECT *, PROCTIME() AS at FROM bid WHERE price > 3), DESCRIPTOR(at), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
