-- Leaderboards tell volume that stays from volume that comes back, as in postgres/0013, whose comments hold here too.

ALTER TABLE trades ADD COLUMN pools text NOT NULL DEFAULT '';

CREATE TABLE leader_changes (
    trader  text NOT NULL,
    chain   text NOT NULL,
    hour    integer NOT NULL,
    changes integer NOT NULL,
    PRIMARY KEY (trader, chain, hour)
) WITHOUT ROWID;

CREATE TABLE leader_hours (
    trader             text NOT NULL,
    chain              text NOT NULL,
    hour               integer NOT NULL,
    net_volume_usd     text NOT NULL,
    there_and_back_usd text NOT NULL,
    PRIMARY KEY (trader, chain, hour)
) WITHOUT ROWID;
CREATE INDEX leader_hours_by_hour ON leader_hours (hour);

CREATE TABLE leader_users (
    trader             text NOT NULL,
    chain              text NOT NULL,
    net_volume_usd     text NOT NULL,
    there_and_back_usd text NOT NULL,
    PRIMARY KEY (trader, chain)
) WITHOUT ROWID;

CREATE TABLE leader_pool_hours (
    chain      text NOT NULL,
    pool       text NOT NULL,
    trader     text NOT NULL,
    hour       integer NOT NULL,
    volume_usd text NOT NULL,
    PRIMARY KEY (chain, pool, trader, hour)
) WITHOUT ROWID;
CREATE INDEX leader_pool_hours_of_user ON leader_pool_hours (trader, chain, hour);

CREATE TABLE leader_pool_traders (
    chain  text NOT NULL,
    pool   text NOT NULL,
    trader text NOT NULL,
    PRIMARY KEY (chain, pool, trader)
) WITHOUT ROWID;
CREATE INDEX leader_pool_traders_by_trader ON leader_pool_traders (trader);

ALTER TABLE leaders ADD COLUMN net_volume_usd text NOT NULL DEFAULT '0';
ALTER TABLE leaders ADD COLUMN wash_usd text NOT NULL DEFAULT '0';
ALTER TABLE leaders ADD COLUMN counterparties integer NOT NULL DEFAULT 0;

DROP VIEW leaders_v1;
CREATE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd, net_volume_usd, wash_usd,
       counterparties
FROM leaders;
