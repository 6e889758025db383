CREATE TABLE posts (id BIGINT, body ROW<title STRING, tags ARRAY<STRING>>) WITH ('connector' = 'datagen');
SELECT p.id, t.tag FROM posts AS p CROSS JOIN UNNEST(p.body.tags) AS t (tag);
