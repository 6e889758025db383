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

SELECT 'except' AS o, CAST(n AS STRING) AS n FROM (SELECT n FROM t WHERE n IS NOT NULL EXCEPT SELECT m FROM t)
UNION ALL SELECT 'intersect', CAST(n AS STRING) FROM (SELECT n FROM t INTERSECT SELECT m FROM t)
UNION ALL SELECT 'in', CAST(n AS STRING) FROM t WHERE n IN (SELECT m FROM t)
UNION ALL SELECT 'distinct', CAST(n AS STRING) FROM (SELECT DISTINCT n FROM (SELECT n FROM t UNION ALL SELECT n FROM t));
