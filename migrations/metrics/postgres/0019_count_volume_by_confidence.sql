-- Volume by how sure the sides of its trades are: the attribute `confidence` of a trade, and its sums per user and hour.
--
-- Decisions
-- * 2026-11-30: columns of rows that a commit writes anyway, so that the sums are as exact under reorgs as the volume. What
--   stands under no known word is the rest of the volume, and has no column.
-- * 2026-11-30: what was folded before is `unknown` in trades and in no sum, since rows are not rewritten by a migration.
--   `confidence_complete` says whether the book holds such trades: `metrics refold` then compares all other columns.
-- * 2026-11-30: while a version before folds beside this one, a trade that it reverts stays in the sum of its word, and what is
--   unknown is smaller by it. Price: figures that are off by the reorgs of a rolling upgrade.

ALTER TABLE trades ADD COLUMN confidence text DEFAULT 'unknown';
COMMENT ON COLUMN trades.confidence IS 'reported, estimated, traced or unknown; null where both sides are what moved';
ALTER TABLE user_totals
    ADD COLUMN volume_exact_usd numeric NOT NULL DEFAULT 0, ADD COLUMN volume_reported_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN volume_estimated_usd numeric NOT NULL DEFAULT 0, ADD COLUMN volume_traced_usd numeric NOT NULL DEFAULT 0;
ALTER TABLE user_hours
    ADD COLUMN volume_exact_usd numeric NOT NULL DEFAULT 0, ADD COLUMN volume_reported_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN volume_estimated_usd numeric NOT NULL DEFAULT 0, ADD COLUMN volume_traced_usd numeric NOT NULL DEFAULT 0;

ALTER TABLE method ADD COLUMN confidence_complete boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN method.confidence_complete IS 'whether every trade was folded with its confidence';
UPDATE method SET confidence_complete = false WHERE EXISTS (SELECT 1 FROM user_totals);

CREATE OR REPLACE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT CAST(SUM(r.next) AS bigint) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd,
       u.basis_without_proceeds_usd, u.implausible, u.implausible_usd,
       u.volume_exact_usd, u.volume_reported_usd, u.volume_estimated_usd, u.volume_traced_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

CREATE OR REPLACE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd,
       volume_exact_usd, volume_reported_usd, volume_estimated_usd, volume_traced_usd
FROM user_hours;
