SELECT auction, price FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY p) AS rn FROM (SELECT *, PROCTIME() AS p FROM bid))
WHERE rn = 1;
