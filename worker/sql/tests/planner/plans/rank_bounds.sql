SELECT channel, bids, rn
FROM (SELECT channel, bids, ROW_NUMBER() OVER (ORDER BY bids DESC NULLS LAST, channel) AS rn
      FROM (SELECT channel, COUNT(*) AS bids FROM bid GROUP BY channel))
WHERE rn BETWEEN 2 AND 5 AND MOD(rn, 2) = 0 AND 4 >= rn AND bids > 10;
