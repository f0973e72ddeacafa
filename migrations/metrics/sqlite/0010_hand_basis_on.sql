-- What an unvalued swap sells hands its basis on, as in postgres/0011, whose comments hold here too.

DELETE FROM position;
DELETE FROM outbox;
DELETE FROM trades;
DELETE FROM positions;
DELETE FROM user_totals;
DELETE FROM user_hours;
DELETE FROM fees;
DELETE FROM leaders;
DELETE FROM floors;
UPDATE retention SET cut_ms = 0;

ALTER TABLE method ADD COLUMN natives text NOT NULL DEFAULT '';
ALTER TABLE trades ADD COLUMN released_quantity text;
ALTER TABLE trades ADD COLUMN released_usd text;
ALTER TABLE positions ADD COLUMN bought_quantity text NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN basis_without_proceeds_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_totals ADD COLUMN basis_without_proceeds_usd text NOT NULL DEFAULT '0';
ALTER TABLE user_hours ADD COLUMN basis_without_proceeds_usd text NOT NULL DEFAULT '0';
ALTER TABLE leaders ADD COLUMN proceeds_usd text NOT NULL DEFAULT '0';
ALTER TABLE leaders ADD COLUMN proceeds_without_basis_usd text NOT NULL DEFAULT '0';
ALTER TABLE leaders ADD COLUMN basis_without_proceeds_usd text NOT NULL DEFAULT '0';

DROP VIEW trades_v1;
CREATE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken,
       sold_trades_after, bought_trades_after, released_usd
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;

DROP VIEW positions_v1;
CREATE VIEW positions_v1 AS
SELECT p.trader, p.chain, p.asset, p.partition,
       (SELECT SUM(r.next) FROM position r WHERE r.partition = p.partition) AS as_of,
       p.symbol, p.decimals, p.trades, p.quantity,
       p.unknown_quantity, p.basis_usd, p.realized_pnl_usd, p.proceeds_without_basis_usd, p.proceeds_usd,
       p.bought_quantity, p.basis_without_proceeds_usd
FROM positions p
WHERE p.trades > 0;

DROP VIEW user_totals_v1;
CREATE VIEW user_totals_v1 AS
SELECT u.trader, u.chain, u.partition,
       (SELECT SUM(r.next) FROM position r WHERE r.partition = u.partition) AS as_of,
       u.volume_usd, u.swaps, u.unvalued, u.cycles, u.fees_usd,
       u.realized_pnl_usd, u.realized_pnl_net_usd, u.proceeds_without_basis_usd, u.proceeds_usd,
       u.basis_without_proceeds_usd
FROM user_totals u
WHERE u.swaps > 0 OR u.cycles > 0;

DROP VIEW user_hours_v1;
CREATE VIEW user_hours_v1 AS
SELECT trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd
FROM user_hours;

DROP VIEW leaders_v1;
CREATE VIEW leaders_v1 AS
SELECT span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, proceeds_usd,
       proceeds_without_basis_usd, basis_without_proceeds_usd
FROM leaders;

DROP VIEW method_v1;
CREATE VIEW method_v1 AS
SELECT name, (SELECT cut_ms FROM retention) AS cut_ms, natives FROM method;
