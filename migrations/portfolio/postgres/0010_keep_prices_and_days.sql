-- What providers say that assets are worth, and what wallets held at the end of each day.
--
-- Decisions
-- * 2026-11-30: a price is a fraction, dollars for so many smallest units, as those of metrics are. The newest word of a provider
--   stands beside each balance, and the last word of each day in `told_prices`, once for all wallets.
-- * 2026-11-30: a day of a wallet has a row for each asset whose balance, or what is said of it, changed on that day; until the
--   next one it holds as much. So a history costs what changes, and not a row per asset and day.

ALTER TABLE balances ADD COLUMN price_usd numeric, ADD COLUMN price_raw numeric(78, 0), ADD COLUMN price_at bigint;
COMMENT ON COLUMN balances.price_usd IS 'dollars for price_raw smallest units, by the provider''s word; null where it says nothing';
COMMENT ON COLUMN balances.price_at IS 'the time that the price is of, milliseconds since the Unix epoch';

CREATE TABLE told_prices (
    chain     text NOT NULL,
    asset     text NOT NULL,
    day       bigint NOT NULL,
    provider  text NOT NULL,
    price_usd numeric NOT NULL,
    price_raw numeric(78, 0) NOT NULL CHECK (price_raw > 0),
    told_at   bigint NOT NULL,
    PRIMARY KEY (chain, asset, day)
);
COMMENT ON TABLE told_prices IS 'the last word of a provider on each day (since 1970-01-01, UTC)';

CREATE TABLE balance_days (
    address text NOT NULL,
    chain   text NOT NULL,
    asset   text NOT NULL,
    day     bigint NOT NULL,
    raw     numeric(78, 0) NOT NULL CHECK (raw >= 0),
    spam    boolean,
    PRIMARY KEY (address, chain, asset, day)
);
COMMENT ON TABLE balance_days IS 'the balance at the end of each day (since 1970-01-01, UTC) on which it changed';

-- What is shown now is what was held on the day of its snapshot.
INSERT INTO balance_days (address, chain, asset, day, raw, spam)
SELECT b.address, b.chain, b.asset, w.taken_at / 86400000, b.raw, b.spam
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
WHERE b.raw <> 0 AND w.taken_at IS NOT NULL;

CREATE OR REPLACE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw::text AS raw, COALESCE(b.spam, false) AS spam, b.provider,
       b.taken_at, d.net::text AS net, d.drift::text AS drift, b.kept, b.spam AS is_spam, b.verified AS is_verified,
       CASE WHEN b.kept THEN NULL ELSE w.as_of END AS as_of, b.price_usd, b.price_raw, b.price_at
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> 0;

CREATE VIEW told_prices_v1 AS
SELECT chain, asset, day, provider, price_usd, price_raw, told_at FROM told_prices;

CREATE VIEW balance_days_v1 AS
SELECT address, chain, asset, day, raw, spam FROM balance_days;
