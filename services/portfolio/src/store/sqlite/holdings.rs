//! Balances and drift on SQLite.

use super::{BEGIN_IMMEDIATE, SqliteStore, days};
use crate::store::{
    BalanceRow, DriftRow, NetRow, UpdateMessage, balance_from_row, drift_from_row, failed, left_out_columns,
    net_from_row, price_columns, shown_from_rows, signed, unsigned,
};
use portfolio_domain::{AssetNet, Balance, Drift, Holdings, Refresh, Replaced, ShownSnapshot, Wallet, drift_from_nets};
use sqlx::SqliteConnection;
use tape::Unavailable;

impl Holdings for SqliteStore {
    async fn shown(&self, wallet: &Wallet) -> Result<ShownSnapshot, Unavailable> {
        let query =
            sqlx::query_as("SELECT provider, left_out, left_out_reason FROM wallets WHERE chain = ? AND address = ?");
        let query = query.bind(&*wallet.chain).bind(&*wallet.address);
        let row = query.fetch_optional(&self.0).await.map_err(failed("read the newest snapshot"))?;
        let query = sqlx::query_as(
            "SELECT provider, asset, symbol, decimals, raw, spam, verified, kept, price_usd, price_raw, price_at FROM balances
             WHERE chain = ? AND address = ? ORDER BY taken_at DESC, provider, asset",
        );
        let query = query.bind(&*wallet.chain).bind(&*wallet.address);
        shown_from_rows(row, query.fetch_all(&self.0).await.map_err(failed("read balances"))?)
    }

    async fn balances_from(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        let query = sqlx::query_as(
            "SELECT provider, asset, symbol, decimals, raw, spam, verified, kept, price_usd, price_raw, price_at FROM balances
             WHERE chain = ? AND address = ? AND provider = ? ORDER BY asset",
        );
        let query = query.bind(&*wallet.chain).bind(&*wallet.address).bind(provider);
        let rows: Vec<BalanceRow> = query.fetch_all(&self.0).await.map_err(failed("read balances"))?;
        rows.into_iter().map(|row| Ok(balance_from_row(row)?.1)).collect()
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        let failed = failed("replace balances");
        let mut transaction = self.0.begin_with(BEGIN_IMMEDIATE).await.map_err(&failed)?;
        if !end_job(&mut transaction, refresh).await.map_err(&failed)? {
            return Ok(Replaced::Lost);
        }
        replace_balances(&mut transaction, refresh).await.map_err(&failed)?;
        days::store(&mut transaction, refresh).await.map_err(&failed)?;
        let drift = drift_from_nets(&refresh.snapshot, &read_nets(&mut transaction, &refresh.job.wallet).await?);
        replace_drift(&mut transaction, refresh, &drift).await.map_err(&failed)?;
        for message in UpdateMessage::from_refresh(refresh) {
            sqlx::query("INSERT INTO outbox (key, event_id, payload) VALUES (?, ?, ?)")
                .bind(message.key)
                .bind(message.event_id)
                .bind(message.payload)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)?;
        Ok(Replaced::Done)
    }

