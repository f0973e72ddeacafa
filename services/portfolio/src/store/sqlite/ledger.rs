//! The ledger on SQLite: read positions, tracked wallets, live trades, nets and volumes.

use super::{BEGIN_IMMEDIATE, SqliteStore};
use crate::store::{NetRow, VolumeRow, failed, net_from_row, ranking_from_rows, signed, unsigned};
use num_bigint::BigInt;
use portfolio_domain::{Committed, KnownBefore, Ledger, NetChange, Step, VolumeRanking, Wallet};
use sqlx::SqliteConnection;
use tape::{Partition, Unavailable};

impl Ledger for SqliteStore {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        let query = sqlx::query_scalar("SELECT next FROM read_positions WHERE log = ? AND partition = ?");
        let query = query.bind(&*partition.topic).bind(partition.index);
        let next: Option<i64> = query.fetch_optional(&self.0).await.map_err(failed("read the read position"))?;
        Ok(next.map(unsigned))
    }

    async fn known_before(&self, wallets: &[Wallet], trades: &[String]) -> Result<KnownBefore, Unavailable> {
        let failed = failed("look wallets and trades up");
        let mut connection = self.0.acquire().await.map_err(&failed)?;
        let mut known = KnownBefore::default();
        for wallet in wallets {
            let query = sqlx::query("SELECT 1 FROM wallets WHERE chain = ? AND address = ?");
            let query = query.bind(&*wallet.chain).bind(&*wallet.address);
            if query.fetch_optional(&mut *connection).await.map_err(&failed)?.is_some() {
                known.tracked.insert(wallet.clone());
            }
        }
        for trade in trades {
            let query = sqlx::query("SELECT 1 FROM live_trades WHERE trade_id = ?").bind(trade);
            if query.fetch_optional(&mut *connection).await.map_err(&failed)?.is_some() {
                known.live.insert(trade.clone());
            }
        }
        Ok(known)
    }

    async fn volume_ranking(&self, wallets: &[Wallet], limit: u32) -> Result<VolumeRanking, Unavailable> {
        let failed = failed("read the volumes of wallets");
        let mut connection = self.0.acquire().await.map_err(&failed)?;
        let mut asked = vec![];
        for wallet in wallets {
            let query = sqlx::query_as("SELECT chain, address, cents FROM volumes WHERE chain = ? AND address = ?");
            let query = query.bind(&*wallet.chain).bind(&*wallet.address);
            let row: Option<VolumeRow> = query.fetch_optional(&mut *connection).await.map_err(&failed)?;
            asked.extend(row);
        }
        let leaders = "SELECT chain, address, cents FROM volumes ORDER BY cents DESC, chain, address LIMIT ?";
        let leaders: Vec<VolumeRow> =
            sqlx::query_as(leaders).bind(limit).fetch_all(&mut *connection).await.map_err(&failed)?;
        Ok(ranking_from_rows(asked, leaders))
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let failed = failed("commit a step of the tape");
        let mut transaction = self.0.begin_with(BEGIN_IMMEDIATE).await.map_err(&failed)?;
        if !advance_position(&mut transaction, step).await.map_err(&failed)? {
            return Ok(Committed::Moved);
        }
        enqueue_wallets(&mut transaction, step).await.map_err(&failed)?;
        store_live_trades(&mut transaction, step).await.map_err(&failed)?;
        store_volumes(&mut transaction, step).await.map_err(&failed)?;
        for change in &step.facts.nets {
            add_to_net(&mut transaction, change).await?;
        }
        let dropped = drop_oldest(&mut transaction, step.max_queued).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Committed::Done { dropped })
    }
}

/// Advances the read position. False where a position with the partition's index is not where the reader believes.
async fn advance_position(connection: &mut SqliteConnection, step: &Step) -> Result<bool, sqlx::Error> {
    let stored: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM read_positions WHERE partition = ?")
        .bind(step.partition.index)
        .fetch_all(&mut *connection)
        .await?;
    if !step.builds_on(stored.into_iter().map(|(log, next)| (log, unsigned(next))).collect()) {
        return Ok(false);
    }
    let upsert = "INSERT INTO read_positions (log, partition, next) VALUES (?, ?, ?)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved = sqlx::query(upsert).bind(&*step.partition.topic).bind(step.partition.index).bind(signed(step.next));
    moved.execute(connection).await?;
    Ok(true)
}

