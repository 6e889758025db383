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

SELECT id, CAST(FIRST_VALUE(n) AS STRING) AS f, CAST(LAST_VALUE(n) AS STRING) AS l, CAST(ARRAY_AGG(n) AS STRING) AS a,
  JSON_OBJECTAGG(KEY 'n' VALUE n) AS j, CAST(MAX(n) FILTER (WHERE n > m) AS STRING) AS x
FROM t GROUP BY id;
