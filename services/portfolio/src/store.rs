//! What keeps portfolio's rows: PostgreSQL, a file of SQLite, or this process's memory, behind the same ports.

pub mod memory;
pub mod postgres;
pub mod sqlite;
mod message;

pub use message::Message;

use crate::settings::Database;
use memory::Memory;
use portfolio_domain::{
    Balance, Committed, Drift, Holdings, Job, Known, Ledger, Net, Queue, Refresh, Replaced, Standings, Step, Taken,
    Wallet,
};
use postgres::Postgres;
use sqlite::Sqlite;
use std::sync::Arc;
use tape::{Partition, Raw, Unavailable};

/// An open store. Clones share it.
#[derive(Clone)]
pub enum Store {
    /// A server.
    Postgres(Postgres),
    /// A file.
    Sqlite(Sqlite),
    /// Gone with the process: for tests.
    Memory(Arc<Memory>),
}

/// A message that waits to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in the outbox.
    pub id: i64,
    /// What is to be published.
    pub message: Message,
}

/// The database failed; beside other causes of [`Unavailable`], so that health can say who is waited for.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(#[from] sqlx::Error);

/// A cell that holds what was never written there.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of {table} holds {found:?}")]
struct BadCell {
    table: &'static str,
    column: &'static str,
    found: String,
}

macro_rules! each {
    ($store:expr, $one:ident => $call:expr) => {
        match $store {
            Store::Postgres($one) => $call.await,
            Store::Sqlite($one) => $call.await,
            Store::Memory($one) => $call.await,
        }
    };
}

impl Store {
    /// Opens a store and brings its tables up to date.
    pub async fn open(database: &Database) -> Result<Self, Unavailable> {
        Ok(match database {
            Database::Postgres(url) => Self::Postgres(Postgres::open(url.expose()).await?),
            Database::Sqlite(directory) => Self::Sqlite(Sqlite::open(directory).await?),
        })
    }

    /// The oldest messages that wait to be published.
    pub async fn outgoing(&self, most: u32) -> Result<Vec<Outgoing>, Unavailable> {
        each!(self, store => store.outgoing(most))
    }

    /// These messages are published.
    pub async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        each!(self, store => store.sent(ids))
    }
}

impl Ledger for Store {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        each!(self, store => store.position(partition))
    }

    async fn known(&self, wallets: &[Wallet], trades: &[String]) -> Result<Known, Unavailable> {
        each!(self, store => store.known(wallets, trades))
    }

    async fn standings(&self, wallets: &[Wallet], most: u32) -> Result<Standings, Unavailable> {
        each!(self, store => store.standings(wallets, most))
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        each!(self, store => store.commit(step))
    }
}

impl Queue for Store {
    async fn take(&self, now: u64, lease_ms: u64) -> Result<Taken, Unavailable> {
        each!(self, store => store.take(now, lease_ms))
    }

    async fn postpone(&self, job: &Job, due_at: u64, attempts: u32) -> Result<(), Unavailable> {
        each!(self, store => store.postpone(job, due_at, attempts))
    }

    async fn abandon(&self, job: &Job) -> Result<(), Unavailable> {
        each!(self, store => store.abandon(job))
    }
}

impl Holdings for Store {
    async fn shown(&self, wallet: &Wallet) -> Result<Vec<Balance>, Unavailable> {
        each!(self, store => store.shown(wallet))
    }

    async fn balances(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        each!(self, store => store.balances(wallet, provider))
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        each!(self, store => store.replace(refresh))
    }

    async fn drift(&self, wallet: &Wallet) -> Result<Vec<Drift>, Unavailable> {
        each!(self, store => store.drift(wallet))
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<Net>, Unavailable> {
        each!(self, store => store.nets(wallet))
    }
}

/// The failure to do something, caused by the database.
fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> Unavailable {
    move |error| Unavailable::new(doing, DatabaseError(error))
}

/// Databases count in signed numbers; ours stay far below.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A row of `balances`: asset, symbol, decimals, raw, spam.
type BalanceRow = (String, Option<String>, Option<i16>, String, bool);

fn balance((asset, symbol, decimals, raw, spam): BalanceRow) -> Result<Balance, Unavailable> {
    let raw = Raw::from_str_radix(&raw, 10).map_err(|_| bad_cell("balances", "raw", &raw))?;
    Ok(Balance { asset, symbol, decimals: small(decimals), raw, spam })
}

/// A row of `nets`: asset, symbol, decimals, raw.
type NetRow = (String, Option<String>, Option<i16>, String);

fn net((asset, symbol, decimals, raw): NetRow) -> Result<Net, Unavailable> {
    let raw = raw.parse().map_err(|_| bad_cell("nets", "raw", &raw))?;
    Ok(Net { asset, symbol, decimals: small(decimals), raw })
}

/// A row of `drift`: asset, symbol, decimals, balance, net.
type DriftRow = (String, Option<String>, Option<i16>, String, String);

fn drifted((asset, symbol, decimals, balance, net): DriftRow) -> Result<Drift, Unavailable> {
    let balance = Raw::from_str_radix(&balance, 10).map_err(|_| bad_cell("drift", "balance", &balance))?;
    let net = net.parse().map_err(|_| bad_cell("drift", "net", &net))?;
    Ok(Drift { asset, symbol, decimals: small(decimals), balance, net })
}

/// A row of `volumes`: chain, address, cents.
type Volume = (String, String, i64);

fn standings(asked: Vec<Volume>, leaders: Vec<Volume>) -> Standings {
    let volume = |(chain, address, cents): Volume| (Wallet::new(chain, address), cents);
    Standings { volumes: asked.into_iter().map(volume).collect(), leaders: leaders.into_iter().map(volume).collect() }
}

fn small(decimals: Option<i16>) -> Option<u8> {
    decimals.and_then(|decimals| u8::try_from(decimals).ok())
}

fn bad_cell(table: &'static str, column: &'static str, found: &str) -> Unavailable {
    Unavailable::new("read what was stored", BadCell { table, column, found: found.to_owned() })
}
