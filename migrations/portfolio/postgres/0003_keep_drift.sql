-- Reconciliation: what the newest snapshot of a wallet says against what its live trades add up to, at that moment.

CREATE TABLE drift (
    chain text NOT NULL,
    address text NOT NULL,
    asset text NOT NULL,
    symbol text,
    decimals smallint,
    balance numeric(78, 0) NOT NULL CHECK (balance >= 0),
    net numeric NOT NULL,
    drift numeric NOT NULL,
    taken_at bigint NOT NULL,
    PRIMARY KEY (chain, address, asset)
);
CREATE INDEX drift_of_address ON drift (address);
CREATE INDEX balances_of_address ON balances (address);

-- As before, and beside each balance its net and drift; null where the snapshot is older than this table.
CREATE OR REPLACE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw::text AS raw, b.spam, b.provider, b.taken_at,
       d.net::text AS net, d.drift::text AS drift
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
LEFT JOIN drift d ON d.chain = b.chain AND d.address = b.address AND d.asset = b.asset
WHERE b.raw <> 0;

-- Where balance and trades differ, also of assets that are not held any more.
CREATE VIEW drift_v1 AS
SELECT chain, address, asset, symbol, decimals, balance::text AS balance, net::text AS net, drift::text AS drift, taken_at
FROM drift
WHERE drift <> 0;
