CREATE TABLE deep (r ROW<a ROW<b ROW<c STRING>>>) WITH ('connector' = 'filesystem', 'path' = '${DIR}/deep.json', 'format' = 'json');
CREATE TABLE flat (c STRING) WITH ('connector' = 'filesystem', 'path' = '${DIR}/deep.json', 'format' = 'json');
SELECT d.r.a.b.c AS c FROM deep AS d
WHERE 1 > (SELECT COUNT(*) FROM flat AS f WHERE f.c = d.r.a.b.c);
