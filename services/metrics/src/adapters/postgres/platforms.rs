//! What platforms were used for in changed hours, in PostgreSQL: written in place of what was there, and summed up.

use super::flows::{TRY_LOCK_FLOWS, bind_hours};
use super::write::column;
use crate::adapters::columns::{text_of, to_bigint};
use crate::adapters::flow_rows::{ChangedHour, PlatformHour, platform_hours};
use crate::leaders::{LEADER_SPANS, MAX_LEADERS, PLATFORM_MEASURES};
use metrics_domain::{PlatformFigures, PlatformKey};
use migrations::{Session as PgConnection, Sessions};
use sqlx::{AssertSqlSafe, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Platform, chain and day.
type Day = (String, String, i64);

const DELETE_HOURS: &str = "
    DELETE FROM platform_hours h USING UNNEST($1::text[], $2::text[], $3::bigint[]) AS k(trader, chain, hour)
    WHERE h.trader = k.trader AND h.chain = k.chain AND h.hour = k.hour
    RETURNING h.platform, h.chain, h.hour / 24, h.trader";

const INSERT_HOURS: &str = "
    INSERT INTO platform_hours (trader, chain, hour, platform, asset, swaps, unvalued, volume_usd, fees_usd)
    SELECT k.trader, k.chain, k.hour, k.platform, k.asset, k.swaps, k.unvalued, k.volume::numeric, k.fees::numeric
    FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
        $9::text[]) AS k(trader, chain, hour, platform, asset, swaps, unvalued, volume, fees)";

const NOTE_DAYS: &str = "
    INSERT INTO platform_changes (platform, chain, day)
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[]) ON CONFLICT DO NOTHING";

/// Days that are summed up in one transaction.
const TAKE_DAYS: &str = "
    DELETE FROM platform_changes c USING (SELECT platform, chain, day FROM platform_changes LIMIT 200) k
    WHERE c.platform = k.platform AND c.chain = k.chain AND c.day = k.day RETURNING c.platform, c.chain, c.day";

/// Sums up the hours of these days anew.
const REPLACE_DAYS: [&str; 2] = [
    "DELETE FROM platform_days d USING UNNEST($1::text[], $2::text[], $3::bigint[]) AS k(platform, chain, day)
     WHERE d.platform = k.platform AND d.chain = k.chain AND d.day = k.day",
    "INSERT INTO platform_days (platform, day, chain, asset, users, swaps, unvalued, volume_usd, fees_usd)
     SELECT k.platform, k.day, k.chain, h.asset, count(DISTINCT h.trader), sum(h.swaps)::bigint, sum(h.unvalued)::bigint,
         trim_scale(sum(h.volume_usd)), trim_scale(sum(h.fees_usd))
     FROM UNNEST($1::text[], $2::text[], $3::bigint[]) AS k(platform, chain, day)
     JOIN platform_hours h ON h.platform = k.platform AND h.chain = k.chain AND h.hour >= k.day * 24
         AND h.hour < (k.day + 1) * 24
     GROUP BY k.platform, k.day, k.chain, h.asset",
];

/// Says again who of these has traded through which platform.
const REPLACE_USERS: [&str; 2] = [
    "DELETE FROM platform_users u USING UNNEST($1::text[], $2::text[]) AS k(platform, trader)
     WHERE u.platform = k.platform AND u.trader = k.trader AND NOT EXISTS (SELECT 1 FROM platform_hours h
         WHERE h.trader = k.trader AND h.platform = k.platform)",
    "INSERT INTO platform_users (platform, trader)
     SELECT k.platform, k.trader FROM UNNEST($1::text[], $2::text[]) AS k(platform, trader)
     WHERE EXISTS (SELECT 1 FROM platform_hours h WHERE h.trader = k.trader AND h.platform = k.platform)
     ON CONFLICT DO NOTHING",
];

/// Sums up these platforms anew; one without days has no row.
const REPLACE_SUMS: [&str; 2] = [
    "DELETE FROM platforms WHERE platform = ANY ($1::text[])",
    "INSERT INTO platforms (platform, users, swaps, unvalued, volume_usd, fees_usd)
     SELECT d.platform, (SELECT count(*) FROM platform_users u WHERE u.platform = d.platform), sum(d.swaps)::bigint,
         sum(d.unvalued)::bigint, trim_scale(sum(d.volume_usd)), trim_scale(sum(d.fees_usd))
     FROM platform_days d WHERE d.platform = ANY ($1::text[]) AND d.asset = '' GROUP BY d.platform",
];

