CREATE VIEW fresh AS
SELECT A.id, A.seller, A.dateTime AS opened, B.price, B.dateTime AS bidden
FROM auction A, bid B
WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.dateTime + INTERVAL '10' SECOND AND B.price > 100;
SELECT seller, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE fresh, DESCRIPTOR(bidden), INTERVAL '1' MINUTE))
GROUP BY seller, window_start, window_end;
