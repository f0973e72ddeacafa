//! Leaderboards on SQLite: summed and ordered in Rust, because SQLite stores amounts as text.

use crate::adapters::rows::{NamedColumns, dollars, realized};
use crate::leaders::{LEADER_MEASURES, LEADER_SPANS, LeaderSpan, TraderFigures, rank_traders};
use sqlx::{AssertSqlSafe, SqlitePool};
use std::collections::HashMap;
use tape::Unavailable;

const INSERT_LEADER: &str = "
    INSERT INTO leaders (span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, proceeds_usd,
        proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd, built_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The figures of one row of users or hours.
const FIGURES: &str = "trader, volume_usd, swaps, fees_usd, realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd,
    basis_without_proceeds_usd, implausible, implausible_usd";

/// Rebuilds all leaderboards.
pub(super) async fn rebuild(pool: &SqlitePool, now_ms: u64) -> Result<bool, Unavailable> {
    let failed = |e| Unavailable::new("rebuild the leaderboards", e);
    let mut spans = vec![];
    for span in LEADER_SPANS {
        spans.push((span, sum_by_trader(pool, span, now_ms).await?));
    }
    let mut boards = vec![];
    for (span, sums) in &spans {
        for measure in LEADER_MEASURES {
            boards.extend(rank_traders(sums, measure).into_iter().map(|leader| (span, measure, leader)));
        }
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::query("DELETE FROM leaders").execute(&mut *transaction).await.map_err(failed)?;
    for (span, measure, (rank, trader, figures)) in boards {
        sqlx::query(INSERT_LEADER)
            .bind(span.name())
            .bind(measure.name())
            .bind(rank)
            .bind(trader)
            .bind(figures.volume.to_string())
            .bind(figures.swaps)
            .bind(figures.fees.to_string())
            .bind(figures.realized.pnl.to_string())
            .bind(figures.realized.proceeds.to_string())
            .bind(figures.realized.without_basis.to_string())
            .bind(figures.realized.basis_without_proceeds.to_string())
            .bind(figures.implausible)
            .bind(figures.implausible_usd.to_string())
            .bind(now_ms.cast_signed())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

async fn sum_by_trader(
    pool: &SqlitePool,
    span: LeaderSpan,
    now_ms: u64,
) -> Result<HashMap<String, TraderFigures>, Unavailable> {
    let query = match span.first_hour(now_ms) {
        Some(first) => {
            let hours = format!("SELECT {FIGURES} FROM user_hours WHERE hour >= ?");
            sqlx::query(AssertSqlSafe(hours)).bind(first.cast_signed())
        }
        None => sqlx::query(AssertSqlSafe(format!("SELECT {FIGURES} FROM user_totals"))),
    };
    let rows = query.fetch_all(pool).await.map_err(|e| Unavailable::new("read the figures for the leaderboards", e))?;
    let mut sums: HashMap<String, TraderFigures> = HashMap::new();
    for row in &rows {
        let sum = sums.entry(row.text("trader")?).or_default();
        sum.volume += &dollars(row, "volume_usd")?;
        sum.swaps += row.int("swaps")?;
        sum.fees += &dollars(row, "fees_usd")?;
        sum.realized.add(&realized(row)?);
        sum.implausible += row.int("implausible")?;
        sum.implausible_usd += &dollars(row, "implausible_usd")?;
    }
    Ok(sums)
}