    async fn drift(&self, wallet: &Wallet) -> Result<Vec<Drift>, Unavailable> {
        let query = sqlx::query_as(
            "SELECT asset, symbol, decimals, balance, net FROM drift WHERE chain = ? AND address = ? ORDER BY asset",
        );
        let query = query.bind(&*wallet.chain).bind(&*wallet.address);
        let rows: Vec<DriftRow> = query.fetch_all(&self.0).await.map_err(failed("read drift"))?;
        rows.into_iter().map(drift_from_row).collect()
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<AssetNet>, Unavailable> {
        let mut connection = self.0.acquire().await.map_err(failed("read nets"))?;
        read_nets(&mut connection, wallet).await
    }
}

async fn read_nets(connection: &mut SqliteConnection, wallet: &Wallet) -> Result<Vec<AssetNet>, Unavailable> {
    let query =
        sqlx::query_as("SELECT asset, symbol, decimals, raw FROM nets WHERE chain = ? AND address = ? ORDER BY asset");
    let query = query.bind(&*wallet.chain).bind(&*wallet.address);
    let rows: Vec<NetRow> = query.fetch_all(connection).await.map_err(failed("read nets"))?;
    rows.into_iter().map(net_from_row).collect()
}

/// Replaces the drift of the wallet.
async fn replace_drift(
    connection: &mut SqliteConnection,
    refresh: &Refresh,
    drift: &[Drift],
) -> Result<(), sqlx::Error> {
    let (chain, address) = (&*refresh.job.wallet.chain, &*refresh.job.wallet.address);
    let clear = sqlx::query("DELETE FROM drift WHERE chain = ? AND address = ?");
    clear.bind(chain).bind(address).execute(&mut *connection).await?;
    for one in drift {
        let put = sqlx::query(
            "INSERT INTO drift (chain, address, taken_at, asset, symbol, decimals, balance, net, drift)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let put = put.bind(chain).bind(address).bind(signed(refresh.taken_at)).bind(&one.asset).bind(&one.symbol);
        let put = put.bind(one.decimals).bind(one.balance.to_string()).bind(one.net.to_string());
        put.bind(one.amount().to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Ends the job; a wallet that traded during the refresh waits again. False when the lease is lost.
async fn end_job(connection: &mut SqliteConnection, refresh: &Refresh) -> Result<bool, sqlx::Error> {
    let job = &refresh.job;
    let query = sqlx::query_scalar("SELECT generation FROM queue WHERE chain = ? AND address = ? AND lease = ?");
    let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
    let generation: Option<i64> = query.fetch_optional(&mut *connection).await?;
    let Some(generation) = generation else { return Ok(false) };
    let due_at = if unsigned(generation) == job.generation { refresh.late_again_at } else { Some(refresh.again_at) };
    let late = if unsigned(generation) == job.generation { i64::from(job.late) + 1 } else { 0 };
    let query = match due_at {
        None => sqlx::query("DELETE FROM queue WHERE chain = ?1 AND address = ?2")
            .bind(&*job.wallet.chain)
            .bind(&*job.wallet.address),
        Some(due_at) => sqlx::query(
            "UPDATE queue SET due_at = ?3, asked_at = ?4, late = ?5, attempts = 0, lease = 0, leased_until = 0
             WHERE chain = ?1 AND address = ?2",
        )
        .bind(&*job.wallet.chain)
        .bind(&*job.wallet.address)
        .bind(signed(due_at))
        .bind(signed(refresh.taken_at))
        .bind(late),
    };
    query.execute(connection).await?;
    Ok(true)
}

/// Replaces the provider's balances; those that are absent from the snapshot become zero.
async fn replace_balances(connection: &mut SqliteConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let wallet = &refresh.job.wallet;
    let taken_at = signed(refresh.taken_at);
    sqlx::query(
        "UPDATE balances SET raw = '0', kept = false, taken_at = ?
         WHERE chain = ? AND address = ? AND provider = ? AND raw <> '0'",
    )
    .bind(taken_at)
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(refresh.provider)
    .execute(&mut *connection)
    .await?;
    for balance in refresh.snapshot.balances() {
        let (price_usd, price_raw, price_at) = price_columns(balance.price.as_ref());
        sqlx::query(
            "INSERT INTO balances (chain, address, provider, taken_at, asset, symbol, decimals, raw, spam, verified, kept,
                                   price_usd, price_raw, price_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (chain, address, provider, asset) DO UPDATE
             SET taken_at = excluded.taken_at, symbol = excluded.symbol, decimals = excluded.decimals,
                 raw = excluded.raw, spam = excluded.spam, verified = excluded.verified, kept = excluded.kept,
                 price_usd = excluded.price_usd, price_raw = excluded.price_raw, price_at = excluded.price_at",
        )
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .bind(refresh.provider)
        .bind(taken_at)
        .bind(&balance.asset)
        .bind(&balance.decoration.symbol)
        .bind(balance.decoration.decimals)
        .bind(balance.raw.to_string())
        .bind(balance.decoration.spam)
        .bind(balance.decoration.verified)
        .bind(balance.kept)
        .bind(price_usd)
        .bind(price_raw)
        .bind(price_at)
        .execute(&mut *connection)
        .await?;
    }
    let (left_out, reason) = left_out_columns(refresh);
    sqlx::query(
        "UPDATE wallets SET provider = ?1, taken_at = ?2, asked_at = ?2, left_out = ?3, left_out_reason = ?4,
                            failures = 0, failure = NULL, retry_at = NULL, as_of = ?5
         WHERE chain = ?6 AND address = ?7",
    )
    .bind(refresh.provider)
    .bind(taken_at)
    .bind(left_out)
    .bind(reason)
    .bind(refresh.snapshot.as_of.map(signed))
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .execute(connection)
    .await?;
    Ok(())
}
