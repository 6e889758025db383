SET 'table.local-time-zone' = 'America/Los_Angeles';
CREATE TABLE t (
  id INT,
  ms BIGINT,
  l AS CAST(TO_TIMESTAMP_LTZ(ms, 3) AS TIMESTAMP_LTZ(9))
) WITH (
  'connector' = 'filesystem',
  'path' = '${DIR}/input.jsonl',
  'format' = 'json'
);

SELECT id,
  CAST(l AS STRING) AS t, CAST(FLOOR(l TO HOUR) AS STRING) AS f, CAST(CEIL(l TO HOUR) AS STRING) AS c,
  FLOOR(l TO HOUR) <= l AS below, CEIL(l TO HOUR) >= l AS above,
  FLOOR(l TO MINUTE) <= l AND FLOOR(l TO MINUTE) > l - INTERVAL '1' MINUTE AS near,
  EXTRACT(HOUR FROM l) AS h, EXTRACT(MINUTE FROM l) AS m, DATE_FORMAT(l, 'HH:mm') AS df, CAST(CAST(l AS DATE) AS STRING) AS d,
  UNIX_TIMESTAMP(CAST(CAST(l AS TIMESTAMP(0)) AS STRING)) AS u,
  CONVERT_TZ(CAST(CAST(l AS TIMESTAMP(0)) AS STRING), 'America/Los_Angeles', 'UTC') AS z
FROM t;
