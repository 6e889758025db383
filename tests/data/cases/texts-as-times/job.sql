SET 'table.local-time-zone' = 'UTC';
CREATE TABLE texts (id INT, s STRING)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/texts.json', 'format' = 'json');

SELECT id, DATE_FORMAT(s, 'dd.MM.yyyy HH:mm') AS shown, CAST(TO_DATE(s, 'yyyy-MM-dd') AS STRING) AS by_pattern,
    CAST(TRY_CAST(s AS DATE) AS STRING) AS by_cast, CAST(TO_TIMESTAMP(s) AS STRING) AS stamp,
    CASE WHEN id < 4 THEN UNIX_TIMESTAMP(s, 'yyyy-MM-dd') END AS seconds
FROM texts;
