//! The store on PostgreSQL: one transaction per business step, whole batches per statement.
//!
//! **Invariant:** transactions lock in the order read position, queue, the rest, so that none waits in a circle.

use super::{
    BalanceRow, DriftRow, Message, NetRow, Outgoing, Volume, balance, drifted, failed, net, signed, standings, unsigned,
};
use portfolio_domain::{
    Balance, Committed, Drift, Holdings, Job, Known, Ledger, Net, Queue, Refresh, Replaced, Standings, Step, Taken,
    Wallet, drift,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use std::str::FromStr;
use std::time::Duration;
use tape::{Share, Unavailable};

const SCHEMA: &str = "portfolio";
const CONNECTIONS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(10);

/// A pool of connections to one server.
#[derive(Clone)]
pub struct Postgres(PgPool);

impl Postgres {
    /// Connects, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, Unavailable> {
        let options = PgConnectOptions::from_str(url).map_err(failed("read DATABASE_URL"))?;
        let options = options.options([("search_path", SCHEMA)]).application_name(SCHEMA);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let pool = pool.connect_with(options).await.map_err(failed("connect to the database"))?;
        let mut migrator = sqlx::migrate!("../../migrations/portfolio/postgres");
        migrator.create_schema(SCHEMA);
        let migrated = migrator.run(&pool).await;
        migrated.map_err(|error| failed("migrate schema portfolio")(error.into()))?;
        Ok(Self(pool))
    }

    pub(super) async fn outgoing(&self, most: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let rows: Vec<(i64, String, String, Vec<u8>)> =
            sqlx::query_as("SELECT id, key, event_id, payload FROM outbox ORDER BY id LIMIT $1")
                .bind(i64::from(most))
                .fetch_all(&self.0)
                .await
                .map_err(failed("read the outbox"))?;
        let outgoing = |(id, key, event_id, payload)| Outgoing { id, message: Message { key, event_id, payload } };
        Ok(rows.into_iter().map(outgoing).collect())
    }

    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        let query = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids);
        query.execute(&self.0).await.map(|_| ()).map_err(failed("empty the outbox"))
    }
}

impl Ledger for Postgres {
    async fn position(&self, share: &Share) -> Result<Option<u64>, Unavailable> {
        let query = sqlx::query_scalar("SELECT next FROM read_positions WHERE log = $1 AND partition = $2");
        let next: Option<i64> = query
            .bind(&*share.log)
            .bind(partition(share))
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
    turn.bind(partition(&step.share)).execute(&mut *connection).await?;
    let standing: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM read_positions WHERE partition = $1")
        .bind(partition(&step.share))
        .fetch_all(&mut *connection)
        .await?;
    if !step.stands_on(standing.into_iter().map(|(log, next)| (log, unsigned(next))).collect()) {
        return Ok(false);
    }
    let forward = "INSERT INTO read_positions (log, partition, next) VALUES ($1, $2, $3)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved = sqlx::query(forward).bind(&*step.share.log).bind(partition(&step.share)).bind(signed(step.next));
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

impl Queue for Postgres {
    async fn take(&self, now: u64, lease_ms: u64) -> Result<Taken, Unavailable> {
        let failed = failed("take a wallet to refresh");
        let lease: i64 = rand::random();
        let row: Option<(String, String, i64, i32)> = sqlx::query_as(
            "UPDATE queue SET lease = $2, leased_until = $3
             WHERE (chain, address) = (SELECT chain, address FROM queue WHERE due_at <= $1 AND leased_until <= $1
                                       ORDER BY last_trade_at DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING chain, address, generation, attempts",
        )
        .bind(signed(now))
        .bind(lease)
        .bind(signed(now + lease_ms))
        .fetch_optional(&self.0)
        .await
        .map_err(&failed)?;
        if let Some((chain, address, generation, attempts)) = row {
            let (generation, attempts) = (unsigned(generation), u32::try_from(attempts).unwrap_or(0));
            return Ok(Taken::Job(Job { wallet: Wallet::new(chain, address), lease, generation, attempts }));
        }
        let query = sqlx::query_scalar("SELECT MIN(GREATEST(due_at, leased_until)) FROM queue");
        let next_due: Option<i64> = query.fetch_one(&self.0).await.map_err(&failed)?;
        Ok(Taken::Idle { next_due: next_due.map(unsigned) })
    }

    async fn postpone(&self, job: &Job, due_at: u64, attempts: u32) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "UPDATE queue SET due_at = $4, attempts = $5, lease = 0, leased_until = 0
             WHERE chain = $1 AND address = $2 AND lease = $3",
        );
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        let query = query.bind(signed(due_at)).bind(i32::try_from(attempts).unwrap_or(i32::MAX));
        query.execute(&self.0).await.map(|_| ()).map_err(failed("postpone a wallet"))
    }

    async fn abandon(&self, job: &Job) -> Result<(), Unavailable> {
        let query = sqlx::query("DELETE FROM queue WHERE chain = $1 AND address = $2 AND lease = $3");
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        query.execute(&self.0).await.map(|_| ()).map_err(failed("give a wallet up"))
    }
}

impl Holdings for Postgres {
    async fn shown(&self, wallet: &Wallet) -> Result<Vec<Balance>, Unavailable> {
        let newest =
            sqlx::query_scalar::<_, Option<String>>("SELECT provider FROM wallets WHERE chain = $1 AND address = $2")
                .bind(&*wallet.chain)
                .bind(&*wallet.address)
                .fetch_optional(&self.0)
                .await
                .map_err(failed("read whose snapshot is the newest"))?;
        match newest.flatten() {
            Some(provider) => self.balances(wallet, &provider).await,
            None => Ok(vec![]),
        }
    }

