//! Balances and drift on PostgreSQL.

use super::{PostgresStore, days};
use crate::store::{
    BalanceRow, DriftRow, NetRow, UpdateMessage, balance_from_row, drift_from_row, failed, left_out_columns,
    net_from_row, price_columns, shown_from_rows, signed, unsigned,
};
use migrations::Session as PgConnection;
use portfolio_domain::{AssetNet, Balance, Drift, Holdings, Refresh, Replaced, ShownSnapshot, Wallet, drift_from_nets};
use tape::Unavailable;

impl Holdings for PostgresStore {
    async fn shown(&self, wallet: &Wallet) -> Result<ShownSnapshot, Unavailable> {
        let query =
            sqlx::query_as("SELECT provider, left_out, left_out_reason FROM wallets WHERE chain = $1 AND address = $2");
        let query = query.bind(&*wallet.chain).bind(&*wallet.address);
        let row = query.fetch_optional(&self.0).await.map_err(failed("read the newest snapshot"))?;
        let query = sqlx::query_as(
            "SELECT provider, asset, symbol, decimals, raw::text, spam, verified, kept, price_usd::text, price_raw::text, price_at
             FROM balances
             WHERE chain = $1 AND address = $2 ORDER BY taken_at DESC, provider, asset COLLATE \"C\"",
        );
        let query = query.bind(&*wallet.chain).bind(&*wallet.address);
        shown_from_rows(row, query.fetch_all(&self.0).await.map_err(failed("read balances"))?)
    }

