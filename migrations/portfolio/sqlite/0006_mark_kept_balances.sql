-- Balances that a provider could not tell are left out of a snapshot: the last one is kept and marked, and the wallet says how
-- many rows were left out and why.

ALTER TABLE balances ADD COLUMN kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1));

ALTER TABLE wallets ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD COLUMN left_out_reason TEXT;

DROP VIEW balances_v1;
CREATE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw, b.spam, b.provider, b.taken_at, d.net, d.drift, b.kept
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> '0';

DROP VIEW wallets_v1;
CREATE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at, left_out, left_out_reason FROM wallets;
