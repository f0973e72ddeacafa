-- What others may read: the api's role can select these views and nothing else. Columns are only ever added.

CREATE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after
FROM trades;

CREATE VIEW positions_v1 AS
SELECT trader, chain, asset, partition, as_of, symbol, decimals, trades, quantity, unknown_quantity, basis_usd,
       realized_pnl_usd, proceeds_without_basis_usd
FROM positions;

CREATE VIEW user_totals_v1 AS
SELECT trader, chain, partition, as_of, volume_usd, swaps, unvalued, cycles, fees_usd, realized_pnl_usd,
       realized_pnl_net_usd, proceeds_without_basis_usd
FROM user_totals
WHERE swaps > 0 OR cycles > 0;

CREATE VIEW fees_v1 AS
SELECT trader, chain, platform, day, partition, trades, fees_usd FROM fees;

CREATE VIEW read_positions_v1 AS
SELECT log, partition, next FROM position;
