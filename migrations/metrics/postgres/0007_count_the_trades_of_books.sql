-- Every trade knows how many live trades its book was made of after it, and books have no index of their own any more.
--
-- Decisions
-- * 2026-11-27: what is folded anew is read by block time, through the key, and those numbers prove that nothing is missing
--   (services/metrics/domain/src/tails.rs). An index in chain order cost an eighth of all folding. Price: this migration
--   writes every trade anew; the space of the old rows is used again by new ones.
-- * Trades are numbered downwards from what their book is made of, so that dropped ones are counted too.

ALTER TABLE trades ADD COLUMN sold_trades_after bigint, ADD COLUMN bought_trades_after bigint;
COMMENT ON COLUMN trades.sold_trades_after IS 'how many live trades the book of the sold asset was made of after this one; null when the side makes no position';

WITH sides AS (
    SELECT trader, chain, block_time_ms, trade_id, height, tx_index, ordinal, sold_asset AS asset, TRUE AS sale
    FROM trades WHERE status = 'live' AND sold_quantity_after IS NOT NULL
    UNION ALL
    SELECT trader, chain, block_time_ms, trade_id, height, tx_index, ordinal, bought_asset, FALSE
    FROM trades WHERE status = 'live' AND bought_quantity_after IS NOT NULL
), numbered AS (
    SELECT s.trader, s.block_time_ms, s.trade_id, s.sale,
           p.trades + 1 - row_number() OVER (PARTITION BY s.trader, s.chain, s.asset
               ORDER BY s.height DESC, s.tx_index DESC, s.ordinal DESC, s.trade_id DESC) AS number
    FROM sides s JOIN positions p ON p.trader = s.trader AND p.chain = s.chain AND p.asset = s.asset
), counted AS (
    SELECT trader, block_time_ms, trade_id, max(number) FILTER (WHERE sale) AS sold,
           max(number) FILTER (WHERE NOT sale) AS bought
    FROM numbered GROUP BY trader, block_time_ms, trade_id
)
UPDATE trades t SET sold_trades_after = c.sold, bought_trades_after = c.bought FROM counted c
WHERE t.trader = c.trader AND t.block_time_ms = c.block_time_ms AND t.trade_id = c.trade_id;

DROP INDEX trades_of_book;

CREATE OR REPLACE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken,
       sold_trades_after, bought_trades_after
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;
