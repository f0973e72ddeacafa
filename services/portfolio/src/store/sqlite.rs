//! The store in a file of SQLite, for one process: one connection, so each transaction has the file to itself.

use super::{
    BalanceRow, DriftRow, Message, NetRow, Outgoing, Volume, balance, drifted, failed, net, signed, standings, unsigned,
};
use num_bigint::BigInt;
use portfolio_domain::{
    Balance, Committed, Drift, Holdings, Job, Known, Ledger, Net, NetChange, Queue, Refresh, Replaced, Standings, Step,
    Taken, Wallet, drift,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqliteConnection, SqlitePool};
use std::path::Path;
use std::time::Duration;
use tape::{Share, Unavailable};

const FILE: &str = "portfolio.db";
const PATIENCE: Duration = Duration::from_secs(10);
const BEGIN: &str = "BEGIN IMMEDIATE";

/// An open file.
#[derive(Clone)]
pub struct Sqlite(SqlitePool);

impl Sqlite {
    /// Opens `portfolio.db` in a directory, making both where they are missing, and brings the tables up to date.
    pub async fn open(directory: &Path) -> Result<Self, Unavailable> {
        tokio::fs::create_dir_all(directory)
            .await
            .map_err(|error| Unavailable::new(format!("make directory {}", directory.display()), error))?;
        // What is read and what comes of it are one transaction, so losing the last ones with the power loses nothing.
        let options = SqliteConnectOptions::new()
            .filename(directory.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options);
        let pool = pool.await.map_err(failed("open portfolio.db"))?;
        let migrated = sqlx::migrate!("../../migrations/portfolio/sqlite").run(&pool).await;
        migrated.map_err(|error| failed("migrate portfolio.db")(error.into()))?;
        Ok(Self(pool))
    }

    pub(super) async fn outgoing(&self, most: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let rows: Vec<(i64, String, String, Vec<u8>)> =
            sqlx::query_as("SELECT id, key, event_id, payload FROM outbox ORDER BY id LIMIT ?")
                .bind(most)
                .fetch_all(&self.0)
                .await
                .map_err(failed("read the outbox"))?;
        let outgoing = |(id, key, event_id, payload)| Outgoing { id, message: Message { key, event_id, payload } };
        Ok(rows.into_iter().map(outgoing).collect())
    }

    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        let failed = failed("empty the outbox");
        let mut transaction = self.0.begin_with(BEGIN).await.map_err(&failed)?;
        for id in ids {
            let query = sqlx::query("DELETE FROM outbox WHERE id = ?").bind(id);
            query.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }
}

impl Ledger for Sqlite {
    async fn position(&self, share: &Share) -> Result<Option<u64>, Unavailable> {
        let query = sqlx::query_scalar("SELECT next FROM read_positions WHERE log = ? AND partition = ?");
        let query = query.bind(&*share.log).bind(share.number);
        let next: Option<i64> = query.fetch_optional(&self.0).await.map_err(failed("read the read position"))?;
        Ok(next.map(unsigned))
    }

    async fn known(&self, wallets: &[Wallet], trades: &[String]) -> Result<Known, Unavailable> {
        let failed = failed("look wallets and trades up");
        let mut connection = self.0.acquire().await.map_err(&failed)?;
        let mut known = Known::default();
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

    async fn standings(&self, wallets: &[Wallet], most: u32) -> Result<Standings, Unavailable> {
        let failed = failed("read what wallets traded");
        let mut connection = self.0.acquire().await.map_err(&failed)?;
        let mut asked = vec![];
        for wallet in wallets {
            let query = sqlx::query_as("SELECT chain, address, cents FROM volumes WHERE chain = ? AND address = ?");
            let query = query.bind(&*wallet.chain).bind(&*wallet.address);
            let row: Option<Volume> = query.fetch_optional(&mut *connection).await.map_err(&failed)?;
            asked.extend(row);
        }
        let first = "SELECT chain, address, cents FROM volumes ORDER BY cents DESC, chain, address LIMIT ?";
        let leaders: Vec<Volume> =
            sqlx::query_as(first).bind(most).fetch_all(&mut *connection).await.map_err(&failed)?;
        Ok(standings(asked, leaders))
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        let failed = failed("keep a step of the tape");
        let mut transaction = self.0.begin_with(BEGIN).await.map_err(&failed)?;
        if !moved(&mut transaction, step).await.map_err(&failed)? {
            return Ok(Committed::Moved);
        }
        touch(&mut transaction, step).await.map_err(&failed)?;
        live(&mut transaction, step).await.map_err(&failed)?;
        traded(&mut transaction, step).await.map_err(&failed)?;
        for change in &step.facts.nets {
            count(&mut transaction, change).await?;
        }
        let dropped = drop_oldest(&mut transaction, step.queue_max).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Committed::Done { dropped })
    }
}

