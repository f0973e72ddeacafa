//! The ledger on PostgreSQL: read positions, tracked wallets, live trades, nets and volumes.

use super::{PostgresStore, index_column};
use crate::store::{VolumeRow, failed, ranking_from_rows, signed, unsigned};
use migrations::Session as PgConnection;
use portfolio_domain::{Committed, KnownBefore, Ledger, Step, VolumeRanking, Wallet};
use tape::{Partition, Unavailable};

impl Ledger for PostgresStore {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        let query = sqlx::query_scalar("SELECT next FROM read_positions WHERE log = $1 AND partition = $2");
        let next: Option<i64> = query
            .bind(&*partition.topic)
            .bind(index_column(partition))
            .fetch_optional(&self.0)
            .await
            .map_err(failed("read the read position"))?;
        Ok(next.map(unsigned))
    }

    async fn known_before(&self, wallets: &[Wallet], trades: &[String]) -> Result<KnownBefore, Unavailable> {
        let (chains, addresses): (Vec<&str>, Vec<&str>) = wallets.iter().map(|w| (&*w.chain, &*w.address)).unzip();
        let tracked: Vec<(String, String)> = sqlx::query_as(
            "SELECT chain, address FROM wallets
             WHERE (chain, address) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))",
        )
        .bind(chains)
        .bind(addresses)
        .fetch_all(&self.0)
        .await
        .map_err(failed("look wallets up"))?;
        let live: Vec<String> = sqlx::query_scalar("SELECT trade_id FROM live_trades WHERE trade_id = ANY($1)")
            .bind(trades)
            .fetch_all(&self.0)
            .await
            .map_err(failed("look trades up"))?;
        let tracked = tracked.into_iter().map(|(chain, address)| Wallet::new(chain, address)).collect();
        Ok(KnownBefore { tracked, live: live.into_iter().collect(), ..KnownBefore::default() })
    }

    async fn volume_ranking(&self, wallets: &[Wallet], limit: u32) -> Result<VolumeRanking, Unavailable> {
        let failed = failed("read the volumes of wallets");
        let (chains, addresses): (Vec<&str>, Vec<&str>) = wallets.iter().map(|w| (&*w.chain, &*w.address)).unzip();
        let asked: Vec<VolumeRow> = sqlx::query_as(
            "SELECT chain, address, cents FROM volumes
             WHERE (chain, address) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))",
        )
        .bind(chains)
        .bind(addresses)
        .fetch_all(&self.0)
        .await
        .map_err(&failed)?;
        let leaders = "SELECT chain, address, cents FROM volumes ORDER BY cents DESC, chain, address LIMIT $1";
        let leaders: Vec<VolumeRow> =
            sqlx::query_as(leaders).bind(i64::from(limit)).fetch_all(&self.0).await.map_err(&failed)?;
        Ok(ranking_from_rows(asked, leaders))
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let failed = failed("commit a step of the tape");
        let mut transaction = self.0.begin().await.map_err(&failed)?;
        if !advance_position(&mut transaction, step).await.map_err(&failed)? {
            return Ok(Committed::Moved);
        }
        let mut dropped = 0;
        if !step.facts.touched.is_empty() {
            enqueue_wallets(&mut transaction, step).await.map_err(&failed)?;
            dropped = drop_oldest(&mut transaction, step.max_queued).await.map_err(&failed)?;
        }
        store_volumes(&mut transaction, step).await.map_err(&failed)?;
        store_live_trades(&mut transaction, step).await.map_err(&failed)?;
        add_to_nets(&mut transaction, step).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Committed::Done { dropped })
    }
}

/// Advances the read position. False where a position with the partition's index is not where the reader believes.
async fn advance_position(connection: &mut PgConnection, step: &Step) -> Result<bool, sqlx::Error> {
    // Steps with one index wait for each other, also where no row exists yet that could be locked.
    let lock = sqlx::query("SELECT pg_advisory_xact_lock(hashtext(current_schema()), $1)");
    lock.bind(index_column(&step.partition)).execute(&mut *connection).await?;
    let stored: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM read_positions WHERE partition = $1")
        .bind(index_column(&step.partition))
        .fetch_all(&mut *connection)
        .await?;
    if !step.builds_on(stored.into_iter().map(|(log, next)| (log, unsigned(next))).collect()) {
        return Ok(false);
    }
    let upsert = "INSERT INTO read_positions (log, partition, next) VALUES ($1, $2, $3)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved =
        sqlx::query(upsert).bind(&*step.partition.topic).bind(index_column(&step.partition)).bind(signed(step.next));
    moved.execute(connection).await?;
    Ok(true)
}