/// Replaces the figures of these hours, and notes the days that they are part of.
pub(super) async fn replace(
    connection: &mut PgConnection,
    hours: &[ChangedHour],
    figures: &[BTreeMap<PlatformKey, PlatformFigures>],
) -> Result<(), sqlx::Error> {
    let gone = bind_hours(DELETE_HOURS, hours).fetch_all(&mut *connection).await?;
    let rows: Vec<PlatformHour<'_>> = platform_hours(hours, figures).collect();
    if gone.is_empty() && rows.is_empty() {
        return Ok(());
    }
    insert_hours(connection, &rows).await?;
    let (mut days, mut users) = (BTreeSet::new(), BTreeSet::new());
    for row in &gone {
        let platform: String = row.get(0);
        days.insert((platform.clone(), row.get::<String, _>(1), row.get::<i64, _>(2)));
        users.insert((platform, row.get::<String, _>(3)));
    }
    for PlatformHour { hour, key, .. } in &rows {
        days.insert((key.platform.clone(), text_of(&hour.user.chain).to_owned(), to_bigint(hour.hour / 24)));
        users.insert((key.platform.clone(), text_of(&hour.user.trader).to_owned()));
    }
    let (days, users): (Vec<_>, Vec<_>) = (days.into_iter().collect(), users.into_iter().collect());
    bind_days(NOTE_DAYS, &days).execute(&mut *connection).await?;
    for statement in REPLACE_USERS {
        sqlx::query(statement)
            .bind(column(&users, |(platform, _)| platform.clone()))
            .bind(column(&users, |(_, trader)| trader.clone()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Sums up some of the days that were noted; returns how many there were.
pub(super) async fn sum_up_some(pool: &Sessions) -> Result<usize, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    if !sqlx::query_scalar::<_, bool>(TRY_LOCK_FLOWS).fetch_one(&mut *transaction).await? {
        transaction.rollback().await?;
        return Ok(0);
    }
    let days: Vec<Day> = sqlx::query_as(TAKE_DAYS).fetch_all(&mut *transaction).await?;
    if !days.is_empty() {
        for statement in REPLACE_DAYS {
            bind_days(statement, &days).execute(&mut *transaction).await?;
        }
        let platforms: BTreeSet<&String> = days.iter().map(|(platform, ..)| platform).collect();
        let platforms: Vec<String> = platforms.into_iter().cloned().collect();
        for statement in REPLACE_SUMS {
            sqlx::query(statement).bind(&platforms).execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(days.len())
}

/// Ranks the users of every platform anew, in each span of time.
pub(super) async fn rank_users(connection: &mut PgConnection, now_ms: u64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM platform_leaders").execute(&mut *connection).await?;
    let boards = PLATFORM_MEASURES.map(|measure| {
        let (name, column) = (measure.name(), measure.column());
        format!(
            "SELECT '{name}'::text AS measure, row_number() OVER (PARTITION BY platform ORDER BY {column} DESC, trader)
                AS rank, s.* FROM sums s WHERE {column} <> 0"
        )
    });
    let insert = format!(
        "WITH sums AS MATERIALIZED (SELECT platform, trader, sum(swaps)::bigint AS swaps,
                sum(unvalued)::bigint AS unvalued, trim_scale(sum(volume_usd)) AS volume_usd,
                trim_scale(sum(fees_usd)) AS fees_usd
            FROM platform_hours WHERE asset = '' AND hour >= $3 GROUP BY platform, trader)
         INSERT INTO platform_leaders (platform, span, measure, rank, trader, swaps, unvalued, volume_usd, fees_usd,
            built_at_ms)
         SELECT b.platform, $1, b.measure, b.rank, b.trader, b.swaps, b.unvalued, b.volume_usd, b.fees_usd, $2
         FROM ({}) b WHERE b.rank <= {MAX_LEADERS}",
        boards.join(" UNION ALL ")
    );
    for span in LEADER_SPANS {
        let first_hour = span.first_hour(now_ms).unwrap_or(0);
        let insert = sqlx::query(AssertSqlSafe(insert.clone())).bind(span.name()).bind(to_bigint(now_ms));
        insert.bind(to_bigint(first_hour)).execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind_days<'q>(
    query: &'static str,
    days: &[Day],
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(query)
        .bind(column(days, |(platform, ..)| platform.clone()))
        .bind(column(days, |(_, chain, _)| chain.clone()))
        .bind(column(days, |(.., day)| *day))
}

async fn insert_hours(connection: &mut PgConnection, rows: &[PlatformHour<'_>]) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT_HOURS)
        .bind(column(rows, |row| text_of(&row.hour.user.trader)))
        .bind(column(rows, |row| text_of(&row.hour.user.chain)))
        .bind(column(rows, |row| to_bigint(row.hour.hour)))
        .bind(column(rows, |row| row.key.platform.clone()))
        .bind(column(rows, |row| row.key.asset.clone()))
        .bind(column(rows, |row| row.figures.swaps))
        .bind(column(rows, |row| row.figures.unvalued))
        .bind(column(rows, |row| row.figures.volume.to_string()))
        .bind(column(rows, |row| row.figures.fees.to_string()))
        .execute(connection)
        .await?;
    Ok(())
}
