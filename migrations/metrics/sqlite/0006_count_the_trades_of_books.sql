-- Every trade knows how many live trades its book was made of after it, as in postgres/0007, whose comments hold here too.

ALTER TABLE trades ADD COLUMN sold_trades_after integer;
ALTER TABLE trades ADD COLUMN bought_trades_after integer;

CREATE TABLE numbered AS
WITH sides AS (
    SELECT rowid AS trade, trader, chain, trade_id, height, tx_index, ordinal, sold_asset AS asset, 1 AS sale
    FROM trades WHERE status = 'live' AND sold_quantity_after IS NOT NULL
    UNION ALL
    SELECT rowid, trader, chain, trade_id, height, tx_index, ordinal, bought_asset, 0
    FROM trades WHERE status = 'live' AND bought_quantity_after IS NOT NULL
)
SELECT s.trade, s.sale, p.trades + 1 - row_number() OVER (PARTITION BY s.trader, s.chain, s.asset
           ORDER BY s.height DESC, s.tx_index DESC, s.ordinal DESC, s.trade_id DESC) AS number
FROM sides s JOIN positions p ON p.trader = s.trader AND p.chain = s.chain AND p.asset = s.asset;

CREATE INDEX numbered_trade ON numbered (trade, sale);
UPDATE trades SET sold_trades_after = (SELECT number FROM numbered WHERE trade = trades.rowid AND sale = 1),
    bought_trades_after = (SELECT number FROM numbered WHERE trade = trades.rowid AND sale = 0);
DROP TABLE numbered;

DROP INDEX trades_of_book;

DROP VIEW trades_v1;

CREATE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken,
       sold_trades_after, bought_trades_after
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;
