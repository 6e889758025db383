SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE in_sql_style (id INT, ts TIMESTAMP(3), at_ TIMESTAMP_LTZ(3))
WITH ('connector' = 'filesystem', 'path' = '${DIR}/sql.json', 'format' = 'json', 'json.ignore-parse-errors' = 'true');
CREATE TABLE in_iso_style (id INT, ts TIMESTAMP(3), at_ TIMESTAMP_LTZ(3))
WITH ('connector' = 'filesystem', 'path' = '${DIR}/iso.json', 'format' = 'json', 'json.ignore-parse-errors' = 'true',
    'json.timestamp-format.standard' = 'ISO-8601');
CREATE TABLE in_csv (id INT, ts TIMESTAMP(3), at_ TIMESTAMP_LTZ(3))
WITH ('connector' = 'filesystem', 'path' = '${DIR}/rows.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');

SELECT style, id, CAST(ts AS STRING) AS ts, CAST(at_ AS STRING) AS at_ FROM (
    SELECT 'sql' AS style, * FROM in_sql_style
    UNION ALL SELECT 'iso', * FROM in_iso_style
    UNION ALL SELECT 'csv', * FROM in_csv);
