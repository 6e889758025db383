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

SELECT id,
  CAST(COALESCE(n, m) AS STRING) AS c,
  CAST(CASE WHEN id = 2 THEN n ELSE m END AS STRING) AS w,
  n = m AS eq, n > m AS gt,
  n BETWEEN m AND TIMESTAMP '9999-12-31 23:59:59.9999999' AS b,
  CAST(GREATEST(n, CAST(m AS TIMESTAMP(9))) AS STRING) AS g,
  n IN (m, TIMESTAMP '0001-01-01 00:00:00.000000001') AS i,
  CAST(n - INTERVAL '1' SECOND AS STRING) AS s,
  CAST(TIMESTAMPADD(MONTH, -1, n) AS STRING) AS p,
  CAST(FLOOR(n TO MINUTE) AS STRING) AS f,
  TIMESTAMPDIFF(YEAR, n, m) AS y,
  CAST(CAST(n AS TIMESTAMP(3)) AS STRING) AS k,
  CAST(ROW(n, ARRAY[n]) AS STRING) AS r,
  DATE_FORMAT(n, 'yyyy-MM-dd HH:mm:ss.SSSSSSSSS') AS df
FROM t;
