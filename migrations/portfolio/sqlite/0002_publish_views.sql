-- What others may read; the api attaches this file under the name `portfolio`. Columns are only ever added.

-- What a wallet holds by its newest snapshot; an asset once per wallet.
CREATE VIEW balances_v1 AS
SELECT b.chain, b.address, b.asset, b.symbol, b.decimals, b.raw, b.spam, b.provider, b.taken_at
FROM balances b
JOIN wallets w ON w.chain = b.chain AND w.address = b.address AND w.provider = b.provider
WHERE b.raw <> '0';

-- The tracked wallets; provider and time are null before the first snapshot.
CREATE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at FROM wallets;

CREATE VIEW read_positions_v1 AS
SELECT log, partition, next FROM read_positions;
