-- What a provider has not told of an asset is unknown (null), which is not the same as false. Alchemy never told of spam.
-- SQLite cannot drop NOT NULL, so the table is made anew.

DROP VIEW balances_v1;
ALTER TABLE balances RENAME TO balances_before;
DROP INDEX balances_of_address;
CREATE TABLE balances (
    chain TEXT NOT NULL,
    address TEXT NOT NULL,
    provider TEXT NOT NULL,
    asset TEXT NOT NULL,
    symbol TEXT,
    decimals INTEGER,
    raw TEXT NOT NULL,
    spam INTEGER CHECK (spam IN (0, 1)),
    taken_at INTEGER NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1)),
    verified INTEGER CHECK (verified IN (0, 1)),
    PRIMARY KEY (chain, address, provider, asset)
) STRICT;
CREATE INDEX balances_of_address ON balances (address);
INSERT INTO balances (chain, address, provider, asset, symbol, decimals, raw, spam, taken_at, kept)
SELECT chain, address, provider, asset, symbol, decimals, raw, CASE WHEN provider = 'alchemy' THEN NULLIF(spam, 0) ELSE spam END,
       taken_at, kept
FROM balances_before;
DROP TABLE balances_before;

-- `spam` is as it was, for readers that know no null; `is_spam` tells unknown apart.
CREATE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw, COALESCE(b.spam, 0) AS spam, b.provider, b.taken_at,
       d.net, d.drift, b.kept, b.spam AS is_spam, b.verified AS is_verified
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> '0';
