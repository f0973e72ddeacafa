//! Leaderboards on PostgreSQL: summed, ordered and limited by the server, in one transaction, by one instance at a
//! time.

use crate::leaders::{LEADER_MEASURES, LEADER_SPANS, LeaderSpan, MAX_LEADERS};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

const TRY_LOCK_LEADERS: &str = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.leaders'))";

/// The amounts that are summed over hours or users.
const SUMMED_COLUMNS: [&str; 7] = [
    "volume_usd",
    "fees_usd",
    "realized_pnl_usd",
    "proceeds_usd",
    "proceeds_without_basis_usd",
    "basis_without_proceeds_usd",
    "implausible_usd",
];

/// Rebuilds all leaderboards; returns false when another instance is rebuilding them.
pub(super) async fn rebuild(pool: &PgPool, now_ms: u64) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
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
    let (source, bounds) = match span.first_hour(now_ms) {
        Some(_) => ("user_hours", "WHERE hour >= $3"),
        None => ("user_totals", "WHERE $3::bigint IS NULL"),
    };
    let boards = LEADER_MEASURES.map(|measure| {
        let (name, column) = (measure.name(), measure.column());
        format!(
            "SELECT '{name}'::text AS measure, row_number() OVER (ORDER BY {column} DESC, trader) AS rank, s.*
             FROM (SELECT * FROM sums WHERE {column} <> 0 ORDER BY {column} DESC, trader LIMIT {MAX_LEADERS}) s"
        )
    });
    let sums = SUMMED_COLUMNS.map(|column| format!("trim_scale(sum({column})) AS {column}")).join(", ");
    let columns = SUMMED_COLUMNS.join(", ");
    let sql = format!(
        "WITH sums AS MATERIALIZED (SELECT trader, sum(swaps)::bigint AS swaps,
                sum(implausible)::bigint AS implausible, {sums} FROM {source} {bounds}
            GROUP BY trader)
         INSERT INTO leaders (span, measure, rank, trader, swaps, implausible, {columns}, built_at_ms)
         SELECT $1, b.measure, b.rank, b.trader, b.swaps, b.implausible, {columns}, $2 FROM ({}) b",
        boards.join(" UNION ALL ")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(span.name())
        .bind(now_ms.cast_signed())
        .bind(span.first_hour(now_ms).map(u64::cast_signed))
        .execute(connection)
        .await?;
    Ok(())
}
