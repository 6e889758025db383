SET 'table.local-time-zone' = 'UTC';
CREATE TABLE t (
  id INT,
  s STRING
) WITH (
  'connector' = 'filesystem',
  'path' = '${DIR}/input.jsonl',
  'format' = 'json'
);

SELECT id, CAST(TRY_CAST(s AS TIMESTAMP(3)) AS STRING) AS c, CAST(TRY_CAST(s AS DATE) AS STRING) AS d, CAST(TO_TIMESTAMP(s) AS STRING) AS t,
  CAST(TO_DATE(s, 'yyyy-MM-dd') AS STRING) AS td, UNIX_TIMESTAMP(s, 'yyyy-MM-dd') AS u
FROM t;
