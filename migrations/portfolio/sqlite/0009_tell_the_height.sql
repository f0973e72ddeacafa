-- The height that balances are of; a snapshot of a height below the wallet's newest trade is asked for again.

ALTER TABLE wallets ADD COLUMN as_of INTEGER;
ALTER TABLE queue ADD COLUMN last_trade_height INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN late INTEGER NOT NULL DEFAULT 0;

DROP VIEW balances_v1;
CREATE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw, COALESCE(b.spam, 0) AS spam, b.provider, b.taken_at,
       d.net, d.drift, b.kept, b.spam AS is_spam, b.verified AS is_verified,
       CASE WHEN b.kept THEN NULL ELSE w.as_of END AS as_of
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> '0';

DROP VIEW wallets_v1;
CREATE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at, left_out, left_out_reason, failures, failure, retry_at, as_of
FROM wallets;
