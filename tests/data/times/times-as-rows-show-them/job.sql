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

SELECT id, n, m, CAST(n AS TIMESTAMP_LTZ(9)) AS l, CAST(m AS TIMESTAMP(0)) AS s, CAST(m AS DATE) AS d, CAST(m AS TIME) AS c, ARRAY[n] AS a,
  CAST(ROW(m) AS ROW<x TIMESTAMP(3)>) AS r, MAP['k', m] AS p
FROM t;
