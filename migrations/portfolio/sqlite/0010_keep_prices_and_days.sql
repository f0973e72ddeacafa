-- What providers say that assets are worth, and what wallets held at the end of each day, as in postgres/0010, whose comments
-- hold here too.

ALTER TABLE balances ADD COLUMN price_usd TEXT;
ALTER TABLE balances ADD COLUMN price_raw TEXT;
ALTER TABLE balances ADD COLUMN price_at INTEGER;

CREATE TABLE told_prices (
    chain TEXT NOT NULL,
    asset TEXT NOT NULL,
    day INTEGER NOT NULL,
    provider TEXT NOT NULL,
    price_usd TEXT NOT NULL,
    price_raw TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (chain, asset, day)
) STRICT;

CREATE TABLE balance_days (
    address TEXT NOT NULL,
    chain TEXT NOT NULL,
    asset TEXT NOT NULL,
    day INTEGER NOT NULL,
    raw TEXT NOT NULL,
    spam INTEGER CHECK (spam IN (0, 1)),
    PRIMARY KEY (address, chain, asset, day)
) STRICT;

INSERT INTO balance_days (address, chain, asset, day, raw, spam)
SELECT b.address, b.chain, b.asset, w.taken_at / 86400000, b.raw, b.spam
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
WHERE b.raw <> '0' AND w.taken_at IS NOT NULL;

DROP VIEW balances_v1;
CREATE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw, COALESCE(b.spam, 0) AS spam, b.provider, b.taken_at,
       d.net, d.drift, b.kept, b.spam AS is_spam, b.verified AS is_verified,
       CASE WHEN b.kept THEN NULL ELSE w.as_of END AS as_of, b.price_usd, b.price_raw, b.price_at
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> '0';

CREATE VIEW told_prices_v1 AS
SELECT chain, asset, day, provider, price_usd, price_raw, told_at FROM told_prices;

CREATE VIEW balance_days_v1 AS
SELECT address, chain, asset, day, raw, spam FROM balance_days;
