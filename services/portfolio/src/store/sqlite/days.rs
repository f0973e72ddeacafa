//! What wallets held at the end of each day, and what providers said that assets were worth on it, on SQLite.

use crate::store::{day_of, price_columns, signed};
use portfolio_domain::Refresh;
use sqlx::SqliteConnection;

const PUT_BALANCE: &str = "
    INSERT INTO balance_days (chain, address, day, asset, raw, spam) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (address, chain, asset, day) DO UPDATE SET raw = excluded.raw, spam = excluded.spam";

/// A price of an earlier time is not put in place of a later one.
const PUT_PRICE: &str = "
    INSERT INTO told_prices (chain, day, asset, provider, price_usd, price_raw, told_at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (chain, asset, day) DO UPDATE
    SET provider = excluded.provider, price_usd = excluded.price_usd, price_raw = excluded.price_raw,
        told_at = excluded.told_at
    WHERE excluded.told_at >= told_prices.told_at";

/// Stores what changed as of the day of the snapshot, and what it says of prices.
pub(super) async fn store(connection: &mut SqliteConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let (wallet, day) = (&refresh.job.wallet, day_of(refresh.taken_at));
    for change in &refresh.changes {
        let put = sqlx::query(PUT_BALANCE).bind(&*wallet.chain).bind(&*wallet.address).bind(day).bind(&change.asset);
        put.bind(change.after.to_string()).bind(change.decoration.spam).execute(&mut *connection).await?;
    }
    for balance in refresh.snapshot.balances().filter(|balance| balance.price.is_some() && !balance.kept) {
        let (usd, raw, at) = price_columns(balance.price.as_ref());
        let put = sqlx::query(PUT_PRICE).bind(&*wallet.chain).bind(day).bind(&balance.asset).bind(refresh.provider);
        let put = put.bind(usd).bind(raw).bind(at.unwrap_or(signed(refresh.taken_at)));
        put.execute(&mut *connection).await?;
    }
    Ok(())
}
