//! Leaderboards on SQLite: summed and ordered in Rust, because SQLite stores amounts as text.

use super::{flows, platforms};
use crate::adapters::flow_rows::MAX_REFRESHES;
use crate::adapters::rows::{NamedColumns, dollars, realized};
use crate::leaders::{LEADER_MEASURES, LEADER_SPANS, LeaderSpan, TraderFigures, rank_traders};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqlitePool};
use std::collections::HashMap;
use tape::Unavailable;

const INSERT_LEADER: &str = "
    INSERT INTO leaders (span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, proceeds_usd,
        proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd, net_volume_usd, wash_usd,
        counterparties, built_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The figures of one row of users or hours.
const FIGURES: &str = "trader, volume_usd, swaps, fees_usd, realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd,
    basis_without_proceeds_usd, implausible, implausible_usd";

/// What was traded through pools in which nobody else has a live trade.
const SELECT_SOLE_VOLUMES: &str = "
    SELECT h.trader, h.volume_usd FROM leader_pool_hours h
    JOIN (SELECT chain, pool FROM leader_pool_traders GROUP BY chain, pool HAVING count(*) = 1) s
        ON s.chain = h.chain AND s.pool = h.pool";

/// Rebuilds all leaderboards.
pub(super) async fn rebuild(pool: &SqlitePool, now_ms: u64) -> Result<bool, Unavailable> {
    let failed = |e| Unavailable::new("rebuild the leaderboards", e);
    for _ in 0..MAX_REFRESHES {
        if flows::refresh_some(pool).await.map_err(failed)? == 0 {
            break;
        }
    }
    platforms::sum_up(pool).await.map_err(failed)?;
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
    let users_of_platforms = platforms::sums_of_users(pool, now_ms).await.map_err(failed)?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    platforms::rank_users(&mut transaction, &users_of_platforms, now_ms).await.map_err(failed)?;
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
            .bind(figures.net_volume.to_string())
            .bind(figures.wash.to_string())
            .bind(figures.counterparties)
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
    let first = span.first_hour(now_ms);
    let rows = |query: String| async move {
        let query = sqlx::query(AssertSqlSafe(query)).bind(first.unwrap_or(0).cast_signed());
        query.fetch_all(pool).await.map_err(|e| Unavailable::new("read the figures for the leaderboards", e))
    };
    let [figures, flows] = match first {
        Some(_) => ["user_hours WHERE hour >= ?1", "leader_hours WHERE hour >= ?1"],
        None => ["user_totals WHERE ?1 = 0", "leader_users WHERE ?1 = 0"],
    };
    let mut sums: HashMap<String, TraderFigures> = HashMap::new();
    for row in &rows(format!("SELECT {FIGURES} FROM {figures}")).await? {
        let sum = sums.entry(row.text("trader")?).or_default();
        sum.volume += &dollars(row, "volume_usd")?;
        sum.swaps += row.int("swaps")?;
        sum.fees += &dollars(row, "fees_usd")?;
        sum.realized.add(&realized(row)?);
        sum.implausible += row.int("implausible")?;
        sum.implausible_usd += &dollars(row, "implausible_usd")?;
    }
    let mut add = |rows: Vec<SqliteRow>, add: fn(&mut TraderFigures, &SqliteRow) -> Result<(), Unavailable>| {
        rows.iter().try_for_each(|row| match sums.get_mut(&row.text("trader")?) {
            Some(sum) => add(sum, row),
            None => Ok(()),
        })
    };
    let columns = "trader, net_volume_usd, there_and_back_usd";
    add(rows(format!("SELECT {columns} FROM {flows}")).await?, |sum, row| {
        sum.net_volume += &dollars(row, "net_volume_usd")?;
        sum.wash += &dollars(row, "there_and_back_usd")?;
        Ok(())
    })?;
    add(rows(format!("{SELECT_SOLE_VOLUMES} WHERE h.hour >= ?1")).await?, |sum, row| {
        sum.wash += &dollars(row, "volume_usd")?;
        Ok(())
    })?;
    let counterparties = "SELECT trader, count(*) AS pools FROM leader_pool_traders WHERE ?1 >= 0 GROUP BY trader";
    add(rows(counterparties.to_owned()).await?, |sum, row| {
        sum.counterparties = row.int("pools")?;
        Ok(())
    })?;
    Ok(sums)
}
