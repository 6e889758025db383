SET 'table.exec.mini-batch.enabled' = 'true';
SELECT COUNT(*), MAX(n) FROM (SELECT channel, COUNT(*) AS n FROM bid GROUP BY channel);
