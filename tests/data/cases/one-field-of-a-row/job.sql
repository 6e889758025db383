CREATE TABLE orders (id INT, item ROW<name STRING, pieces INT, gift BOOLEAN>, note STRING)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE in_parquet (id INT, item ROW<name STRING, pieces INT, gift BOOLEAN>, note STRING)
WITH ('connector' = 'filesystem', 'path' = '${OUT}/parquet', 'format' = 'parquet');
CREATE TABLE in_json (id INT, item ROW<name STRING, pieces INT, gift BOOLEAN>, note STRING)
WITH ('connector' = 'filesystem', 'path' = '${OUT}/json', 'format' = 'json');
SET 'table.dml-sync' = 'true';
INSERT INTO in_parquet SELECT * FROM orders;
INSERT INTO in_json SELECT * FROM orders;

SELECT 'csv' AS format, id, item.pieces AS pieces FROM orders WHERE item.name <> 'ink'
UNION ALL SELECT 'csv, two', id, item.pieces FROM orders WHERE item.gift AND note = 'in a box'
UNION ALL SELECT 'parquet', id, item.pieces FROM in_parquet WHERE item.name <> 'ink'
UNION ALL SELECT 'json', id, item.pieces FROM in_json WHERE item.name <> 'ink';
