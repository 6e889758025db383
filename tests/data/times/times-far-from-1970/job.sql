SET 'table.local-time-zone' = 'UTC';
CREATE TABLE t (
  id INT,
  n TIMESTAMP(9),
  l TIMESTAMP_LTZ(9),
  m TIMESTAMP(3),
  d DATE
) WITH (
  'connector' = 'filesystem',
  'path' = '${DIR}/input.jsonl',
  'format' = 'json'
);

SELECT CAST(n AS STRING) AS n, CAST(MAX(l) AS STRING) AS l, CAST(MIN(m) AS STRING) AS m, CAST(MAX(d) AS STRING) AS d, COUNT(*) AS c, CAST(MAX(n) AS STRING) AS mx, MAX(EXTRACT(YEAR FROM n)) AS y,
  CAST(TIMESTAMPADD(DAY, 1, MIN(n)) AS STRING) AS tomorrow
FROM t GROUP BY n;
