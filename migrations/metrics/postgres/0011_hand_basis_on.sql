-- What an unvalued swap sells hands its basis on to what it buys, and a book knows the rules that it is kept by.
--
-- Decisions
-- * 2026-11-29: what a stored trade would have handed on cannot be had from its row, so the book is emptied as by 0003: the
--   read positions go too, and the service folds the tape, which is kept for ever, from its beginning. Price: figures grow
--   back while that lasts, and trades below an earlier cut are stored again until they are dropped again.

TRUNCATE position, outbox, trades, positions, user_totals, user_hours, fees, leaders, floors;
UPDATE retention SET cut_ms = 0;

ALTER TABLE method ADD COLUMN natives text NOT NULL DEFAULT '';
COMMENT ON COLUMN method.natives IS 'native assets that have positions, `chain=asset` separated by commas; with none, all that trades mark as quote is cash';

ALTER TABLE trades ADD COLUMN released_quantity numeric, ADD COLUMN released_usd numeric;
COMMENT ON COLUMN trades.released_quantity IS 'what a sale without a worth took of the known part; null where nothing';
COMMENT ON COLUMN trades.released_usd IS 'what that had cost: handed on to the purchase, or basis without proceeds where that is cash';

ALTER TABLE positions ADD COLUMN bought_quantity numeric NOT NULL DEFAULT 0,
    ADD COLUMN basis_without_proceeds_usd numeric NOT NULL DEFAULT 0;
COMMENT ON COLUMN positions.bought_quantity IS 'how much was ever bought with a known basis';
ALTER TABLE user_totals ADD COLUMN basis_without_proceeds_usd numeric NOT NULL DEFAULT 0;
ALTER TABLE user_hours ADD COLUMN basis_without_proceeds_usd numeric NOT NULL DEFAULT 0;
COMMENT ON COLUMN user_totals.basis_without_proceeds_usd IS 'what had cost what was sold for cash without a worth';

ALTER TABLE leaders ADD COLUMN proceeds_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN proceeds_without_basis_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN basis_without_proceeds_usd numeric NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken,
       sold_trades_after, bought_trades_after, released_usd
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;

CREATE OR REPLACE VIEW positions_v1 AS
SELECT p.trader, p.chain, p.asset, p.partition,
       (SELECT CAST(SUM(r.next) AS bigint) FROM position r WHERE r.partition = p.partition) AS as_of,
       p.symbol, p.decimals, p.trades, p.quantity,
       p.unknown_quantity, p.basis_usd, p.realized_pnl_usd, p.proceeds_without_basis_usd, p.proceeds_usd,
       p.bought_quantity, p.basis_without_proceeds_usd
FROM positions p
WHERE p.trades > 0;

CREATE OR REPLACE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT CAST(SUM(r.next) AS bigint) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd,
       u.basis_without_proceeds_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

CREATE OR REPLACE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd
FROM user_hours;

CREATE OR REPLACE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd
FROM leaders;

CREATE OR REPLACE VIEW method_v1 AS
SELECT name, (SELECT cut_ms FROM retention) AS cut_ms, natives FROM method;