/// Moves the read position, if every position of its number is where the reader believes.
async fn moved(connection: &mut SqliteConnection, step: &Step) -> Result<bool, sqlx::Error> {
    let standing: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM read_positions WHERE partition = ?")
        .bind(step.share.number)
        .fetch_all(&mut *connection)
        .await?;
    if !step.stands_on(standing.into_iter().map(|(log, next)| (log, unsigned(next))).collect()) {
        return Ok(false);
    }
    let forward = "INSERT INTO read_positions (log, partition, next) VALUES (?, ?, ?)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved = sqlx::query(forward).bind(&*step.share.log).bind(step.share.number).bind(signed(step.next));
    moved.execute(connection).await?;
    Ok(true)
}

/// Makes wallets tracked and wait.
async fn touch(connection: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
    for touch in &step.facts.touched {
        sqlx::query(
            "INSERT INTO queue (chain, address, last_trade_at, due_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (chain, address) DO UPDATE
             SET last_trade_at = MAX(last_trade_at, excluded.last_trade_at), generation = generation + 1",
        )
        .bind(&*touch.wallet.chain)
        .bind(&*touch.wallet.address)
        .bind(signed(touch.last_trade_at))
        .bind(signed(step.due_at))
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO wallets (chain, address, last_trade_at) VALUES (?, ?, ?)
             ON CONFLICT (chain, address) DO UPDATE SET last_trade_at = MAX(last_trade_at, excluded.last_trade_at)",
        )
        .bind(&*touch.wallet.chain)
        .bind(&*touch.wallet.address)
        .bind(signed(touch.last_trade_at))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn live(connection: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
    for trade in &step.facts.arrived {
        let query = sqlx::query("INSERT INTO live_trades (trade_id) VALUES (?) ON CONFLICT DO NOTHING").bind(trade);
        query.execute(&mut *connection).await?;
    }
    for trade in &step.facts.gone {
        sqlx::query("DELETE FROM live_trades WHERE trade_id = ?").bind(trade).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Keeps what was traded in all.
async fn traded(connection: &mut SqliteConnection, step: &Step) -> Result<(), sqlx::Error> {
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

/// Moves one net; the sum is made here, since SQLite would make it in floats.
async fn count(connection: &mut SqliteConnection, change: &NetChange) -> Result<(), Unavailable> {
    let failed = failed("keep a net");
    let query =
        sqlx::query_as("SELECT asset, symbol, decimals, raw FROM nets WHERE chain = ? AND address = ? AND asset = ?");
    let query = query.bind(&*change.wallet.chain).bind(&*change.wallet.address).bind(&change.asset);
    let row: Option<NetRow> = query.fetch_optional(&mut *connection).await.map_err(&failed)?;
    let before = row.map(net).transpose()?.map_or(BigInt::ZERO, |net| net.raw);
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

async fn drop_oldest(connection: &mut SqliteConnection, most: u64) -> Result<u64, sqlx::Error> {
    let query = sqlx::query(
        "DELETE FROM queue WHERE rowid IN (SELECT rowid FROM queue ORDER BY last_trade_at, chain, address
         LIMIT MAX(0, (SELECT COUNT(*) FROM queue) - ?))",
    );
    Ok(query.bind(signed(most)).execute(connection).await?.rows_affected())
}

impl Queue for Sqlite {
    async fn take(&self, now: u64, lease_ms: u64) -> Result<Taken, Unavailable> {
        let failed = failed("take a wallet to refresh");
        let lease: i64 = rand::random();
        let row: Option<(String, String, i64, u32)> = sqlx::query_as(
            "UPDATE queue SET lease = ?2, leased_until = ?3
             WHERE rowid = (SELECT rowid FROM queue WHERE due_at <= ?1 AND leased_until <= ?1
                            ORDER BY last_trade_at DESC LIMIT 1)
             RETURNING chain, address, generation, attempts",
        )
        .bind(signed(now))
        .bind(lease)
        .bind(signed(now + lease_ms))
        .fetch_optional(&self.0)
        .await
        .map_err(&failed)?;
        if let Some((chain, address, generation, attempts)) = row {
            let wallet = Wallet::new(chain, address);
            return Ok(Taken::Job(Job { wallet, lease, generation: unsigned(generation), attempts }));
        }
        let query = sqlx::query_scalar("SELECT MIN(MAX(due_at, leased_until)) FROM queue");
        let next_due: Option<i64> = query.fetch_one(&self.0).await.map_err(&failed)?;
        Ok(Taken::Idle { next_due: next_due.map(unsigned) })
    }

    async fn postpone(&self, job: &Job, due_at: u64, attempts: u32) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "UPDATE queue SET due_at = ?4, attempts = ?5, lease = 0, leased_until = 0
             WHERE chain = ?1 AND address = ?2 AND lease = ?3",
        );
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        let query = query.bind(signed(due_at)).bind(attempts);
        query.execute(&self.0).await.map(|_| ()).map_err(failed("postpone a wallet"))
    }

    async fn abandon(&self, job: &Job) -> Result<(), Unavailable> {
        let query = sqlx::query("DELETE FROM queue WHERE chain = ? AND address = ? AND lease = ?");
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        query.execute(&self.0).await.map(|_| ()).map_err(failed("give a wallet up"))
    }
}

impl Holdings for Sqlite {
    async fn shown(&self, wallet: &Wallet) -> Result<Vec<Balance>, Unavailable> {
        let newest =
            sqlx::query_scalar::<_, Option<String>>("SELECT provider FROM wallets WHERE chain = ? AND address = ?")
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
        let query = sqlx::query_as(
            "SELECT asset, symbol, decimals, raw, spam FROM balances
             WHERE chain = ? AND address = ? AND provider = ? ORDER BY asset",
        );
        let query = query.bind(&*wallet.chain).bind(&*wallet.address).bind(provider);
        let rows: Vec<BalanceRow> = query.fetch_all(&self.0).await.map_err(failed("read balances"))?;
        rows.into_iter().map(balance).collect()
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        let failed = failed("replace balances");
        let mut transaction = self.0.begin_with(BEGIN).await.map_err(&failed)?;
        if !finished(&mut transaction, refresh).await.map_err(&failed)? {
            return Ok(Replaced::Lost);
        }
        rows(&mut transaction, refresh).await.map_err(&failed)?;
        let drift = drift(&refresh.snapshot, &nets(&mut transaction, &refresh.job.wallet).await?);
        reconcile(&mut transaction, refresh, &drift).await.map_err(&failed)?;
        for message in Message::about(refresh) {
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
        rows.into_iter().map(drifted).collect()
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<Net>, Unavailable> {
        let mut connection = self.0.acquire().await.map_err(failed("read nets"))?;
        nets(&mut connection, wallet).await
    }
}

async fn nets(connection: &mut SqliteConnection, wallet: &Wallet) -> Result<Vec<Net>, Unavailable> {
    let query =
        sqlx::query_as("SELECT asset, symbol, decimals, raw FROM nets WHERE chain = ? AND address = ? ORDER BY asset");
    let query = query.bind(&*wallet.chain).bind(&*wallet.address);
    let rows: Vec<NetRow> = query.fetch_all(connection).await.map_err(failed("read nets"))?;
    rows.into_iter().map(net).collect()
}

/// Notes how the snapshot differs from the trades.
async fn reconcile(connection: &mut SqliteConnection, refresh: &Refresh, drift: &[Drift]) -> Result<(), sqlx::Error> {
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
        put.bind(one.drift().to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Ends the job, if it is still held; a wallet that traded meanwhile waits again.
async fn finished(connection: &mut SqliteConnection, refresh: &Refresh) -> Result<bool, sqlx::Error> {
    let job = &refresh.job;
    let query = sqlx::query_scalar("SELECT generation FROM queue WHERE chain = ? AND address = ? AND lease = ?");
    let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
    let generation: Option<i64> = query.fetch_optional(&mut *connection).await?;
    let Some(generation) = generation else { return Ok(false) };
    let query = if unsigned(generation) == job.generation {
        sqlx::query("DELETE FROM queue WHERE chain = ?1 AND address = ?2")
            .bind(&*job.wallet.chain)
            .bind(&*job.wallet.address)
    } else {
        sqlx::query(
            "UPDATE queue SET due_at = ?3, attempts = 0, lease = 0, leased_until = 0
             WHERE chain = ?1 AND address = ?2",
        )
        .bind(&*job.wallet.chain)
        .bind(&*job.wallet.address)
        .bind(signed(refresh.again_at))
    };
    query.execute(connection).await?;
    Ok(true)
}

/// Replaces the provider's rows, zeroes those that vanished.
async fn rows(connection: &mut SqliteConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let wallet = &refresh.job.wallet;
    let taken_at = signed(refresh.taken_at);
    sqlx::query(
        "UPDATE balances SET raw = '0', taken_at = ? WHERE chain = ? AND address = ? AND provider = ? AND raw <> '0'",
    )
    .bind(taken_at)
    .bind(&*wallet.chain)
    .bind(&*wallet.address)
    .bind(refresh.provider)
    .execute(&mut *connection)
    .await?;
    for balance in refresh.snapshot.balances() {
        sqlx::query(
            "INSERT INTO balances (chain, address, provider, taken_at, asset, symbol, decimals, raw, spam)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (chain, address, provider, asset) DO UPDATE
             SET taken_at = excluded.taken_at, symbol = excluded.symbol, decimals = excluded.decimals,
                 raw = excluded.raw, spam = excluded.spam",
        )
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .bind(refresh.provider)
        .bind(taken_at)
        .bind(&balance.asset)
        .bind(&balance.symbol)
        .bind(balance.decimals)
        .bind(balance.raw.to_string())
        .bind(balance.spam)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query("UPDATE wallets SET provider = ?, taken_at = ? WHERE chain = ? AND address = ?")
        .bind(refresh.provider)
        .bind(taken_at)
        .bind(&*wallet.chain)
        .bind(&*wallet.address)
        .execute(connection)
        .await?;
    Ok(())
}
