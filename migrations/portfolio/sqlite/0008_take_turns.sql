-- Networks take turns in the queue, wallets that no provider was asked for come first, and a wallet shows why it is not refreshed.

ALTER TABLE wallets ADD COLUMN asked_at INTEGER;
ALTER TABLE wallets ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD COLUMN failure TEXT;
ALTER TABLE wallets ADD COLUMN retry_at INTEGER;
UPDATE wallets SET asked_at = taken_at;

ALTER TABLE queue ADD COLUMN asked_at INTEGER;
UPDATE queue SET asked_at = (SELECT w.asked_at FROM wallets w WHERE w.chain = queue.chain AND w.address = queue.address);
CREATE INDEX queue_of_network ON queue (chain, (asked_at IS NOT NULL), (attempts > 0), asked_at, last_trade_at DESC);

CREATE TABLE network_turns (
    chain TEXT PRIMARY KEY,
    turn INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO network_turns (chain) SELECT DISTINCT chain FROM queue;

DROP VIEW wallets_v1;
CREATE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at, left_out, left_out_reason, failures, failure, retry_at FROM wallets;
