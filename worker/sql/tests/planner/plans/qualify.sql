SELECT auction, price, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rn
FROM bid
QUALIFY rn <= 3;
