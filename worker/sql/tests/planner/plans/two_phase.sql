SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE';
SELECT channel, COUNT(*), COUNT(DISTINCT bidder), AVG(price) FROM bid GROUP BY channel;
