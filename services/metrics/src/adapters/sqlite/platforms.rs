//! What platforms were used for in changed hours, in SQLite: written in place of what was there, and summed up in Rust.

use super::flows::{bind_hour, dollars};
use crate::adapters::columns::to_bigint;
use crate::adapters::flow_rows::{ChangedHour, PlatformHour, platform_hours};
use crate::leaders::{LEADER_SPANS, LeaderMeasure, LeaderSpan, MAX_LEADERS, PLATFORM_MEASURES};
use metrics_domain::{Dollars, PlatformFigures, PlatformKey};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Replaces the figures of an hour, says who has traded through which platform, and notes the day.
pub(super) async fn replace_hour(
    connection: &mut SqliteConnection,
    hour: &ChangedHour,
    figures: &BTreeMap<PlatformKey, PlatformFigures>,
) -> Result<(), sqlx::Error> {
    let delete = "DELETE FROM platform_hours WHERE trader = ? AND chain = ? AND hour = ? RETURNING platform";
    let gone = bind_hour(delete, hour).fetch_all(&mut *connection).await?;
    let mut platforms: BTreeSet<String> = gone.iter().map(|row| row.get(0)).collect();
    for PlatformHour { hour, key, figures } in platform_hours(std::slice::from_ref(hour), std::slice::from_ref(figures))
    {
        platforms.insert(key.platform.clone());
        let insert = bind_hour("INSERT INTO platform_hours VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", hour);
        let insert = insert.bind(key.platform.clone()).bind(key.asset.clone()).bind(figures.swaps);
        let insert = insert.bind(figures.unvalued).bind(figures.volume.to_string()).bind(figures.fees.to_string());
        insert.execute(&mut *connection).await?;
    }
    for platform in platforms {
        let trader = &*hour.user.trader;
        let change = if has_traded(connection, &platform, trader).await? {
            "INSERT OR IGNORE INTO platform_users VALUES (?, ?)"
        } else {
            "DELETE FROM platform_users WHERE platform = ? AND trader = ?"
        };
        sqlx::query(change).bind(&platform).bind(trader).execute(&mut *connection).await?;
        let note = sqlx::query("INSERT OR IGNORE INTO platform_changes VALUES (?, ?, ?)").bind(&platform);
        note.bind(&*hour.user.chain).bind(to_bigint(hour.hour / 24)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Sums up the days that were noted, and the platforms that they are of.
pub(super) async fn sum_up(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let days = "DELETE FROM platform_changes RETURNING platform, chain, day";
    let days: Vec<(String, String, i64)> = sqlx::query_as(days).fetch_all(&mut *transaction).await?;
    for (platform, chain, day) in &days {
        sum_up_day(&mut transaction, platform, chain, *day).await?;
    }
    let platforms: BTreeSet<&String> = days.iter().map(|(platform, ..)| platform).collect();
    for platform in platforms {
        sum_up_platform(&mut transaction, platform).await?;
    }
    transaction.commit().await
}

async fn has_traded(connection: &mut SqliteConnection, platform: &str, trader: &str) -> Result<bool, sqlx::Error> {
    let query = "SELECT EXISTS (SELECT 1 FROM platform_hours WHERE trader = ? AND platform = ?)";
    sqlx::query_scalar(query).bind(trader).bind(platform).fetch_one(connection).await
}

async fn sum_up_day(
    connection: &mut SqliteConnection,
    platform: &str,
    chain: &str,
    day: i64,
) -> Result<(), sqlx::Error> {
    let delete = sqlx::query("DELETE FROM platform_days WHERE platform = ? AND day = ? AND chain = ?");
    delete.bind(platform).bind(day).bind(chain).execute(&mut *connection).await?;
    let hours = "SELECT swaps, unvalued, volume_usd, fees_usd, asset, trader FROM platform_hours
                 WHERE platform = ?1 AND chain = ?2 AND hour >= ?3 * 24 AND hour < (?3 + 1) * 24";
    let hours = sqlx::query(hours).bind(platform).bind(chain).bind(day).fetch_all(&mut *connection).await?;
    let mut sums: BTreeMap<&str, (PlatformFigures, BTreeSet<&str>)> = BTreeMap::new();
    for row in &hours {
        let (sum, users) = sums.entry(row.get(4)).or_default();
        sum.add(&figures(row)?);
        users.insert(row.get(5));
    }
    for (asset, (sum, users)) in sums {
        let insert = sqlx::query("INSERT INTO platform_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let insert = insert.bind(platform).bind(day).bind(chain).bind(asset).bind(to_bigint(users.len() as u64));
        let insert = insert.bind(sum.swaps).bind(sum.unvalued).bind(sum.volume.to_string());
        insert.bind(sum.fees.to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// One without days has no row.
async fn sum_up_platform(connection: &mut SqliteConnection, platform: &str) -> Result<(), sqlx::Error> {
    let delete = sqlx::query("DELETE FROM platforms WHERE platform = ?").bind(platform);
    delete.execute(&mut *connection).await?;
    let days = "SELECT swaps, unvalued, volume_usd, fees_usd FROM platform_days WHERE platform = ? AND asset = ''";
    let days = sqlx::query(days).bind(platform).fetch_all(&mut *connection).await?;
    if days.is_empty() {
        return Ok(());
    }
    let mut sum = PlatformFigures::default();
    for row in &days {
        sum.add(&figures(row)?);
    }
    let users = "SELECT count(*) FROM platform_users WHERE platform = ?";
    let users: i64 = sqlx::query_scalar(users).bind(platform).fetch_one(&mut *connection).await?;
    let insert = sqlx::query("INSERT INTO platforms VALUES (?, ?, ?, ?, ?, ?)").bind(platform).bind(users);
    let insert = insert.bind(sum.swaps).bind(sum.unvalued).bind(sum.volume.to_string()).bind(sum.fees.to_string());
    insert.execute(connection).await?;
    Ok(())
}

/// By platform, what each user used it for.
pub(super) type UserFigures = BTreeMap<String, BTreeMap<String, PlatformFigures>>;

/// What every platform was used for, user by user, in each span of time.
pub(super) async fn sums_of_users(
    pool: &SqlitePool,
    now_ms: u64,
) -> Result<Vec<(LeaderSpan, UserFigures)>, sqlx::Error> {
    let mut spans = vec![];
    for span in LEADER_SPANS {
        let hours = "SELECT swaps, unvalued, volume_usd, fees_usd, platform, trader FROM platform_hours
                     WHERE asset = '' AND hour >= ?";
        let first_hour = to_bigint(span.first_hour(now_ms).unwrap_or(0));
        let mut sums = UserFigures::new();
        for row in &sqlx::query(hours).bind(first_hour).fetch_all(pool).await? {
            sums.entry(row.get(4)).or_default().entry(row.get(5)).or_default().add(&figures(row)?);
        }
        spans.push((span, sums));
    }
    Ok(spans)
}

/// Ranks the users of every platform by these sums.
pub(super) async fn rank_users(
    connection: &mut SqliteConnection,
    spans: &[(LeaderSpan, UserFigures)],
    now_ms: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM platform_leaders").execute(&mut *connection).await?;
    for (span, platforms) in spans {
        for measure in PLATFORM_MEASURES {
            for (platform, users) in platforms {
                for (rank, (trader, of)) in (1_i64..).zip(ranked(users, measure)) {
                    let insert = sqlx::query("INSERT INTO platform_leaders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
                    let insert = insert.bind(platform).bind(span.name()).bind(measure.name()).bind(rank).bind(trader);
                    let insert = insert.bind(of.swaps).bind(of.unvalued).bind(of.volume.to_string());
                    let insert = insert.bind(of.fees.to_string()).bind(to_bigint(now_ms));
                    insert.execute(&mut *connection).await?;
                }
            }
        }
    }
    Ok(())
}

/// The users with the most first, those without any left out.
fn ranked(users: &BTreeMap<String, PlatformFigures>, measure: LeaderMeasure) -> Vec<(&String, &PlatformFigures)> {
    let figure =
        |of: &PlatformFigures| if measure == LeaderMeasure::Fees { of.fees.clone() } else { of.volume.clone() };
    let mut ranked: Vec<_> = users.iter().filter(|(_, of)| figure(of) != Dollars::ZERO).collect();
    ranked.sort_by_cached_key(|(trader, of)| (Reverse(figure(of)), (*trader).clone()));
    ranked.truncate(MAX_LEADERS);
    ranked
}

/// The first four columns of a row.
fn figures(row: &SqliteRow) -> Result<PlatformFigures, sqlx::Error> {
    let (volume, fees) = (dollars(row.get(2))?, dollars(row.get(3))?);
    Ok(PlatformFigures { swaps: row.get(0), unvalued: row.get(1), volume, fees })
}
