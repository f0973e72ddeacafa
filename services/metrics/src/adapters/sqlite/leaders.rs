//! Leaderboards on SQLite: summed and ordered here, because its amounts are texts.

use crate::adapters::columns::{Columns, RowError};
use crate::leaders::{Figures, Measure, Span, ranked};
use sqlx::SqlitePool;
use std::collections::HashMap;
use tape::Unavailable;

/// Rebuilds all boards.
pub(super) async fn rebuild(pool: &SqlitePool, now_ms: u64) -> Result<bool, Unavailable> {
    let failed = |e| Unavailable::new("rebuild the leaderboards", e);
    let mut spans = vec![];
    for span in Span::ALL {
        spans.push((span, sums(pool, span, now_ms).await?));
    }
    let mut boards = vec![];
    for (span, sums) in &spans {
        for measure in Measure::ALL {
            boards.extend(ranked(sums, measure).into_iter().map(|leader| (span, measure, leader)));
        }
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::query("DELETE FROM leaders").execute(&mut *transaction).await.map_err(failed)?;
    for (span, measure, (rank, trader, figures)) in boards {
        sqlx::query("INSERT INTO leaders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(span.name())
            .bind(measure.name())
            .bind(rank)
            .bind(trader)
            .bind(figures.volume.to_string())
            .bind(figures.swaps)
            .bind(figures.fees.to_string())
            .bind(figures.pnl.to_string())
            .bind(now_ms.cast_signed())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

async fn sums(pool: &SqlitePool, span: Span, now_ms: u64) -> Result<HashMap<String, Figures>, Unavailable> {
    let query = match span.hours(now_ms) {
        Some((from, to)) => sqlx::query(
            "SELECT trader, volume_usd, swaps, fees_usd, realized_pnl_usd FROM user_hours WHERE hour BETWEEN ? AND ?",
        )
        .bind(from.cast_signed())
        .bind(to.cast_signed()),
        None => sqlx::query("SELECT trader, volume_usd, swaps, fees_usd, realized_pnl_usd FROM user_totals"),
    };
    let rows = query.fetch_all(pool).await.map_err(|e| Unavailable::new("read the leaders' figures", e))?;
    let mut sums: HashMap<String, Figures> = HashMap::new();
    for row in &rows {
        let sum = sums.entry(row.text("trader")?).or_default();
        sum.volume += &amount(row, "volume_usd")?;
        sum.swaps += row.int("swaps")?;
        sum.fees += &amount(row, "fees_usd")?;
        sum.pnl += &amount(row, "realized_pnl_usd")?;
    }
    Ok(sums)
}

fn amount(row: &impl Columns, column: &'static str) -> Result<metrics_domain::Dollars, RowError> {
    let value = row.text(column)?;
    value.parse().map_err(|_| RowError::Value { column, value })
}
