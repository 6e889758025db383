CREATE TABLE stock (sku INT, pieces INT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/stock.csv', 'format' = 'csv');
CREATE TABLE wanted (item INT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/stock.csv', 'format' = 'csv');
SELECT * FROM stock
WHERE (SELECT COUNT(*) FROM wanted WHERE item = sku) > 0;
