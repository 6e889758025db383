SET 'table.exec.mini-batch.enabled' = 'true';
SELECT COUNT(*), MAX(price) FROM bid;
