-- Trades are found by their transaction; the view of trades also says which pools were crossed.
--
-- Decisions
-- * 2026-11-29: the key of a trade begins with its trader, so nothing finds a trade by its id or its transaction without
--   reading all. Choice: one index of hashes (`USING hash`, twenty bytes a trade however long the hash of the transaction is)
--   over the third part of `trade_id`, which serves both. No column, so no row is written anew. Price: one more index entry
--   with each trade.

CREATE INDEX trades_of_transaction ON trades USING hash (split_part(trade_id, '/', 3));

CREATE OR REPLACE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken,
       sold_trades_after, bought_trades_after, released_usd,
       pools, split_part(trade_id, '/', 3) AS tx_hash
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;
COMMENT ON COLUMN trades_v1.tx_hash IS 'the third part of trade_id: the hash of the transaction, up to its first slash if it has any';
