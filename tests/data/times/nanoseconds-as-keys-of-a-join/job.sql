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

SELECT CAST(a.n AS STRING) AS n, a.id AS x, b.id AS y FROM t AS a JOIN t AS b ON a.n = b.n;
