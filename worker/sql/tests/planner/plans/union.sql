CREATE TABLE sink (id BIGINT PRIMARY KEY NOT ENFORCED, things BIGINT) WITH ('connector' = 'upsert');
INSERT INTO sink
WITH things AS (
    SELECT id FROM person
    UNION ALL
    SELECT seller FROM auction
    UNION ALL
    VALUES (CAST(7 AS BIGINT))
)
SELECT id, COUNT(*) FROM things WHERE id > 5 GROUP BY id;