/// Makes wallets tracked and puts them into the queue.
async fn enqueue_wallets(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    let touched = &step.facts.touched;
    let chains: Vec<&str> = touched.iter().map(|touched| &*touched.wallet.chain).collect();
    let addresses: Vec<&str> = touched.iter().map(|touched| &*touched.wallet.address).collect();
    let times: Vec<i64> = touched.iter().map(|touched| signed(touched.last_trade_at)).collect();
    let heights: Vec<i64> = touched.iter().map(|touched| signed(touched.last_trade_height)).collect();
    sqlx::query(
        "INSERT INTO queue (chain, address, last_trade_at, due_at, asked_at, last_trade_height)
         SELECT t.chain, t.address, t.at, $4, w.asked_at, t.height
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $5::bigint[]) AS t (chain, address, at, height)
         LEFT JOIN wallets w ON w.chain = t.chain AND w.address = t.address
         ON CONFLICT (chain, address) DO UPDATE
         SET last_trade_at = GREATEST(queue.last_trade_at, EXCLUDED.last_trade_at), generation = queue.generation + 1,
             last_trade_height = GREATEST(queue.last_trade_height, EXCLUDED.last_trade_height), late = 0,
             due_at = CASE WHEN queue.late > 0 THEN LEAST(queue.due_at, EXCLUDED.due_at) ELSE queue.due_at END",
    )
    .bind(&chains)
    .bind(&addresses)
    .bind(&times)
    .bind(signed(step.due_at))
    .bind(&heights)
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO network_turns (chain) SELECT DISTINCT UNNEST($1::text[]) ON CONFLICT DO NOTHING")
        .bind(&chains)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO wallets (chain, address, last_trade_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[])
         ON CONFLICT (chain, address) DO UPDATE
         SET last_trade_at = GREATEST(wallets.last_trade_at, EXCLUDED.last_trade_at)",
    )
    .bind(&chains)
    .bind(&addresses)
    .bind(&times)
    .execute(connection)
    .await?;
    Ok(())
}

async fn store_volumes(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    let volumes = &step.facts.volumes;
    if volumes.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO volumes (chain, address, cents) SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[])
         ON CONFLICT (chain, address) DO UPDATE SET cents = EXCLUDED.cents",
    )
    .bind(volumes.iter().map(|(wallet, _)| &*wallet.chain).collect::<Vec<_>>())
    .bind(volumes.iter().map(|(wallet, _)| &*wallet.address).collect::<Vec<_>>())
    .bind(volumes.iter().map(|(_, cents)| *cents).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn store_live_trades(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    if step.facts.arrived.is_empty() && step.facts.gone.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO live_trades (trade_id) SELECT UNNEST($1::text[]) ON CONFLICT DO NOTHING")
        .bind(&step.facts.arrived)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM live_trades WHERE trade_id = ANY($1)").bind(&step.facts.gone).execute(connection).await?;
    Ok(())
}

async fn add_to_nets(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    let nets = &step.facts.nets;
    if nets.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO nets (chain, address, asset, symbol, decimals, raw)
         SELECT chain, address, asset, symbol, decimals, raw::numeric
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[])
             AS t (chain, address, asset, symbol, decimals, raw)
         ON CONFLICT (chain, address, asset) DO UPDATE
         SET raw = nets.raw + EXCLUDED.raw, symbol = COALESCE(EXCLUDED.symbol, nets.symbol),
             decimals = COALESCE(EXCLUDED.decimals, nets.decimals)",
    )
    .bind(nets.iter().map(|net| &*net.wallet.chain).collect::<Vec<_>>())
    .bind(nets.iter().map(|net| &*net.wallet.address).collect::<Vec<_>>())
    .bind(nets.iter().map(|net| net.asset.as_str()).collect::<Vec<_>>())
    .bind(nets.iter().map(|net| net.symbol.as_deref()).collect::<Vec<_>>())
    .bind(nets.iter().map(|net| net.decimals.map(i16::from)).collect::<Vec<_>>())
    .bind(nets.iter().map(|net| net.delta.to_string()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn drop_oldest(connection: &mut PgConnection, max_queued: u64) -> Result<u64, sqlx::Error> {
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM queue").fetch_one(&mut *connection).await?;
    let excess = waiting.saturating_sub(signed(max_queued));
    if excess <= 0 {
        return Ok(0);
    }
    let query = sqlx::query(
        "DELETE FROM queue WHERE (chain, address) IN (SELECT chain, address FROM queue
         ORDER BY last_trade_at, chain, address LIMIT $1 FOR UPDATE SKIP LOCKED)",
    );
    Ok(query.bind(excess).execute(connection).await?.rows_affected())
}