    async fn balances(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        let rows: Vec<BalanceRow> = sqlx::query_as(
            "SELECT asset, symbol, decimals, raw::text, spam FROM balances
             WHERE chain = $1 AND address = $2 AND provider = $3 ORDER BY asset COLLATE \"C\"",
        )
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .bind(provider)
        .fetch_all(&self.0)
        .await
        .map_err(failed("read balances"))?;
        rows.into_iter().map(balance).collect()
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        let failed = failed("replace balances");
        let mut transaction = self.0.begin().await.map_err(&failed)?;
        if !finished(&mut transaction, refresh).await.map_err(&failed)? {
            return Ok(Replaced::Lost);
        }
        rows(&mut transaction, refresh).await.map_err(&failed)?;
        let drift = drift(&refresh.snapshot, &nets(&mut transaction, &refresh.job.wallet).await?);
        reconcile(&mut transaction, refresh, &drift).await.map_err(&failed)?;
        for message in Message::about(refresh) {
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
        rows.into_iter().map(drifted).collect()
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<Net>, Unavailable> {
        let mut connection = self.0.acquire().await.map_err(failed("read nets"))?;
        nets(&mut connection, wallet).await
    }
}

async fn nets(connection: &mut PgConnection, wallet: &Wallet) -> Result<Vec<Net>, Unavailable> {
    let rows: Vec<NetRow> = sqlx::query_as(
        "SELECT asset, symbol, decimals, raw::text FROM nets
         WHERE chain = $1 AND address = $2 ORDER BY asset COLLATE \"C\"",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .fetch_all(connection)
    .await
    .map_err(failed("read nets"))?;
    rows.into_iter().map(net).collect()
}

/// Notes how the snapshot differs from the trades.
async fn reconcile(connection: &mut PgConnection, refresh: &Refresh, drift: &[Drift]) -> Result<(), sqlx::Error> {
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
    .bind(drift.iter().map(|one| one.drift().to_string()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the job, if it is still held; a wallet that traded meanwhile waits again.
async fn finished(connection: &mut PgConnection, refresh: &Refresh) -> Result<bool, sqlx::Error> {
    let job = &refresh.job;
    let query =
        sqlx::query_scalar("SELECT generation FROM queue WHERE chain = $1 AND address = $2 AND lease = $3 FOR UPDATE");
    let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
    let generation: Option<i64> = query.fetch_optional(&mut *connection).await?;
    let Some(generation) = generation else { return Ok(false) };
    let query = if unsigned(generation) == job.generation {
        sqlx::query("DELETE FROM queue WHERE chain = $1 AND address = $2")
            .bind(&*job.wallet.chain)
            .bind(&*job.wallet.address)
    } else {
        sqlx::query(
            "UPDATE queue SET due_at = $3, attempts = 0, lease = 0, leased_until = 0
             WHERE chain = $1 AND address = $2",
        )
        .bind(&*job.wallet.chain)
        .bind(&*job.wallet.address)
        .bind(signed(refresh.again_at))
    };
    query.execute(connection).await?;
    Ok(true)
}

/// Replaces the provider's rows, zeroes those that vanished.
async fn rows(connection: &mut PgConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let wallet = &refresh.job.wallet;
    let balances: Vec<&Balance> = refresh.snapshot.balances().collect();
    let assets: Vec<&str> = balances.iter().map(|balance| balance.asset.as_str()).collect();
    sqlx::query(
        "UPDATE balances SET raw = 0, taken_at = $4
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
        "INSERT INTO balances (chain, address, provider, taken_at, asset, symbol, decimals, raw, spam)
         SELECT $1, $2, $3, $4, asset, symbol, decimals, raw::numeric, spam
         FROM UNNEST($5::text[], $6::text[], $7::smallint[], $8::text[], $9::boolean[])
             AS t (asset, symbol, decimals, raw, spam)
         ON CONFLICT (chain, address, provider, asset) DO UPDATE
         SET taken_at = EXCLUDED.taken_at, symbol = EXCLUDED.symbol, decimals = EXCLUDED.decimals,
             raw = EXCLUDED.raw, spam = EXCLUDED.spam",
    )
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(refresh.provider)
    .bind(signed(refresh.taken_at))
    .bind(&assets)
    .bind(balances.iter().map(|balance| balance.symbol.as_deref()).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.decimals.map(i16::from)).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.raw.to_string()).collect::<Vec<_>>())
    .bind(balances.iter().map(|balance| balance.spam).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE wallets SET provider = $3, taken_at = $4 WHERE chain = $1 AND address = $2")
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .bind(refresh.provider)
        .bind(signed(refresh.taken_at))
        .execute(connection)
        .await?;
    Ok(())
}

fn partition(share: &Share) -> i32 {
    i32::try_from(share.number).unwrap_or(i32::MAX)
}
