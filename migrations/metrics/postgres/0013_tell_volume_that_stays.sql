-- Leaderboards tell volume that stays from volume that comes back, and pools with many traders from pools with one.
--
-- Decisions
-- * 2026-11-29: distinct counterparties, and pools in which only one trader trades, need a row per (pool, trader), and in
--   windows per (pool, trader, hour). Writing these with each commit would cost a tenth of all folding. So a commit only
--   notes which hours of which users it changed (`leader_changes`), and whoever rebuilds the leaderboards calculates the
--   flows of these hours again from the trades that are live, before it ranks. They are exact under reorgs because
--   nothing is added or subtracted. Price: a board is behind the book by up to half a minute, as it was before, and the
--   trades of an hour in which something happens are read once per rebuilding.
-- 0011 has emptied the book, so every hour will be noted.

ALTER TABLE trades ADD COLUMN pools text NOT NULL DEFAULT '';
COMMENT ON COLUMN trades.pools IS 'the pools that were crossed, each once, a line each: one text costs less with every trade than an array';

CREATE TABLE leader_changes (
    trader  text COLLATE "C" NOT NULL,
    chain   text COLLATE "C" NOT NULL,
    hour    bigint NOT NULL,
    changes bigint NOT NULL,
    PRIMARY KEY (trader, chain, hour)
) WITH (fillfactor = 80);
COMMENT ON TABLE leader_changes IS 'hours whose flows must be calculated again, and how often they changed since they last were';

CREATE TABLE leader_hours (
    trader             text COLLATE "C" NOT NULL,
    chain              text COLLATE "C" NOT NULL,
    hour               bigint NOT NULL,
    net_volume_usd     numeric NOT NULL,
    there_and_back_usd numeric NOT NULL,
    PRIMARY KEY (trader, chain, hour)
);
COMMENT ON TABLE leader_hours IS 'the flows of one user in one hour, as services/metrics/domain/src/flows.rs calculates them';
CREATE INDEX leader_hours_by_hour ON leader_hours (hour);

CREATE TABLE leader_users (
    trader             text COLLATE "C" NOT NULL,
    chain              text COLLATE "C" NOT NULL,
    net_volume_usd     numeric NOT NULL,
    there_and_back_usd numeric NOT NULL,
    PRIMARY KEY (trader, chain)
) WITH (fillfactor = 80);
COMMENT ON TABLE leader_users IS 'the sums of leader_hours over all time';

CREATE TABLE leader_pool_hours (
    chain      text COLLATE "C" NOT NULL,
    pool       text COLLATE "C" NOT NULL,
    trader     text COLLATE "C" NOT NULL,
    hour       bigint NOT NULL,
    volume_usd numeric NOT NULL,
    PRIMARY KEY (chain, pool, trader, hour)
);
COMMENT ON COLUMN leader_pool_hours.volume_usd IS 'the part of its volume in this pool that did not go there and back';
CREATE INDEX leader_pool_hours_of_user ON leader_pool_hours (trader, chain, hour);

CREATE TABLE leader_pool_traders (
    chain  text COLLATE "C" NOT NULL,
    pool   text COLLATE "C" NOT NULL,
    trader text COLLATE "C" NOT NULL,
    PRIMARY KEY (chain, pool, trader)
);
COMMENT ON TABLE leader_pool_traders IS 'who has a live trade through which pool';
CREATE INDEX leader_pool_traders_by_trader ON leader_pool_traders (trader);

ALTER TABLE leaders ADD COLUMN net_volume_usd numeric NOT NULL DEFAULT 0, ADD COLUMN wash_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN counterparties bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd, net_volume_usd, wash_usd,
       counterparties
FROM leaders;
