SELECT auction, price, rn FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY p DESC) AS rn FROM (SELECT *, PROCTIME() AS p FROM bid))
WHERE rn <= 2;
