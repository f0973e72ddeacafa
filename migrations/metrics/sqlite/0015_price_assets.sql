-- Prices in dollars, candles and what is known of assets, as in postgres/0017, whose comments hold here too.

ALTER TABLE position ADD COLUMN noted integer NOT NULL DEFAULT 0;

CREATE TABLE price_rules (floor_usd text NOT NULL, band integer NOT NULL);

CREATE TABLE price_changes (
    chain     text NOT NULL,
    minute    integer NOT NULL,
    partition integer NOT NULL,
    changes   integer NOT NULL,
    PRIMARY KEY (chain, minute, partition)
) WITHOUT ROWID;

CREATE TABLE candles (
    chain        text NOT NULL,
    asset        text NOT NULL,
    span         text NOT NULL,
    start_minute integer NOT NULL,
    open_usd     text,
    open_raw     text,
    high_usd     text,
    high_raw     text,
    low_usd      text,
    low_raw      text,
    close_usd    text,
    close_raw    text,
    close_height integer,
    close_ms     integer,
    volume_usd   text NOT NULL,
    trades       integer NOT NULL,
    priced       integer NOT NULL,
    PRIMARY KEY (chain, asset, span, start_minute)
) WITHOUT ROWID;
CREATE INDEX candles_of_minute ON candles (chain, start_minute) WHERE span = '1m';

CREATE TABLE assets (
    chain          text NOT NULL,
    asset          text NOT NULL,
    symbol         text,
    decimals       integer,
    decorated_hour integer NOT NULL DEFAULT -1,
    price_usd      text,
    price_raw      text,
    price_height   integer,
    price_ms       integer,
    PRIMARY KEY (chain, asset)
) WITHOUT ROWID;
CREATE INDEX assets_by_symbol ON assets (lower(symbol), chain, asset);
CREATE INDEX assets_by_id ON assets (asset);

CREATE TABLE asset_pools (
    chain       text NOT NULL,
    asset       text NOT NULL,
    pool        text NOT NULL,
    newest_hour integer NOT NULL,
    PRIMARY KEY (chain, asset, pool)
) WITHOUT ROWID;
CREATE INDEX asset_pools_by_hour ON asset_pools (chain, asset, newest_hour DESC, pool);

CREATE VIEW assets_v1 AS
SELECT chain, asset, symbol, decimals, price_usd, price_raw, price_height, price_ms FROM assets;

CREATE VIEW candles_v1 AS
SELECT chain, asset, span, start_minute, open_usd, open_raw, high_usd, high_raw, low_usd, low_raw, close_usd, close_raw,
       close_height, close_ms, volume_usd, trades, priced
FROM candles;

CREATE VIEW asset_pools_v1 AS
SELECT chain, asset, pool, newest_hour FROM asset_pools;
