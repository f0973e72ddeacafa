//! What is read from the tape: which wallets are tracked, which trades live, the nets that they make.

use super::{Postgres, index_of};
use crate::store::{Volume, failed, signed, standings, unsigned};
use portfolio_domain::{Committed, Known, Ledger, Standings, Step, Wallet};
use sqlx::PgConnection;
use tape::{Partition, Unavailable};

impl Ledger for Postgres {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        let query = sqlx::query_scalar("SELECT next FROM read_positions WHERE log = $1 AND partition = $2");
        let next: Option<i64> = query
            .bind(&*partition.topic)
            .bind(index_of(partition))
            .fetch_optional(&self.0)
            .await
            .map_err(failed("read the read position"))?;
        Ok(next.map(unsigned))
    }

    async fn known(&self, wallets: &[Wallet], trades: &[String]) -> Result<Known, Unavailable> {
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
        Ok(Known { tracked, live: live.into_iter().collect(), ..Known::default() })
    }

    async fn standings(&self, wallets: &[Wallet], most: u32) -> Result<Standings, Unavailable> {
        let failed = failed("read what wallets traded");
        let (chains, addresses): (Vec<&str>, Vec<&str>) = wallets.iter().map(|w| (&*w.chain, &*w.address)).unzip();
        let asked: Vec<Volume> = sqlx::query_as(
            "SELECT chain, address, cents FROM volumes
             WHERE (chain, address) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))",
        )
        .bind(chains)
        .bind(addresses)
        .fetch_all(&self.0)
        .await
        .map_err(&failed)?;
        let first = "SELECT chain, address, cents FROM volumes ORDER BY cents DESC, chain, address LIMIT $1";
        let leaders: Vec<Volume> =
            sqlx::query_as(first).bind(i64::from(most)).fetch_all(&self.0).await.map_err(&failed)?;
        Ok(standings(asked, leaders))
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let failed = failed("keep a step of the tape");
        let mut transaction = self.0.begin().await.map_err(&failed)?;
        if !moved(&mut transaction, step).await.map_err(&failed)? {
            return Ok(Committed::Moved);
        }
        let mut dropped = 0;
        if !step.facts.touched.is_empty() {
            touch(&mut transaction, step).await.map_err(&failed)?;
            dropped = drop_oldest(&mut transaction, step.queue_max).await.map_err(&failed)?;
        }
        count(&mut transaction, step).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Committed::Done { dropped })
    }
}

/// Moves the read position, if every position of its number is where the reader believes.
async fn moved(connection: &mut PgConnection, step: &Step) -> Result<bool, sqlx::Error> {
    // Steps of one number take turns, also those that find no row yet.
    let turn = sqlx::query("SELECT pg_advisory_xact_lock(hashtext(current_schema()), $1)");
    turn.bind(index_of(&step.partition)).execute(&mut *connection).await?;
    let standing: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM read_positions WHERE partition = $1")
        .bind(index_of(&step.partition))
        .fetch_all(&mut *connection)
        .await?;
    if !step.stands_on(standing.into_iter().map(|(log, next)| (log, unsigned(next))).collect()) {
        return Ok(false);
    }
    let forward = "INSERT INTO read_positions (log, partition, next) VALUES ($1, $2, $3)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved =
        sqlx::query(forward).bind(&*step.partition.topic).bind(index_of(&step.partition)).bind(signed(step.next));
    moved.execute(connection).await?;
    Ok(true)
}

/// Makes wallets tracked and wait.
async fn touch(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    let touched = &step.facts.touched;
    let chains: Vec<&str> = touched.iter().map(|touch| &*touch.wallet.chain).collect();
    let addresses: Vec<&str> = touched.iter().map(|touch| &*touch.wallet.address).collect();
    let times: Vec<i64> = touched.iter().map(|touch| signed(touch.last_trade_at)).collect();
    sqlx::query(
        "INSERT INTO queue (chain, address, last_trade_at, due_at)
         SELECT chain, address, at, $4 FROM UNNEST($1::text[], $2::text[], $3::bigint[]) AS t (chain, address, at)
         ON CONFLICT (chain, address) DO UPDATE
         SET last_trade_at = GREATEST(queue.last_trade_at, EXCLUDED.last_trade_at), generation = queue.generation + 1",
    )
    .bind(&chains)
    .bind(&addresses)
    .bind(&times)
    .bind(signed(step.due_at))
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

/// Keeps which trades live, the nets that they move, and what was traded in all.
async fn count(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    let volumes = &step.facts.volumes;
    if !volumes.is_empty() {
        sqlx::query(
            "INSERT INTO volumes (chain, address, cents) SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[])
             ON CONFLICT (chain, address) DO UPDATE SET cents = EXCLUDED.cents",
        )
        .bind(volumes.iter().map(|(wallet, _)| &*wallet.chain).collect::<Vec<_>>())
        .bind(volumes.iter().map(|(wallet, _)| &*wallet.address).collect::<Vec<_>>())
        .bind(volumes.iter().map(|(_, cents)| *cents).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    if step.facts.arrived.is_empty() && step.facts.gone.is_empty() && step.facts.nets.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO live_trades (trade_id) SELECT UNNEST($1::text[]) ON CONFLICT DO NOTHING")
        .bind(&step.facts.arrived)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM live_trades WHERE trade_id = ANY($1)")
        .bind(&step.facts.gone)
        .execute(&mut *connection)
        .await?;
    let nets = &step.facts.nets;
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

async fn drop_oldest(connection: &mut PgConnection, most: u64) -> Result<u64, sqlx::Error> {
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM queue").fetch_one(&mut *connection).await?;
    let excess = waiting.saturating_sub(signed(most));
    if excess <= 0 {
        return Ok(0);
    }
    let query = sqlx::query(
        "DELETE FROM queue WHERE (chain, address) IN (SELECT chain, address FROM queue
         ORDER BY last_trade_at, chain, address LIMIT $1 FOR UPDATE SKIP LOCKED)",
    );
    Ok(query.bind(excess).execute(connection).await?.rows_affected())
}
