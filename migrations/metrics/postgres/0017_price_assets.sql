-- Prices in dollars, candles and what is known of assets, from the valued trades.
--
-- Decisions
-- * 2026-11-29: an asset is traded by users of all partitions, and open, close and outliers are no sums. So a commit only notes
--   the minutes of each chain that it changed, in rows of its own partition, which no other commit waits for; and the candles
--   of these minutes are calculated again from all live trades of the minute (services/metrics/src/prices.rs). They are exact
--   under reorgs because nothing is added or subtracted. Price: a candle is behind the book by about a second, and the trades
--   of the current minute are read again while it lasts.
-- * `position.noted` is how many records of a partition were read by commits that note minutes. While an instance of the version
--   before goes on reading, `next` moves and `noted` does not: then, and after this migration, all minutes are noted once more.
-- * A price is two columns, dollars for so many smallest units: exact, whether or not decimals are known.

ALTER TABLE position ADD COLUMN noted bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN position.noted IS 'records read by commits that noted the minutes they changed; less than `next` where others read some';

CREATE TABLE price_rules (floor_usd text NOT NULL, band bigint NOT NULL);
COMMENT ON TABLE price_rules IS 'the settings that candles were calculated with: one row; where they change, all candles are calculated again';

CREATE TABLE price_changes (
    chain     text COLLATE "C" NOT NULL,
    minute    bigint NOT NULL,
    partition integer NOT NULL,
    changes   bigint NOT NULL,
    PRIMARY KEY (chain, minute, partition)
) WITH (fillfactor = 80);
COMMENT ON TABLE price_changes IS 'minutes whose candles must be calculated again, and how often a partition changed them since they last were; partition -1 for all';

CREATE TABLE candles (
    chain        text COLLATE "C" NOT NULL,
    asset        text COLLATE "C" NOT NULL,
    span         text COLLATE "C" NOT NULL,
    start_minute bigint NOT NULL,
    open_usd     numeric,
    open_raw     numeric,
    high_usd     numeric,
    high_raw     numeric,
    low_usd      numeric,
    low_raw      numeric,
    close_usd    numeric,
    close_raw    numeric,
    close_height bigint,
    close_ms     bigint,
    volume_usd   numeric NOT NULL,
    trades       bigint NOT NULL,
    priced       bigint NOT NULL,
    PRIMARY KEY (chain, asset, span, start_minute)
) WITH (fillfactor = 80);
COMMENT ON COLUMN candles.span IS '`1m`, `1h` or `1d`';
COMMENT ON COLUMN candles.start_minute IS 'minutes since 1970-01-01 00:00, UTC';
COMMENT ON COLUMN candles.open_usd IS 'what open_raw smallest units were worth in the first block; null where no swap takes part in prices';
COMMENT ON COLUMN candles.trades IS 'live swaps, valued or not; `priced` of them take part in prices';
CREATE INDEX candles_of_minute ON candles (chain, start_minute) WHERE span = '1m';

CREATE TABLE assets (
    chain          text COLLATE "C" NOT NULL,
    asset          text COLLATE "C" NOT NULL,
    symbol         text,
    decimals       smallint,
    decorated_hour bigint NOT NULL DEFAULT -1,
    price_usd      numeric,
    price_raw      numeric,
    price_height   bigint,
    price_ms       bigint,
    PRIMARY KEY (chain, asset)
) WITH (fillfactor = 80);
COMMENT ON COLUMN assets.decorated_hour IS 'the hour of the newest trade that was asked for symbol and decimals';
COMMENT ON COLUMN assets.price_usd IS 'what price_raw smallest units are worth; null where no trade says';
CREATE INDEX assets_by_symbol ON assets (lower(symbol) COLLATE "C", chain, asset);
CREATE INDEX assets_by_id ON assets (asset);

CREATE TABLE asset_pools (
    chain       text COLLATE "C" NOT NULL,
    asset       text COLLATE "C" NOT NULL,
    pool        text COLLATE "C" NOT NULL,
    newest_hour bigint NOT NULL,
    PRIMARY KEY (chain, asset, pool)
);
COMMENT ON TABLE asset_pools IS 'pools that an asset was traded in, by swaps through one pool alone; also those whose swaps were reverted since';
CREATE INDEX asset_pools_by_hour ON asset_pools (chain, asset, newest_hour DESC, pool);

CREATE VIEW assets_v1 AS
SELECT chain, asset, symbol, decimals, price_usd, price_raw, price_height, price_ms FROM assets;

CREATE VIEW candles_v1 AS
SELECT chain, asset, span, start_minute, open_usd, open_raw, high_usd, high_raw, low_usd, low_raw, close_usd, close_raw,
       close_height, close_ms, volume_usd, trades, priced
FROM candles;

CREATE VIEW asset_pools_v1 AS
SELECT chain, asset, pool, newest_hour FROM asset_pools;
