CREATE TABLE orders (id BIGINT, tags ARRAY<STRING>, items ARRAY<ROW<name STRING, price INT>>, notes MAP<STRING, INT>)
WITH ('connector' = 'datagen');
SELECT id, tag, nr, name, price, k, v
FROM orders
CROSS JOIN UNNEST(tags) WITH ORDINALITY AS t (tag, nr)
LEFT JOIN UNNEST(items) AS i ON TRUE
CROSS JOIN UNNEST(orders.notes) AS n (k, v)
WHERE id > 3 AND tag LIKE 'a%';
