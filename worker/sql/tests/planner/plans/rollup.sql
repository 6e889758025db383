SELECT channel, MOD(price, 2) AS parity, COUNT(*) AS num FROM bid GROUP BY ROLLUP (channel, MOD(price, 2));
