-- Balances that a provider could not tell are left out of a snapshot: the last one is kept and marked, and the wallet says how
-- many rows were left out and why.

ALTER TABLE balances ADD COLUMN kept boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN balances.kept IS 'the provider could not tell the balance: the amount is the last one that was told';

ALTER TABLE wallets ADD COLUMN left_out integer NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD COLUMN left_out_reason text;
COMMENT ON COLUMN wallets.left_out IS 'rows of the newest response that were left out of the snapshot; complete where 0';
COMMENT ON COLUMN wallets.left_out_reason IS 'why the first of them';

CREATE OR REPLACE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw::text AS raw, b.spam, b.provider, b.taken_at,
       d.net::text AS net, d.drift::text AS drift, b.kept
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> 0;

CREATE OR REPLACE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at, left_out, left_out_reason FROM wallets;
