//! What wallets held at the end of each day, and what providers said that assets were worth on it, on PostgreSQL.

use crate::store::{day_of, price_columns, signed};
use migrations::Session as PgConnection;
use portfolio_domain::{Balance, Refresh};

const PUT_BALANCES: &str = "
    INSERT INTO balance_days (chain, address, day, asset, raw, spam)
    SELECT $1, $2, $3, v.asset, v.raw::numeric, v.spam
    FROM UNNEST($4::text[], $5::text[], $6::boolean[]) AS v (asset, raw, spam)
    ON CONFLICT (address, chain, asset, day) DO UPDATE SET raw = EXCLUDED.raw, spam = EXCLUDED.spam";

/// A price of an earlier time is not put in place of a later one. Wallets share these rows, so they are locked in the order of
/// their assets.
const PUT_PRICES: &str = "
    INSERT INTO told_prices AS t (chain, day, asset, provider, price_usd, price_raw, told_at)
    SELECT $1, $2, v.asset, $3, v.usd::numeric, v.raw::numeric, v.at
    FROM UNNEST($4::text[], $5::text[], $6::text[], $7::bigint[]) AS v (asset, usd, raw, at) ORDER BY v.asset
    ON CONFLICT (chain, asset, day) DO UPDATE
    SET provider = EXCLUDED.provider, price_usd = EXCLUDED.price_usd, price_raw = EXCLUDED.price_raw,
        told_at = EXCLUDED.told_at
    WHERE EXCLUDED.told_at >= t.told_at";

/// Stores what changed as of the day of the snapshot, and what it says of prices.
pub(super) async fn store(connection: &mut PgConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let (wallet, changes, day) = (&refresh.job.wallet, &refresh.changes, day_of(refresh.taken_at));
    if !changes.is_empty() {
        sqlx::query(PUT_BALANCES)
            .bind(&*wallet.chain)
            .bind(&*wallet.address)
            .bind(day)
            .bind(changes.iter().map(|change| change.asset.as_str()).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| change.after.to_string()).collect::<Vec<_>>())
            .bind(changes.iter().map(|change| change.decoration.spam).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    let told: Vec<&Balance> = refresh.snapshot.balances().filter(|one| one.price.is_some() && !one.kept).collect();
    if told.is_empty() {
        return Ok(());
    }
    let prices: Vec<_> = told.iter().map(|balance| price_columns(balance.price.as_ref())).collect();
    sqlx::query(PUT_PRICES)
        .bind(&*wallet.chain)
        .bind(day)
        .bind(refresh.provider)
        .bind(told.iter().map(|balance| balance.asset.as_str()).collect::<Vec<_>>())
        .bind(prices.iter().map(|(usd, ..)| usd.clone()).collect::<Vec<_>>())
        .bind(prices.iter().map(|(_, raw, _)| raw.clone()).collect::<Vec<_>>())
        .bind(prices.iter().map(|(.., at)| at.unwrap_or(signed(refresh.taken_at))).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
