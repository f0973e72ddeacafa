//! Leaderboards on PostgreSQL: summed, ordered and limited by the server, in one transaction, by one instance at a
//! time.

use super::{flows, platforms};
use crate::adapters::flow_rows::MAX_REFRESHES;
use crate::leaders::{LEADER_MEASURES, LEADER_SPANS, LeaderSpan, MAX_LEADERS};
use migrations::{Session as PgConnection, Sessions};
use sqlx::AssertSqlSafe;

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
pub(super) async fn rebuild(pool: &Sessions, now_ms: u64) -> Result<bool, sqlx::Error> {
    for _ in 0..MAX_REFRESHES {
        if flows::refresh_some(pool).await? == 0 {
            break;
        }
    }
    for _ in 0..MAX_REFRESHES {
        if platforms::sum_up_some(pool).await? == 0 {
            break;
        }
    }
    let mut transaction = pool.begin_as("ISOLATION LEVEL REPEATABLE READ").await?;
    if !sqlx::query_scalar::<_, bool>(TRY_LOCK_LEADERS).fetch_one(&mut *transaction).await? {
        transaction.rollback().await?;
        return Ok(false);
    }
    sqlx::query("DELETE FROM leaders").execute(&mut *transaction).await?;
    for span in LEADER_SPANS {
        rebuild_span(&mut transaction, span, now_ms).await?;
    }
    platforms::rank_users(&mut transaction, now_ms).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Builds the leaderboards of a span from one pass over its figures.
async fn rebuild_span(connection: &mut PgConnection, span: LeaderSpan, now_ms: u64) -> Result<(), sqlx::Error> {
    let first = span.first_hour(now_ms);
    let [figures, flows] = match first {
        Some(_) => ["user_hours WHERE hour >= $3", "leader_hours WHERE hour >= $3"],
        None => ["user_totals WHERE $3::bigint = 0", "leader_users WHERE $3::bigint = 0"],
    };
    let boards = LEADER_MEASURES.map(|measure| {
        let (name, column, order) = (measure.name(), measure.column(), measure.order());
        format!(
            "SELECT '{name}'::text AS measure, row_number() OVER (ORDER BY {order} DESC, trader) AS rank, s.*
             FROM (SELECT * FROM sums WHERE {column} <> 0 ORDER BY {order} DESC, trader LIMIT {MAX_LEADERS}) s"
        )
    });
    let sums = SUMMED_COLUMNS.map(|column| format!("trim_scale(sum({column})) AS {column}")).join(", ");
    let columns = SUMMED_COLUMNS.map(|column| format!("b.{column}")).join(", ");
    let sql = format!(
        "WITH gross AS (SELECT trader, sum(swaps)::bigint AS swaps, sum(implausible)::bigint AS implausible, {sums}
            FROM {figures} GROUP BY trader),
         flows AS (SELECT trader, sum(net_volume_usd) AS net, sum(there_and_back_usd) AS back FROM {flows}
            GROUP BY trader),
         sole AS (SELECT chain, pool FROM leader_pool_traders GROUP BY chain, pool HAVING count(*) = 1),
         sole_volume AS (SELECT h.trader, sum(h.volume_usd) AS usd FROM sole s
            JOIN leader_pool_hours h ON h.chain = s.chain AND h.pool = s.pool AND h.hour >= $3 GROUP BY h.trader),
         sums AS MATERIALIZED (SELECT g.*, trim_scale(coalesce(f.net, 0)) AS net_volume_usd,
                trim_scale(coalesce(f.back, 0) + coalesce(v.usd, 0)) AS wash_usd
            FROM gross g LEFT JOIN flows f ON f.trader = g.trader LEFT JOIN sole_volume v ON v.trader = g.trader)
         INSERT INTO leaders (span, measure, rank, trader, swaps, implausible, {}, net_volume_usd, wash_usd,
            counterparties, built_at_ms)
         SELECT $1, b.measure, b.rank, b.trader, b.swaps, b.implausible, {columns}, b.net_volume_usd, b.wash_usd,
            (SELECT count(*) FROM leader_pool_traders p WHERE p.trader = b.trader), $2
         FROM ({}) b",
        SUMMED_COLUMNS.join(", "),
        boards.join(" UNION ALL ")
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(span.name())
        .bind(now_ms.cast_signed())
        .bind(first.unwrap_or(0).cast_signed())
        .execute(connection)
        .await?;
    Ok(())
}