    async fn balances_from(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        let query = sqlx::query_as(
            "SELECT provider, asset, symbol, decimals, raw::text, spam, verified, kept, price_usd::text, price_raw::text, price_at
             FROM balances
             WHERE chain = $1 AND address = $2 AND provider = $3 ORDER BY asset COLLATE \"C\"",
        );
        let query = query.bind(&*wallet.chain).bind(&*wallet.address).bind(provider);
        let rows: Vec<BalanceRow> = query.fetch_all(&self.0).await.map_err(failed("read balances"))?;
        rows.into_iter().map(|row| Ok(balance_from_row(row)?.1)).collect()
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        let failed = failed("replace balances");
        let mut transaction = self.0.begin().await.map_err(&failed)?;
        if !end_job(&mut transaction, refresh).await.map_err(&failed)? {
            return Ok(Replaced::Lost);
        }
        replace_balances(&mut transaction, refresh).await.map_err(&failed)?;
        days::store(&mut transaction, refresh).await.map_err(&failed)?;
        let drift = drift_from_nets(&refresh.snapshot, &read_nets(&mut transaction, &refresh.job.wallet).await?);
        replace_drift(&mut transaction, refresh, &drift).await.map_err(&failed)?;
        for message in UpdateMessage::from_refresh(refresh) {
            sqlx::query("INSERT INTO outbox (key, event_id, payload) VALUES ($1, $2, $3)")
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
        let rows: Vec<DriftRow> = sqlx::query_as(
            "SELECT asset, symbol, decimals, balance::text, net::text FROM drift
             WHERE chain = $1 AND address = $2 ORDER BY asset COLLATE \"C\"",
        )
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read drift"))?;
        rows.into_iter().map(drift_from_row).collect()
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<AssetNet>, Unavailable> {
        let mut connection = self.0.begin().await.map_err(failed("read nets"))?;
        read_nets(&mut connection, wallet).await
    }
}

async fn read_nets(connection: &mut PgConnection, wallet: &Wallet) -> Result<Vec<AssetNet>, Unavailable> {
    let rows: Vec<NetRow> = sqlx::query_as(
        "SELECT asset, symbol, decimals, raw::text FROM nets
         WHERE chain = $1 AND address = $2 ORDER BY asset COLLATE \"C\"",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .fetch_all(connection)
    .await
    .map_err(failed("read nets"))?;
    rows.into_iter().map(net_from_row).collect()
}

/// Replaces the drift of the wallet.
async fn replace_drift(connection: &mut PgConnection, refresh: &Refresh, drift: &[Drift]) -> Result<(), sqlx::Error> {
    let wallet = &refresh.job.wallet;
    let clear = sqlx::query("DELETE FROM drift WHERE chain = $1 AND address = $2");
    clear.bind(&*wallet.chain).bind(&*wallet.address).execute(&mut *connection).await?;
    sqlx::query(
        "INSERT INTO drift (chain, address, taken_at, asset, symbol, decimals, balance, net, drift)
         SELECT $1, $2, $3, asset, symbol, decimals, balance::numeric, net::numeric, drift::numeric
         FROM UNNEST($4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[], $9::text[])
             AS t (asset, symbol, decimals, balance, net, drift)",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(signed(refresh.taken_at))
    .bind(drift.iter().map(|one| one.asset.as_str()).collect::<Vec<_>>())
    .bind(drift.iter().map(|one| one.symbol.as_deref()).collect::<Vec<_>>())
    .bind(drift.iter().map(|one| one.decimals.map(i16::from)).collect::<Vec<_>>())
    .bind(drift.iter().map(|one| one.balance.to_string()).collect::<Vec<_>>())
    .bind(drift.iter().map(|one| one.net.to_string()).collect::<Vec<_>>())
    .bind(drift.iter().map(|one| one.amount().to_string()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the job; a wallet that traded during the refresh waits again. False when the lease is lost.
async fn end_job(connection: &mut PgConnection, refresh: &Refresh) -> Result<bool, sqlx::Error> {
    let job = &refresh.job;
    let query =
        sqlx::query_scalar("SELECT generation FROM queue WHERE chain = $1 AND address = $2 AND lease = $3 FOR UPDATE");
    let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
    let generation: Option<i64> = query.fetch_optional(&mut *connection).await?;
    let Some(generation) = generation else { return Ok(false) };
    let due_at = if unsigned(generation) == job.generation { refresh.late_again_at } else { Some(refresh.again_at) };
    let late = if unsigned(generation) == job.generation { i64::from(job.late) + 1 } else { 0 };
    let query = match due_at {
        None => sqlx::query("DELETE FROM queue WHERE chain = $1 AND address = $2")
            .bind(&*job.wallet.chain)
            .bind(&*job.wallet.address),
        Some(due_at) => sqlx::query(
            "UPDATE queue SET due_at = $3, asked_at = $4, late = $5, attempts = 0, lease = 0, leased_until = 0
             WHERE chain = $1 AND address = $2",
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
async fn replace_balances(connection: &mut PgConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let wallet = &refresh.job.wallet;
    let balances: Vec<&Balance> = refresh.snapshot.balances().collect();
    let assets: Vec<&str> = balances.iter().map(|balance| balance.asset.as_str()).collect();
    let prices: Vec<_> = balances.iter().map(|balance| price_columns(balance.price.as_ref())).collect();
    sqlx::query(
        "UPDATE balances SET raw = 0, kept = false, taken_at = $4
         WHERE chain = $1 AND address = $2 AND provider = $3 AND raw <> 0 AND NOT asset = ANY($5)",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(refresh.provider)
    .bind(signed(refresh.taken_at))
    .bind(&assets)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO balances (chain, address, provider, taken_at, asset, symbol, decimals, raw, spam, verified, kept,
                               price_usd, price_raw, price_at)
         SELECT $1, $2, $3, $4, asset, symbol, decimals, raw::numeric, spam, verified, kept, price_usd::numeric,
                price_raw::numeric, price_at
         FROM UNNEST($5::text[], $6::text[], $7::smallint[], $8::text[], $9::boolean[], $10::boolean[], $11::boolean[],
                     $12::text[], $13::text[], $14::bigint[])
             AS t (asset, symbol, decimals, raw, spam, verified, kept, price_usd, price_raw, price_at)
         ON CONFLICT (chain, address, provider, asset) DO UPDATE
         SET taken_at = EXCLUDED.taken_at, symbol = EXCLUDED.symbol, decimals = EXCLUDED.decimals,
             raw = EXCLUDED.raw, spam = EXCLUDED.spam, verified = EXCLUDED.verified, kept = EXCLUDED.kept,
             price_usd = EXCLUDED.price_usd, price_raw = EXCLUDED.price_raw, price_at = EXCLUDED.price_at",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(refresh.provider)
    .bind(signed(refresh.taken_at))
    .bind(&assets)
    .bind(balances.iter().map(|balance| balance.decoration.symbol.as_deref()).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.decoration.decimals.map(i16::from)).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.raw.to_string()).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.decoration.spam).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.decoration.verified).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.kept).collect::<Vec<_>>())
    .bind(prices.iter().map(|(usd, ..)| usd.clone()).collect::<Vec<_>>())
    .bind(prices.iter().map(|(_, raw, _)| raw.clone()).collect::<Vec<_>>())
    .bind(prices.iter().map(|(.., at)| *at).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let (left_out, reason) = left_out_columns(refresh);
    sqlx::query(
        "UPDATE wallets SET provider = $3, taken_at = $4, asked_at = $4, left_out = $5, left_out_reason = $6,
                            failures = 0, failure = NULL, retry_at = NULL, as_of = $7
         WHERE chain = $1 AND address = $2",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(refresh.provider)
    .bind(signed(refresh.taken_at))
    .bind(left_out)
    .bind(reason)
    .bind(refresh.snapshot.as_of.map(signed))
    .execute(connection)
    .await?;
    Ok(())
}
