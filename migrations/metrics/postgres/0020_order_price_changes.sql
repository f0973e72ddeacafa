-- Changed minutes are calculated minute by minute, all chains of one together.
--
-- Decisions
-- * 2026-11-30: trades are read by their block time, so one chain after another read every minute's trades once for each chain.
--   Price: one more index on a table that is empty whenever nothing is behind.
CREATE INDEX price_changes_by_minute ON price_changes (minute, chain, partition);
