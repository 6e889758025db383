CREATE TABLE notes (id INT, body STRING)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/notes.json', 'format' = 'json');

SELECT id, body FROM notes;
