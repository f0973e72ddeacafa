-- Networks take turns in the queue, wallets that no provider was asked for come first, and a wallet shows why it is not refreshed.

ALTER TABLE wallets ADD COLUMN asked_at bigint;
ALTER TABLE wallets ADD COLUMN failures integer NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD COLUMN failure text;
ALTER TABLE wallets ADD COLUMN retry_at bigint;
UPDATE wallets SET asked_at = taken_at;
COMMENT ON COLUMN wallets.asked_at IS 'when a provider was asked for it last, whatever came of it; null where none ever was';
COMMENT ON COLUMN wallets.failures IS 'failed refreshes since the last that succeeded';
COMMENT ON COLUMN wallets.failure IS 'why the last of them failed';
COMMENT ON COLUMN wallets.retry_at IS 'when it is asked for again; null where it is given up until it trades';

ALTER TABLE queue ADD COLUMN asked_at bigint;
UPDATE queue q SET asked_at = w.asked_at FROM wallets w WHERE w.chain = q.chain AND w.address = q.address;
COMMENT ON COLUMN queue.asked_at IS 'as in wallets';
CREATE INDEX queue_of_network ON queue (chain, (asked_at IS NOT NULL), (attempts > 0), asked_at, last_trade_at DESC);

CREATE TABLE network_turns (
    chain text PRIMARY KEY,
    turn bigint NOT NULL DEFAULT 0
);
INSERT INTO network_turns (chain) SELECT DISTINCT chain FROM queue;
COMMENT ON TABLE network_turns IS 'whose turn is next: the network with the smallest number';

CREATE OR REPLACE VIEW wallets_v1 AS
SELECT chain, address, provider, taken_at, last_trade_at, left_out, left_out_reason, failures, failure, retry_at FROM wallets;
