SET 'table.local-time-zone' = 'UTC';
CREATE TABLE t (
  id INT,
  n TIMESTAMP(9),
  m TIMESTAMP(3),
  WATERMARK FOR m AS m - INTERVAL '1' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = '${DIR}/input.jsonl',
  'format' = 'json'
);

SELECT CAST(window_start AS STRING) AS w, CAST(MIN(n) AS STRING) AS low, CAST(MAX(n) AS STRING) AS high, COUNT(DISTINCT n) AS c
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(m), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
