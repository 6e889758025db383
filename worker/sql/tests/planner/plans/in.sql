SELECT price FROM bid
WHERE auction IN (SELECT id FROM auction WHERE category = 10)
    AND NOT EXISTS (SELECT 1 FROM person P WHERE P.id = bidder AND P.dateTime > bid.dateTime)
    AND bidder NOT IN (SELECT seller FROM auction);
