CREATE TABLE parts (v INT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/in', 'format' = 'json');

SELECT v FROM parts;
