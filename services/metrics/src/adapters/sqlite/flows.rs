//! The flows of changed hours in SQLite: hour by hour, with sums added up in Rust.

use super::platforms;
use crate::adapters::columns::to_bigint;
use crate::adapters::flow_rows::{
    ChangedHour, MAX_HOURS_AT_ONCE, PoolHour, SELECT_CHANGED_HOURS, hours_at_once, pool_hours,
};
use metrics_domain::{BookFacts, Dollars, FlowTrade, HourFlows, platform_figures};
use sqlx::{AssertSqlSafe, Row, SqliteConnection, SqlitePool};

type Done = Result<(), sqlx::Error>;

/// Notes which hours these facts change.
pub(super) async fn note_changes(connection: &mut SqliteConnection, facts: &BookFacts) -> Done {
    for (user, hour) in facts.changed_hours() {
        let note = "INSERT INTO leader_changes (trader, chain, hour, changes) VALUES (?, ?, ?, 1)
                    ON CONFLICT (trader, chain, hour) DO UPDATE SET changes = changes + 1";
        let note = sqlx::query(note).bind(&*user.trader).bind(&*user.chain).bind(to_bigint(hour));
        note.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Calculates the flows of some changed hours again; returns how many there were.
pub(super) async fn refresh_some(pool: &SqlitePool) -> Result<usize, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let query = AssertSqlSafe(format!("{SELECT_CHANGED_HOURS}{MAX_HOURS_AT_ONCE}"));
    let hours = hours_at_once(sqlx::query_as(query).fetch_all(&mut *transaction).await?);
    for hour in &hours {
        let trades = trades_of_hour(&mut transaction, hour).await?;
        let flows = HourFlows::from_trades(&trades);
        platforms::replace_hour(&mut transaction, hour, &platform_figures(&trades)).await?;
        replace_hour(&mut transaction, hour, &flows).await?;
        replace_pools(&mut transaction, hour, &flows).await?;
        let forget = "DELETE FROM leader_changes WHERE trader = ? AND chain = ? AND hour = ?";
        bind_hour(forget, hour).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(hours.len())
}

/// The live swaps of an hour.
async fn trades_of_hour(connection: &mut SqliteConnection, hour: &ChangedHour) -> Result<Vec<FlowTrade>, sqlx::Error> {
    let query = "SELECT height, sold_asset, bought_asset, notional_usd, pools, platform, fee_usd, implausible_usd IS NOT NULL FROM trades
                 WHERE trader = ?1 AND chain = ?2 AND status = 'live' AND cycle = 0
                 AND block_time_ms >= ?3 * 3600000 AND block_time_ms < (?3 + 1) * 3600000";
    let rows = bind_hour(query, hour).fetch_all(connection).await?;
    let trade = |row: &sqlx::sqlite::SqliteRow| {
        Ok(FlowTrade {
            height: row.get::<i64, _>(0).cast_unsigned(),
            sold: row.get(1),
            bought: row.get(2),
            worth: row.get::<Option<String>, _>(3).as_deref().map(dollars).transpose()?,
            pools: row.get::<&str, _>(4).lines().map(str::to_owned).collect(),
            platform: row.get(5),
            fee: row.get::<Option<String>, _>(6).as_deref().map(dollars).transpose()?,
            implausible: row.get(7),
        })
    };
    rows.iter().map(trade).collect()
}

/// Takes the old flows of an hour from the sums of its user, and adds the new ones. An hour without any has no row.
async fn replace_hour(connection: &mut SqliteConnection, hour: &ChangedHour, flows: &HourFlows) -> Done {
    let delete = "DELETE FROM leader_hours WHERE trader = ? AND chain = ? AND hour = ?
                  RETURNING net_volume_usd, there_and_back_usd";
    let (mut net, mut back) = (flows.net_volume.clone(), flows.there_and_back.clone());
    if let Some(row) = bind_hour(delete, hour).fetch_optional(&mut *connection).await? {
        net -= &dollars(row.get(0))?;
        back -= &dollars(row.get(1))?;
    }
    if flows.net_volume != Dollars::ZERO || flows.there_and_back != Dollars::ZERO {
        let insert = bind_hour("INSERT INTO leader_hours VALUES (?, ?, ?, ?, ?)", hour);
        let insert = insert.bind(flows.net_volume.to_string()).bind(flows.there_and_back.to_string());
        insert.execute(&mut *connection).await?;
    }
    let (trader, chain) = (&*hour.user.trader, &*hour.user.chain);
    let sums = "SELECT net_volume_usd, there_and_back_usd FROM leader_users WHERE trader = ? AND chain = ?";
    let sums = sqlx::query(sums).bind(trader).bind(chain).fetch_optional(&mut *connection).await?;
    if let Some(row) = sums {
        net += &dollars(row.get(0))?;
        back += &dollars(row.get(1))?;
    }
    let replace = sqlx::query("INSERT OR REPLACE INTO leader_users VALUES (?, ?, ?, ?)").bind(trader).bind(chain);
    replace.bind(net.to_string()).bind(back.to_string()).execute(connection).await?;
    Ok(())
}

/// Replaces what was traded through each pool in an hour, and says who has a live trade through it.
async fn replace_pools(connection: &mut SqliteConnection, hour: &ChangedHour, flows: &HourFlows) -> Done {
    let delete = "DELETE FROM leader_pool_hours WHERE trader = ? AND chain = ? AND hour = ? RETURNING pool";
    let gone = bind_hour(delete, hour).fetch_all(&mut *connection).await?;
    for PoolHour { chain, pool, trader, hour, volume } in
        pool_hours(std::slice::from_ref(hour), std::slice::from_ref(flows))
    {
        let insert = sqlx::query("INSERT INTO leader_pool_hours VALUES (?, ?, ?, ?, ?)").bind(chain).bind(pool);
        insert.bind(trader).bind(to_bigint(hour)).bind(volume.to_string()).execute(&mut *connection).await?;
        let insert = sqlx::query("INSERT OR IGNORE INTO leader_pool_traders VALUES (?, ?, ?)");
        insert.bind(chain).bind(pool).bind(trader).execute(&mut *connection).await?;
    }
    for row in gone {
        let delete = "DELETE FROM leader_pool_traders WHERE chain = ?1 AND pool = ?2 AND trader = ?3 AND NOT EXISTS (
                          SELECT 1 FROM leader_pool_hours WHERE chain = ?1 AND pool = ?2 AND trader = ?3)";
        let delete = sqlx::query(delete).bind(&*hour.user.chain).bind(row.get::<String, _>(0)).bind(&*hour.user.trader);
        delete.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) fn bind_hour(
    query: &'static str,
    hour: &ChangedHour,
) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(query).bind(hour.user.trader.to_string()).bind(hour.user.chain.to_string()).bind(to_bigint(hour.hour))
}

pub(super) fn dollars(text: &str) -> Result<Dollars, sqlx::Error> {
    text.parse().map_err(|e: metrics_domain::NotDollars| sqlx::Error::Decode(e.into()))
}
