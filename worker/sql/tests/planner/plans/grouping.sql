SELECT auction, GROUPING(auction) AS one, bidder, COUNT(*) AS total, GROUPING_ID(auction, bidder) AS both, GROUP_ID() AS again
FROM bid
GROUP BY GROUPING SETS ((auction, bidder), (auction), (auction), ());
