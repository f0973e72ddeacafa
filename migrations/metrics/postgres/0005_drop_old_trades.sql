-- Old trades may be dropped (METRICS_RETENTION_DAYS). What a book is folded on from stays in `trades`, below the cut and unseen.

CREATE TABLE retention (cut_ms bigint NOT NULL);
INSERT INTO retention VALUES (0);
COMMENT ON COLUMN retention.cut_ms IS 'trades of an earlier block time are not kept; zero where all are';

CREATE TABLE floors (
    chain  text COLLATE "C" PRIMARY KEY,
    height bigint NOT NULL,
    late   bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE floors IS 'per chain, the highest height that was dropped, and how many events came at or below it since';

-- 1231200000000: January 2009. A block that says it is older has no clock, and is not dropped for it.
CREATE OR REPLACE VIEW trades_v1 AS
SELECT trade_id, chain, trader, block_time_ms, height, tx_index, ordinal, kind, status, cycle,
       sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote,
       notional_usd, fee_usd, platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd,
       sold_quantity_after, sold_unknown_after, sold_basis_after,
       bought_quantity_after, bought_unknown_after, bought_basis_after, sold_taken
FROM trades
WHERE block_time_ms >= (SELECT cut_ms FROM retention) OR block_time_ms < 1231200000000;
