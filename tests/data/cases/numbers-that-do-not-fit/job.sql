CREATE TABLE numbers (id INT, t TINYINT, i INT, l BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/numbers.json', 'format' = 'json', 'json.ignore-parse-errors' = 'true');

SELECT id, t, i, l FROM numbers;
