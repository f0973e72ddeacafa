//! SQL, the same for either database, for the trades below a cut and for those among them that must stay.

use metrics_domain::Method;
use metrics_domain::retention::dropped_block_times;

/// The condition that a trade has a block time below the cut.
pub(crate) fn below_cut_condition(cut_ms: u64) -> String {
    let range = dropped_block_times(cut_ms);
    format!("block_time_ms >= {} AND block_time_ms < {}", range.start, range.end)
}

/// Selects the keys of the trades below a cut that folds continue from: of each book the newest checkpoint and the
/// trades after it.
pub(crate) fn retained_trades_query(cut_ms: u64, method: Method) -> String {
    let below_cut = below_cut_condition(cut_ms);
    let side = |side: &str| {
        let checkpoint = match method {
            Method::Average => "1".to_owned(),
            Method::Fifo => format!("CASE WHEN {side}_parcels_after IS NULL THEN 0 ELSE 1 END"),
        };
        format!(
            "SELECT block_time_ms, trade_id, trader, chain, height, tx_index, ordinal, {side}_asset AS asset,
                    {checkpoint} AS checkpoint
             FROM trades WHERE {below_cut} AND status = 'live' AND {side}_quantity_after IS NOT NULL"
        )
    };
    format!(
        "SELECT DISTINCT block_time_ms, trade_id, trader FROM (
             SELECT block_time_ms, trade_id, trader,
                    coalesce(sum(checkpoint) OVER (PARTITION BY trader, chain, asset
                        ORDER BY height DESC, tx_index DESC, ordinal DESC, trade_id DESC
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS newer
             FROM ({} UNION ALL {}) sides) ranked
         WHERE newer = 0",
        side("sold"),
        side("bought")
    )
}
