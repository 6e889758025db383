SELECT window_start, window_end, bidder, COUNT(*) AS bids, SUM(price) AS spent
FROM TABLE(TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(dateTime), SIZE => INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, bidder;
