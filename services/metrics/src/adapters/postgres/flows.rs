//! The flows of changed hours in PostgreSQL: calculated again from the live trades, and written in place of the old ones.

use super::platforms;
use super::write::column;
use crate::adapters::columns::{text_of, to_bigint};
use crate::adapters::flow_rows::{
    ChangedHour, MAX_HOURS_AT_ONCE, PoolHour, SELECT_CHANGED_HOURS, hours_at_once, pool_hours,
};
use metrics_domain::{BookFacts, Dollars, FlowTrade, HourFlows, UserKey, platform_figures};
use migrations::{Session as PgConnection, Sessions};
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lets one instance at a time calculate flows.
pub(super) const TRY_LOCK_FLOWS: &str = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.flows'))";

const NOTE_CHANGES: &str = "
    INSERT INTO leader_changes AS c (trader, chain, hour, changes)
    SELECT v.trader, v.chain, v.hour, 1 FROM UNNEST($1::text[], $2::text[], $3::bigint[]) AS v(trader, chain, hour)
    ON CONFLICT (trader, chain, hour) DO UPDATE SET changes = c.changes + 1";

/// Notes which hours these facts change.
pub(super) async fn note_changes(connection: &mut PgConnection, facts: &BookFacts) -> Result<(), sqlx::Error> {
    let hours = facts.changed_hours();
    if hours.is_empty() {
        return Ok(());
    }
    sqlx::query(NOTE_CHANGES)
        .bind(column(&hours, |(user, _)| text_of(&user.trader)))
        .bind(column(&hours, |(user, _)| text_of(&user.chain)))
        .bind(column(&hours, |(_, hour)| to_bigint(*hour)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Calculates the flows of some changed hours again; returns how many there were.
pub(super) async fn refresh_some(pool: &Sessions) -> Result<usize, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    if !sqlx::query_scalar::<_, bool>(TRY_LOCK_FLOWS).fetch_one(&mut *transaction).await? {
        transaction.rollback().await?;
        return Ok(0);
    }
    let hours = changed_hours(&mut transaction).await?;
    if !hours.is_empty() {
        // Read after the counts of changes: what is committed in between is read too, and calculated once more later.
        let trades = trades_of_hours(&mut transaction, &hours).await?;
        let flows: Vec<HourFlows> = trades.iter().map(|trades| HourFlows::from_trades(trades)).collect();
        write(&mut transaction, &hours, &flows).await?;
        let figures: Vec<_> = trades.iter().map(|trades| platform_figures(trades)).collect();
        platforms::replace(&mut transaction, &hours, &figures).await?;
        bind_hours(FORGET_CHANGES, &hours).bind(column(&hours, |hour| hour.changes)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(hours.len())
}

async fn changed_hours(connection: &mut PgConnection) -> Result<Vec<ChangedHour>, sqlx::Error> {
    let query = AssertSqlSafe(format!("{SELECT_CHANGED_HOURS}{MAX_HOURS_AT_ONCE}"));
    Ok(hours_at_once(sqlx::query_as(query).fetch_all(connection).await?))
}

/// The live swaps of each hour.
const SELECT_TRADES_OF_HOURS: &str = "
    SELECT k.n, t.height, t.sold_asset, t.bought_asset, t.notional_usd::text, t.pools, t.platform, t.fee_usd::text,
        t.implausible_usd IS NOT NULL
    FROM UNNEST($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS k(trader, chain, hour, n)
    JOIN trades t ON t.trader = k.trader AND t.block_time_ms >= k.hour * 3600000
        AND t.block_time_ms < (k.hour + 1) * 3600000 AND t.chain = k.chain AND t.status = 'live' AND NOT t.cycle";

async fn trades_of_hours(
    connection: &mut PgConnection,
    hours: &[ChangedHour],
) -> Result<Vec<Vec<FlowTrade>>, sqlx::Error> {
    let rows = bind_hours(SELECT_TRADES_OF_HOURS, hours).fetch_all(connection).await?;
    let mut trades = vec![vec![]; hours.len()];
    for row in rows {
        let dollars = |at: usize| {
            let amount = row.get::<Option<String>, _>(at).map(|text| text.parse::<Dollars>()).transpose();
            amount.map_err(|e| sqlx::Error::Decode(e.into()))
        };
        let trade = FlowTrade {
            height: row.get::<i64, _>(1).cast_unsigned(),
            sold: row.get(2),
            bought: row.get(3),
            worth: dollars(4)?,
            pools: row.get::<&str, _>(5).lines().map(str::to_owned).collect(),
            platform: row.get(6),
            fee: dollars(7)?,
            implausible: row.get(8),
        };
        let at = usize::try_from(row.get::<i64, _>(0) - 1).ok();
        if let Some(of_hour) = at.and_then(|at| trades.get_mut(at)) {
            of_hour.push(trade);
        }
    }
    Ok(trades)
}

/// The old flows of these hours are taken from the sums of their users, the new ones added.
const REPLACE_HOURS: &str = "
    WITH k AS (SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
            AS k(trader, chain, hour, net, back)),
    gone AS (DELETE FROM leader_hours h USING k WHERE h.trader = k.trader AND h.chain = k.chain AND h.hour = k.hour
        RETURNING h.trader, h.chain, -h.net_volume_usd AS net, -h.there_and_back_usd AS back),
    added AS (SELECT trader, chain, net::numeric, back::numeric FROM k)
    INSERT INTO leader_users AS u (trader, chain, net_volume_usd, there_and_back_usd)
    SELECT trader, chain, trim_scale(sum(net)), trim_scale(sum(back))
    FROM (SELECT * FROM gone UNION ALL SELECT * FROM added) d GROUP BY trader, chain
    ON CONFLICT (trader, chain) DO UPDATE SET net_volume_usd = trim_scale(u.net_volume_usd + excluded.net_volume_usd),
        there_and_back_usd = trim_scale(u.there_and_back_usd + excluded.there_and_back_usd)";

/// Hours without trades have no row.
const INSERT_HOURS: &str = "
    INSERT INTO leader_hours (trader, chain, hour, net_volume_usd, there_and_back_usd)
    SELECT k.trader, k.chain, k.hour, k.net::numeric, k.back::numeric
    FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS k(trader, chain, hour, net, back)
    WHERE k.net <> '0' OR k.back <> '0'";

const DELETE_POOL_HOURS: &str = "
    DELETE FROM leader_pool_hours h USING UNNEST($1::text[], $2::text[], $3::bigint[]) AS k(trader, chain, hour)
    WHERE h.trader = k.trader AND h.chain = k.chain AND h.hour = k.hour RETURNING h.chain, h.pool, h.trader";

const INSERT_POOL_HOURS: &str = "
    INSERT INTO leader_pool_hours (chain, pool, trader, hour, volume_usd)
    SELECT k.chain, k.pool, k.trader, k.hour, k.usd::numeric
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) AS k(chain, pool, trader, hour, usd)";

const DELETE_POOL_TRADERS: &str = "
    DELETE FROM leader_pool_traders p USING UNNEST($1::text[], $2::text[], $3::text[]) AS k(chain, pool, trader)
    WHERE p.chain = k.chain AND p.pool = k.pool AND p.trader = k.trader AND NOT EXISTS (SELECT 1 FROM leader_pool_hours h
        WHERE h.chain = k.chain AND h.pool = k.pool AND h.trader = k.trader)";

const INSERT_POOL_TRADERS: &str = "
    INSERT INTO leader_pool_traders (chain, pool, trader)
    SELECT DISTINCT * FROM UNNEST($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING";

/// Waits for no commit that is noting a change just now: such an hour is calculated once more.
const FORGET_CHANGES: &str = "
    WITH done AS (SELECT c.trader, c.chain, c.hour FROM leader_changes c
        JOIN UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k(trader, chain, hour, changes)
            ON c.trader = k.trader AND c.chain = k.chain AND c.hour = k.hour AND c.changes = k.changes
        FOR UPDATE OF c SKIP LOCKED)
    DELETE FROM leader_changes c USING done d WHERE c.trader = d.trader AND c.chain = d.chain AND c.hour = d.hour";

async fn write(connection: &mut PgConnection, hours: &[ChangedHour], flows: &[HourFlows]) -> Result<(), sqlx::Error> {
    let [net, back] =
        [column(flows, |flows| flows.net_volume.to_string()), column(flows, |flows| flows.there_and_back.to_string())];
    for statement in [REPLACE_HOURS, INSERT_HOURS] {
        bind_hours(statement, hours).bind(&net).bind(&back).execute(&mut *connection).await?;
    }
    let gone = bind_hours(DELETE_POOL_HOURS, hours).fetch_all(&mut *connection).await?;
    let gone: BTreeSet<[String; 3]> = gone.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect();
    let rows: Vec<PoolHour<'_>> = pool_hours(hours, flows).collect();
    let each = |of: for<'a> fn(&PoolHour<'a>) -> &'a str| column(&rows, |row| of(row).to_owned());
    let keys = [each(|row| row.chain), each(|row| row.pool), each(|row| row.trader)];
    sqlx::query(INSERT_POOL_HOURS)
        .bind(&keys[0])
        .bind(&keys[1])
        .bind(&keys[2])
        .bind(column(&rows, |row| to_bigint(row.hour)))
        .bind(column(&rows, |row| row.volume.to_string()))
        .execute(&mut *connection)
        .await?;
    let insert = sqlx::query(INSERT_POOL_TRADERS).bind(&keys[0]).bind(&keys[1]).bind(&keys[2]);
    insert.execute(&mut *connection).await?;
    let gone: Vec<[String; 3]> = gone.into_iter().collect();
    let each = |at: usize| column(&gone, |key| key[at].clone());
    let delete = sqlx::query(DELETE_POOL_TRADERS).bind(each(0)).bind(each(1)).bind(each(2));
    delete.execute(&mut *connection).await?;
    Ok(())
}

pub(super) fn bind_hours<'q>(
    query: &'static str,
    hours: &[ChangedHour],
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    let user = |of: fn(&UserKey) -> &Arc<str>| column(hours, |hour| text_of(of(&hour.user)));
    sqlx::query(query)
        .bind(user(|user| &user.trader))
        .bind(user(|user| &user.chain))
        .bind(column(hours, |hour| to_bigint(hour.hour)))
}
