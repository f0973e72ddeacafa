-- The height that balances are of; a snapshot of a height below the wallet's newest trade is asked for again.

ALTER TABLE wallets ADD COLUMN as_of bigint;
COMMENT ON COLUMN wallets.as_of IS 'the height that the newest snapshot is of; null where the provider does not tell it';

ALTER TABLE queue ADD COLUMN last_trade_height bigint NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN late bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN queue.late IS 'how often the wallet is asked for again because its snapshot is of a height below its newest trade';

CREATE OR REPLACE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw::text AS raw, COALESCE(b.spam, false) AS spam, b.provider,
       b.taken_at, d.net::text AS net, d.drift::text AS drift, b.kept, b.spam AS is_spam, b.verified AS is_verified,
       CASE WHEN b.kept THEN NULL ELSE w.as_of END AS as_of
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> 0;

CREATE OR REPLACE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at, left_out, left_out_reason, failures, failure, retry_at, as_of
FROM wallets;
