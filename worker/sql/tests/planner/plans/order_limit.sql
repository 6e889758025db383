SELECT auction, price FROM bid ORDER BY price DESC, auction LIMIT 5 OFFSET 2;
