//! Drops old trades: whole partitions, except the rows that folds continue from.

use crate::adapters::retained::{below_cut_condition, retained_trades_query};
use metrics_domain::Method;
use metrics_domain::retention::{PruneOutcome, TRADE_PERIOD_MS, not_final};
use migrations::{Session as PgConnection, Sessions};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lets one instance at a time drop trades.
const TRY_LOCK_PRUNE: &str = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.prune'))";
/// Commits hold this lock shared: they wait while trades are dropped, and then see the new cut.
const LOCK_OUT_COMMITS: &str = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.retention'))";

pub(super) async fn prune(
    pool: &Sessions,
    method: Method,
    cut_ms: u64,
    finalized: &BTreeMap<String, u64>,
) -> Result<PruneOutcome, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let pruned = prune_in_transaction(&mut transaction, method, cut_ms, finalized).await;
    if matches!(pruned, Ok(PruneOutcome::Done { .. })) {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    pruned
}

async fn prune_in_transaction(
    connection: &mut PgConnection,
    method: Method,
    cut_ms: u64,
    finalized: &BTreeMap<String, u64>,
) -> Result<PruneOutcome, sqlx::Error> {
    if !sqlx::query_scalar::<_, bool>(TRY_LOCK_PRUNE).fetch_one(&mut *connection).await? {
        return Ok(PruneOutcome::Nothing);
    }
    let before: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut_ms.cast_signed() <= before {
        return Ok(PruneOutcome::Nothing);
    }
    // Whole partitions are read here, so sequential scans are allowed.
    sqlx::raw_sql("SET LOCAL enable_seqscan = on").execute(&mut *connection).await?;
    sqlx::query(LOCK_OUT_COMMITS).execute(&mut *connection).await?;
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
    let set_aside = format!(
        "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
             SELECT t.* FROM trades t JOIN ({}) n USING (block_time_ms, trade_id, trader)",
        retained_trades_query(cut_ms, method)
    );
    sqlx::raw_sql(AssertSqlSafe(set_aside)).execute(&mut *connection).await?;
    for number in partitions_below(connection, cut_ms).await? {
        let drop = sqlx::query("SELECT drop_trades_partition($1)").bind(number.cast_signed());
        drop.execute(&mut *connection).await?;
    }
    let clear = format!("DELETE FROM trades WHERE {below_cut}");
    sqlx::raw_sql(AssertSqlSafe(clear)).execute(&mut *connection).await?;
    let kept = sqlx::query("INSERT INTO trades SELECT * FROM kept").execute(&mut *connection).await?.rows_affected();
    let (chains, heights): (Vec<String>, Vec<i64>) = rows.into_iter().unzip();
    sqlx::query(
        "INSERT INTO floors (chain, height) SELECT * FROM UNNEST($1::text[], $2::bigint[])
         ON CONFLICT (chain) DO UPDATE SET height = GREATEST(floors.height, excluded.height)",
    )
    .bind(chains)
    .bind(heights)
    .execute(&mut *connection)
    .await?;
    let cut = sqlx::query("UPDATE retention SET cut_ms = $1").bind(cut_ms.cast_signed());
    cut.execute(connection).await?;
    Ok(PruneOutcome::Done { kept })
}

/// The numbers of the partitions that end at or before a cut.
async fn partitions_below(connection: &mut PgConnection, cut_ms: u64) -> Result<Vec<u64>, sqlx::Error> {
    let children = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'trades'::regclass ORDER BY c.relname";
    let names: Vec<String> = sqlx::query_scalar(children).fetch_all(connection).await?;
    let numbers = names.iter().filter_map(|name| name.strip_prefix("trades_")?.parse::<u64>().ok());
    Ok(numbers.filter(|number| (number + 1) * TRADE_PERIOD_MS <= cut_ms).collect())
}
