SET 'table.local-time-zone' = 'UTC';
CREATE TABLE t (
  id INT,
  a TIMESTAMP(3)
) WITH (
  'connector' = 'filesystem',
  'path' = '${DIR}/input.jsonl',
  'format' = 'json'
);

SELECT id, CAST(CAST(a AS TIMESTAMP(9)) AS STRING) AS n, CAST(COALESCE(a, TIMESTAMP '2020-01-01 00:00:00.123456789') AS STRING) AS c,
  a < TIMESTAMP '2020-01-01 00:00:00.123456789' AS lt, CAST(CAST(a AS TIMESTAMP_LTZ(9)) AS STRING) AS l
FROM t;
