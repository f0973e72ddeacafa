-- Trades are found by their transaction, as in postgres/0015, whose comments hold here too. The third part of `trade_id` is what
-- stands between its second and its third slash.

CREATE INDEX trades_of_transaction ON trades (
    substr(substr(substr(trade_id, instr(trade_id, '/') + 1), instr(substr(trade_id, instr(trade_id, '/') + 1), '/') + 1), 1,
           instr(substr(substr(trade_id, instr(trade_id, '/') + 1), instr(substr(trade_id, instr(trade_id, '/') + 1), '/') + 1), '/') - 1)
);

DROP VIEW trades_v1;
CREATE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken,
       sold_trades_after, bought_trades_after, released_usd, pools,
       substr(substr(substr(trade_id, instr(trade_id, '/') + 1), instr(substr(trade_id, instr(trade_id, '/') + 1), '/') + 1), 1,
              instr(substr(substr(trade_id, instr(trade_id, '/') + 1), instr(substr(trade_id, instr(trade_id, '/') + 1), '/') + 1), '/') - 1)
       AS tx_hash
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;
