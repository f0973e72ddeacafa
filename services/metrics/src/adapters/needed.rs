//! Which of the trades below a cut a book is folded on from: in either database the same question.

use metrics_domain::Method;
use metrics_domain::retention::dropped;

/// A condition on the block times that a cut drops.
pub(crate) fn below(cut_ms: u64) -> String {
    let range = dropped(cut_ms);
    format!("block_time_ms >= {} AND block_time_ms < {}", range.start, range.end)
}

/// The keys of the trades below a cut that are needed still: of each book the newest checkpoint, and what came after it.
pub(crate) fn needed(cut_ms: u64, method: Method) -> String {
    let below = below(cut_ms);
    let side = |side: &str| {
        let checkpoint = match method {
            Method::Average => "1".to_owned(),
            Method::Fifo => format!("CASE WHEN {side}_parcels_after IS NULL THEN 0 ELSE 1 END"),
        };
        format!(
            "SELECT block_time_ms, trade_id, trader, chain, height, tx_index, ordinal, {side}_asset AS asset,
                    {checkpoint} AS checkpoint
             FROM trades WHERE {below} AND status = 'live' AND {side}_quantity_after IS NOT NULL"
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
