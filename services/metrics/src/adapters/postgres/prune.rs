//! Dropping old trades: whole partitions go, but for the rows that books are folded on from.

use crate::adapters::needed::{below, needed};
use metrics_domain::Method;
use metrics_domain::retention::{Pruned, SPAN_MS, not_final};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One instance at a time.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.prune'))";
/// Commits share this; they wait while trades are dropped, and then see the new cut.
const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.retention'))";

pub(super) async fn prune(
    pool: &PgPool,
    method: Method,
    cut_ms: u64,
    finalized: &BTreeMap<String, u64>,
) -> Result<Pruned, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let pruned = within(&mut transaction, method, cut_ms, finalized).await;
    if matches!(pruned, Ok(Pruned::Done { .. })) {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    pruned
}

async fn within(
    connection: &mut PgConnection,
    method: Method,
    cut_ms: u64,
    finalized: &BTreeMap<String, u64>,
) -> Result<Pruned, sqlx::Error> {
    if !sqlx::query_scalar::<_, bool>(LOCK).fetch_one(&mut *connection).await? {
        return Ok(Pruned::Nothing);
    }
    let before: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut_ms.cast_signed() <= before {
        return Ok(Pruned::Nothing);
    }
    // Whole partitions are read here.
    sqlx::raw_sql("SET LOCAL enable_seqscan = on").execute(&mut *connection).await?;
    sqlx::query(ALONE).execute(&mut *connection).await?;
    let below = below(cut_ms);
    let highest = format!("SELECT chain, max(height) FROM trades WHERE {below} GROUP BY chain");
    let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(highest)).fetch_all(&mut *connection).await?;
    let heights: BTreeMap<Arc<str>, u64> =
        rows.iter().map(|(chain, height)| (chain.as_str().into(), height.cast_unsigned())).collect();
    if let Some(not_final) = not_final(&heights, finalized) {
        return Ok(not_final);
    }
    let aside = format!(
        "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
             SELECT t.* FROM trades t JOIN ({}) n USING (block_time_ms, trade_id, trader)",
        needed(cut_ms, method)
    );
    sqlx::raw_sql(AssertSqlSafe(aside)).execute(&mut *connection).await?;
    for number in partitions(connection, cut_ms).await? {
        let drop = format!("ALTER TABLE trades DETACH PARTITION trades_{number}; DROP TABLE trades_{number}");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *connection).await?;
    }
    let clear = format!("DELETE FROM trades WHERE {below}");
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
    Ok(Pruned::Done { kept })
}

/// The partitions that end at or before a cut, by number.
async fn partitions(connection: &mut PgConnection, cut_ms: u64) -> Result<Vec<u64>, sqlx::Error> {
    let children = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'trades'::regclass ORDER BY c.relname";
    let names: Vec<String> = sqlx::query_scalar(children).fetch_all(connection).await?;
    let numbers = names.iter().filter_map(|name| name.strip_prefix("trades_")?.parse::<u64>().ok());
    Ok(numbers.filter(|number| (number + 1) * SPAN_MS <= cut_ms).collect())
}
