//! Adds to hours and to daily fees without reading them first. Rows that have no trades afterwards are deleted.

use super::{Done, column};
use crate::adapters::columns::{partition_column, text_of, to_bigint};
use crate::adapters::postgres::numeric::Numeric;
use metrics_domain::{BookFacts, Dollars, HourDelta, UserKey};
use migrations::Session as PgConnection;
use std::sync::Arc;

const ADD_HOURS: &str = "
    INSERT INTO user_hours AS h (trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd,
        realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd, basis_without_proceeds_usd, implausible, implausible_usd,
        volume_exact_usd, volume_reported_usd, volume_estimated_usd, volume_traced_usd)
    SELECT v.trader, v.chain, v.hour, $1, v.volume, v.swaps, v.unvalued, v.cycles, v.fees,
        v.realized, v.proceeds, v.without_basis, v.without_proceeds,
        v.implausible, v.implausible_usd, v.exact, v.reported, v.estimated,
        v.traced
    FROM UNNEST($2::text[], $3::text[], $4::bigint[], $5::numeric[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::bigint[], $15::numeric[],
        $16::numeric[], $17::numeric[], $18::numeric[], $19::numeric[])
      AS v(trader, chain, hour, volume, swaps, unvalued, cycles, fees, realized, proceeds, without_basis, without_proceeds,
        implausible, implausible_usd, exact, reported, estimated, traced)
    ON CONFLICT (trader, chain, hour) DO UPDATE SET partition = excluded.partition,
        volume_usd = trim_scale(h.volume_usd + excluded.volume_usd), swaps = h.swaps + excluded.swaps,
        unvalued = h.unvalued + excluded.unvalued, cycles = h.cycles + excluded.cycles,
        fees_usd = trim_scale(h.fees_usd + excluded.fees_usd),
        realized_pnl_usd = trim_scale(h.realized_pnl_usd + excluded.realized_pnl_usd),
        proceeds_usd = trim_scale(h.proceeds_usd + excluded.proceeds_usd),
        proceeds_without_basis_usd = trim_scale(h.proceeds_without_basis_usd + excluded.proceeds_without_basis_usd),
        basis_without_proceeds_usd = trim_scale(h.basis_without_proceeds_usd + excluded.basis_without_proceeds_usd),
        implausible = h.implausible + excluded.implausible,
        implausible_usd = trim_scale(h.implausible_usd + excluded.implausible_usd),
        volume_exact_usd = trim_scale(h.volume_exact_usd + excluded.volume_exact_usd),
        volume_reported_usd = trim_scale(h.volume_reported_usd + excluded.volume_reported_usd),
        volume_estimated_usd = trim_scale(h.volume_estimated_usd + excluded.volume_estimated_usd),
        volume_traced_usd = trim_scale(h.volume_traced_usd + excluded.volume_traced_usd)";

const DELETE_EMPTY_HOURS: &str = "
    DELETE FROM user_hours h USING UNNEST($1::text[], $2::text[], $3::bigint[]) AS v(trader, chain, hour)
    WHERE h.trader = v.trader AND h.chain = v.chain AND h.hour = v.hour AND h.swaps = 0 AND h.cycles = 0";

pub(super) async fn add_hours(connection: &mut PgConnection, facts: &BookFacts) -> Done {
    let hours = &facts.hours;
    if hours.is_empty() {
        return Ok(());
    }
    let user = |of: fn(&UserKey) -> &Arc<str>| column(hours, |(key, _)| text_of(of(&key.user)));
    let dollars = |of: fn(&HourDelta) -> &Dollars| column(hours, |(_, delta)| Numeric(of(delta)));
    let hour_numbers = column(hours, |(key, _)| to_bigint(key.hour));
    sqlx::query(ADD_HOURS)
        .bind(partition_column(facts))
        .bind(user(|user| &user.trader))
        .bind(user(|user| &user.chain))
        .bind(&hour_numbers)
        .bind(dollars(|delta| &delta.volume))
        .bind(column(hours, |(_, delta)| delta.swaps))
        .bind(column(hours, |(_, delta)| delta.unvalued))
        .bind(column(hours, |(_, delta)| delta.cycles))
        .bind(dollars(|delta| &delta.fees))
        .bind(dollars(|delta| &delta.realized.pnl))
        .bind(dollars(|delta| &delta.realized.proceeds))
        .bind(dollars(|delta| &delta.realized.without_basis))
        .bind(dollars(|delta| &delta.realized.basis_without_proceeds))
        .bind(column(hours, |(_, delta)| delta.implausible))
        .bind(dollars(|delta| &delta.implausible_usd))
        .bind(dollars(|delta| &delta.by_confidence.exact))
        .bind(dollars(|delta| &delta.by_confidence.reported))
        .bind(dollars(|delta| &delta.by_confidence.estimated))
        .bind(dollars(|delta| &delta.by_confidence.traced))
        .execute(&mut *connection)
        .await?;
    // Only hours that lose trades can become empty.
    if hours.iter().any(|(_, delta)| delta.swaps < 0 || delta.cycles < 0) {
        let delete = sqlx::query(DELETE_EMPTY_HOURS).bind(user(|user| &user.trader)).bind(user(|user| &user.chain));
        delete.bind(hour_numbers).execute(connection).await?;
    }
    Ok(())
}

const ADD_FEES: &str = "
    INSERT INTO fees AS f (trader, chain, platform, day, partition, trades, fees_usd)
    SELECT v.trader, v.chain, v.platform, v.day, $1, v.trades, v.usd
    FROM UNNEST($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::numeric[])
        AS v(trader, chain, platform, day, trades, usd)
    ON CONFLICT (trader, chain, platform, day) DO UPDATE SET partition = excluded.partition,
        trades = f.trades + excluded.trades, fees_usd = trim_scale(f.fees_usd + excluded.fees_usd)";

const DELETE_EMPTY_FEES: &str = "
    DELETE FROM fees f USING UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[]) AS v(trader, chain, platform, day)
    WHERE f.trader = v.trader AND f.chain = v.chain AND f.platform = v.platform AND f.day = v.day AND f.trades = 0";

pub(super) async fn add_fees(connection: &mut PgConnection, facts: &BookFacts) -> Done {
    let fees = &facts.fees;
    if fees.is_empty() {
        return Ok(());
    }
    let user = |of: fn(&UserKey) -> &Arc<str>| column(fees, |(key, _)| text_of(of(&key.user)));
    let platforms = column(fees, |(key, _)| key.platform.as_str());
    let days = column(fees, |(key, _)| to_bigint(key.day));
    sqlx::query(ADD_FEES)
        .bind(partition_column(facts))
        .bind(user(|user| &user.trader))
        .bind(user(|user| &user.chain))
        .bind(&platforms)
        .bind(&days)
        .bind(column(fees, |(_, delta)| delta.trades))
        .bind(column(fees, |(_, delta)| Numeric(&delta.usd)))
        .execute(&mut *connection)
        .await?;
    if fees.iter().any(|(_, delta)| delta.trades < 0) {
        let delete = sqlx::query(DELETE_EMPTY_FEES).bind(user(|user| &user.trader)).bind(user(|user| &user.chain));
        delete.bind(platforms).bind(days).execute(connection).await?;
    }
    Ok(())
}