/// Makes wallets tracked and puts them into the queue.
async fn enqueue_wallets(connection: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
    for touched in &step.facts.touched {
        sqlx::query(
            "INSERT INTO queue (chain, address, last_trade_at, due_at, asked_at, last_trade_height)
             VALUES (?1, ?2, ?3, ?4, (SELECT asked_at FROM wallets WHERE chain = ?1 AND address = ?2), ?5)
             ON CONFLICT (chain, address) DO UPDATE
             SET last_trade_at = MAX(last_trade_at, excluded.last_trade_at), generation = generation + 1,
                 last_trade_height = MAX(last_trade_height, excluded.last_trade_height), late = 0,
                 due_at = CASE WHEN late > 0 THEN MIN(due_at, excluded.due_at) ELSE due_at END",
        )
        .bind(&*touched.wallet.chain)
        .bind(&*touched.wallet.address)
        .bind(signed(touched.last_trade_at))
        .bind(signed(step.due_at))
        .bind(signed(touched.last_trade_height))
        .execute(&mut *connection)
        .await?;
        let turn = sqlx::query("INSERT INTO network_turns (chain) VALUES (?) ON CONFLICT DO NOTHING");
        turn.bind(&*touched.wallet.chain).execute(&mut *connection).await?;
        sqlx::query(
            "INSERT INTO wallets (chain, address, last_trade_at) VALUES (?, ?, ?)
             ON CONFLICT (chain, address) DO UPDATE SET last_trade_at = MAX(last_trade_at, excluded.last_trade_at)",
        )
        .bind(&*touched.wallet.chain)
        .bind(&*touched.wallet.address)
        .bind(signed(touched.last_trade_at))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn store_live_trades(connection: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
    for trade in &step.facts.arrived {
        let query = sqlx::query("INSERT INTO live_trades (trade_id) VALUES (?) ON CONFLICT DO NOTHING").bind(trade);
        query.execute(&mut *connection).await?;
    }
    for trade in &step.facts.gone {
        sqlx::query("DELETE FROM live_trades WHERE trade_id = ?").bind(trade).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn store_volumes(connection: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
    for (wallet, cents) in &step.facts.volumes {
        sqlx::query(
            "INSERT INTO volumes (chain, address, cents) VALUES (?, ?, ?)
             ON CONFLICT (chain, address) DO UPDATE SET cents = excluded.cents",
        )
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .bind(cents)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Adds to one net. The sum is made here, because SQLite would make it in floating point.
async fn add_to_net(connection: &mut SqliteConnection, change: &NetChange) -> Result<(), Unavailable> {
    let failed = failed("store a net");
    let query =
        sqlx::query_as("SELECT asset, symbol, decimals, raw FROM nets WHERE chain = ? AND address = ? AND asset = ?");
    let query = query.bind(&*change.wallet.chain).bind(&*change.wallet.address).bind(&change.asset);
    let row: Option<NetRow> = query.fetch_optional(&mut *connection).await.map_err(&failed)?;
    let before = row.map(net_from_row).transpose()?.map_or(BigInt::ZERO, |net| net.raw);
    sqlx::query(
        "INSERT INTO nets (chain, address, asset, symbol, decimals, raw) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (chain, address, asset) DO UPDATE
         SET raw = excluded.raw, symbol = COALESCE(excluded.symbol, symbol),
             decimals = COALESCE(excluded.decimals, decimals)",
    )
    .bind(&*change.wallet.chain)
    .bind(&*change.wallet.address)
    .bind(&change.asset)
    .bind(&change.symbol)
    .bind(change.decimals)
    .bind((before + &change.delta).to_string())
    .execute(connection)
    .await
    .map_err(&failed)?;
    Ok(())
}

async fn drop_oldest(connection: &mut SqliteConnection, max_queued: u64) -> Result<u64, sqlx::Error> {
    let query = sqlx::query(
        "DELETE FROM queue WHERE rowid IN (SELECT rowid FROM queue ORDER BY last_trade_at, chain, address
         LIMIT MAX(0, (SELECT COUNT(*) FROM queue) - ?))",
    );
    Ok(query.bind(signed(max_queued)).execute(connection).await?.rows_affected())
}
