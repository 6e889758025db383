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

SELECT id, rn FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY n DESC) AS rn FROM t WHERE n IS NOT NULL) WHERE rn <= 2;
