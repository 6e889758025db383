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

SELECT CAST(x AS STRING) AS x, COUNT(*) AS c FROM (SELECT n AS x FROM t UNION ALL SELECT m FROM t) GROUP BY x;
