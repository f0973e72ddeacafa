//! Leaderboards on PostgreSQL: summed, ordered and limited by the server, in one transaction, by one instance at a
//! time.

use crate::leaders::{LEADER_MEASURES, LEADER_SPANS, LeaderSpan, MAX_LEADERS};
use migrations::{Session as PgConnection, Sessions};
use sqlx::AssertSqlSafe;

const TRY_LOCK_LEADERS: &str = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.leaders'))";

/// Rebuilds all leaderboards; returns false when another instance is rebuilding them.
pub(super) async fn rebuild(pool: &Sessions, now_ms: u64) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin_as("ISOLATION LEVEL REPEATABLE READ").await?;
    if !sqlx::query_scalar::<_, bool>(TRY_LOCK_LEADERS).fetch_one(&mut *transaction).await? {
        transaction.rollback().await?;
        return Ok(false);
    }
    sqlx::query("DELETE FROM leaders").execute(&mut *transaction).await?;
    for span in LEADER_SPANS {
        rebuild_span(&mut transaction, span, now_ms).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// Builds the three leaderboards of a span from one pass over its figures.
async fn rebuild_span(connection: &mut PgConnection, span: LeaderSpan, now_ms: u64) -> Result<(), sqlx::Error> {
    let (source, bounds) = match span.hours(now_ms) {
        Some(_) => ("user_hours", "WHERE hour BETWEEN $3 AND $4"),
        None => ("user_totals", "WHERE $3::bigint <= $4::bigint"),
    };
    let boards = LEADER_MEASURES.map(|measure| {
        let (name, column) = (measure.name(), measure.column());
        format!(
            "SELECT '{name}'::text AS measure, row_number() OVER (ORDER BY {column} DESC, trader) AS rank, s.*
             FROM (SELECT * FROM sums WHERE {column} <> 0 ORDER BY {column} DESC, trader LIMIT {MAX_LEADERS}) s"
        )
    });
    let sql = format!(
        "WITH sums AS MATERIALIZED (SELECT trader, trim_scale(sum(volume_usd)) AS volume_usd, sum(swaps)::bigint AS swaps,
                trim_scale(sum(fees_usd)) AS fees_usd, trim_scale(sum(realized_pnl_usd)) AS realized_pnl_usd
            FROM {source} {bounds} GROUP BY trader)
         INSERT INTO leaders (span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms)
         SELECT $1, b.measure, b.rank, b.trader, b.volume_usd, b.swaps, b.fees_usd, b.realized_pnl_usd, $2
         FROM ({}) b",
        boards.join(" UNION ALL ")
    );
    let (from, to) = span.hours(now_ms).unwrap_or((0, 0));
    sqlx::query(AssertSqlSafe(sql))
        .bind(span.name())
        .bind(now_ms.cast_signed())
        .bind(from.cast_signed())
        .bind(to.cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}
