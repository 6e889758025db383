SET 'table.local-time-zone' = 'UTC';
CREATE TABLE t (
  id INT,
  n TIMESTAMP(9),
  m TIMESTAMP(3)
) WITH (
  'connector' = 'filesystem',
  'path' = '${DIR}/input.jsonl',
  'format' = 'json'
);

SELECT CAST(MIN(mx) AS STRING) AS low, CAST(MAX(mx) AS STRING) AS high, COUNT(DISTINCT mx) AS n, COUNT(mx) AS c
FROM (SELECT id, MAX(n) AS mx FROM t GROUP BY id);
