SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE TABLE readings (ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3))
WITH ('connector' = 'filesystem', 'path' = '${DIR}/readings.json', 'format' = 'json');

SELECT CAST(FLOOR(ts TO HOUR) AS STRING) AS hour_of_day, COUNT(*) AS n, MIN(ms) AS first_ms,
    SUM(CASE WHEN FLOOR(ts TO MINUTE) <= ts AND CEIL(ts TO MINUTE) >= ts AND FLOOR(ts TO HOUR) <= ts AND CEIL(ts TO HOUR) >= ts
        THEN 0 ELSE 1 END) AS moved
FROM readings GROUP BY FLOOR(ts TO HOUR);
