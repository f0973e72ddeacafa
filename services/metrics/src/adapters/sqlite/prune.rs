//! Drops old trades: row by row, except those that folds continue from.

use crate::adapters::retained::{below_cut_condition, retained_trades_query};
use metrics_domain::Method;
use metrics_domain::retention::{PruneOutcome, not_final};
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) async fn prune(
    pool: &SqlitePool,
    method: Method,
    cut_ms: u64,
    finalized: &BTreeMap<String, u64>,
) -> Result<PruneOutcome, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let pruned = prune_in_transaction(&mut transaction, method, cut_ms, finalized).await;
    if matches!(pruned, Ok(PruneOutcome::Done { .. })) {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    pruned
}

async fn prune_in_transaction(
    connection: &mut SqliteConnection,
    method: Method,
    cut_ms: u64,
    finalized: &BTreeMap<String, u64>,
) -> Result<PruneOutcome, sqlx::Error> {
    let before: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut_ms.cast_signed() <= before {
        return Ok(PruneOutcome::Nothing);
    }
    if super::prices::is_pending_below(connection, cut_ms).await? {
        return Ok(PruneOutcome::Nothing);
    }
    let below_cut = below_cut_condition(cut_ms);
    let highest = format!("SELECT chain, max(height) FROM trades WHERE {below_cut} GROUP BY chain");
    let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(highest)).fetch_all(&mut *connection).await?;
    let heights: BTreeMap<Arc<str>, u64> =
        rows.iter().map(|(chain, height)| (chain.as_str().into(), height.cast_unsigned())).collect();
    if let Some(not_final) = not_final(&heights, finalized) {
        return Ok(not_final);
    }
    let clear = format!(
        "DELETE FROM trades WHERE {below_cut} AND (block_time_ms, trade_id, trader) NOT IN ({})",
        retained_trades_query(cut_ms, method)
    );
    sqlx::query(AssertSqlSafe(clear)).execute(&mut *connection).await?;
    let kept = format!("SELECT count(*) FROM trades WHERE {below_cut}");
    let kept: i64 = sqlx::query_scalar(AssertSqlSafe(kept)).fetch_one(&mut *connection).await?;
    for (chain, height) in rows {
        let floor = "INSERT INTO floors (chain, height) VALUES (?, ?)
                     ON CONFLICT (chain) DO UPDATE SET height = max(height, excluded.height)";
        sqlx::query(floor).bind(chain).bind(height).execute(&mut *connection).await?;
    }
    let cut = sqlx::query("UPDATE retention SET cut_ms = ?").bind(cut_ms.cast_signed());
    cut.execute(connection).await?;
    Ok(PruneOutcome::Done { kept: kept.cast_unsigned() })
}
