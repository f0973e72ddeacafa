//! The store: PostgreSQL, an SQLite file or memory, behind the same ports.

pub mod memory;
pub mod postgres;
pub mod sqlite;
mod message;

pub use message::UpdateMessage;

use crate::settings::Database;
use memory::MemoryStore;
use migrations::SchemaError;
use portfolio_domain::{
    AssetNet, Balance, Committed, Decoration, Drift, Failure, Holdings, Job, KnownBefore, KnownDecoration, Ledger,
    LeftOut, Postponement, Queue, Refresh, Replaced, ShownSnapshot, Step, Taken, ToldPrice, VolumeRanking, Wallet,
};
use postgres::PostgresStore;
use sqlite::SqliteStore;
use std::sync::Arc;
use tape::{Partition, Raw, Unavailable, Usd};
use tape_log::guard::{KnownPartition, NotedPartition, TapeMemory};

/// An open store. Clones share it.
#[derive(Clone)]
pub enum Store {
    /// On a PostgreSQL server.
    Postgres(PostgresStore),
    /// In an SQLite file.
    Sqlite(SqliteStore),
    /// In memory, for tests.
    Memory(Arc<MemoryStore>),
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in the outbox.
    pub id: i64,
    /// The message.
    pub message: UpdateMessage,
}

/// How many rows the tables have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableCounts {
    /// Wallets in the queue.
    pub queued: u64,
    /// Assets of wallets whose balance is not what the trades add up to.
    pub drifting: u64,
}

/// The database failed. Distinguishes this cause of [`Unavailable`] from others, so that health can name what is waited
/// for.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(#[from] sqlx::Error);

/// A cell holds a value that this service never writes.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of table {table} holds {found:?}, which is not a number")]
struct InvalidCell {
    table: &'static str,
    column: &'static str,
    found: String,
}

/// Calls the same method of whichever store is open.
macro_rules! on_store {
    ($store:expr, $open:ident => $call:expr) => {
        match $store {
            Store::Postgres($open) => $call.await,
            Store::Sqlite($open) => $call.await,
            Store::Memory($open) => $call.await,
        }
    };
}

impl Store {
    /// Opens a store and brings its tables up to date.
    pub async fn open(database: &Database) -> Result<Self, Unavailable> {
        Ok(match database {
            Database::Postgres(url) => Self::Postgres(PostgresStore::open(url.expose()).await?),
            Database::Sqlite(directory) => Self::Sqlite(SqliteStore::open(directory).await?),
        })
    }

    /// The oldest messages in the outbox.
    pub async fn outgoing(&self, limit: u32) -> Result<Vec<Outgoing>, Unavailable> {
        on_store!(self, store => store.outgoing(limit))
    }

    /// Removes published messages from the outbox.
    pub async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        on_store!(self, store => store.sent(ids))
    }
}

impl Store {
    /// Counts rows, for measurements.
    pub async fn count_tables(&self) -> Result<TableCounts, Unavailable> {
        on_store!(self, store => store.count_tables())
    }
}

impl Ledger for Store {
    async fn position(&self, partition: &Partition) -> Result<Option<u64>, Unavailable> {
        on_store!(self, store => store.position(partition))
    }

    async fn known_before(&self, wallets: &[Wallet], trades: &[String]) -> Result<KnownBefore, Unavailable> {
        on_store!(self, store => store.known_before(wallets, trades))
    }

    async fn volume_ranking(&self, wallets: &[Wallet], limit: u32) -> Result<VolumeRanking, Unavailable> {
        on_store!(self, store => store.volume_ranking(wallets, limit))
    }

    async fn commit(&self, step: &Step) -> Result<Committed, Unavailable> {
        on_store!(self, store => store.commit(step))
    }
}

impl TapeMemory for Store {
    async fn known_partitions(&self) -> Result<Vec<KnownPartition>, Unavailable> {
        on_store!(self, store => store.known_partitions())
    }

    async fn note_partitions(&self, noted: &[NotedPartition]) -> Result<(), Unavailable> {
        on_store!(self, store => store.note_partitions(noted))
    }

    async fn adopt_partitions(&self, noted: &[NotedPartition], unread: &[Partition]) -> Result<(), Unavailable> {
        on_store!(self, store => store.adopt_partitions(noted, unread))
    }
}

impl Queue for Store {
    async fn take(&self, now: u64, lease_ms: u64, resting: &[Arc<str>]) -> Result<Taken, Unavailable> {
        on_store!(self, store => store.take(now, lease_ms, resting))
    }

    async fn postpone(&self, job: &Job, to: &Postponement) -> Result<(), Unavailable> {
        on_store!(self, store => store.postpone(job, to))
    }

    async fn abandon(&self, job: &Job, failure: Failure) -> Result<(), Unavailable> {
        on_store!(self, store => store.abandon(job, failure))
    }
}

impl Holdings for Store {
    async fn shown(&self, wallet: &Wallet) -> Result<ShownSnapshot, Unavailable> {
        on_store!(self, store => store.shown(wallet))
    }

    async fn balances_from(&self, wallet: &Wallet, provider: &str) -> Result<Vec<Balance>, Unavailable> {
        on_store!(self, store => store.balances_from(wallet, provider))
    }

    async fn replace(&self, refresh: &Refresh) -> Result<Replaced, Unavailable> {
        on_store!(self, store => store.replace(refresh))
    }

    async fn drift(&self, wallet: &Wallet) -> Result<Vec<Drift>, Unavailable> {
        on_store!(self, store => store.drift(wallet))
    }

    async fn nets(&self, wallet: &Wallet) -> Result<Vec<AssetNet>, Unavailable> {
        on_store!(self, store => store.nets(wallet))
    }
}

/// How often a worker looks for another network's turn when others took the wallets that it saw.
const MAX_TURNS_TRIED: usize = 4;

/// Turns an error of the database into the failure to do something.
fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> Unavailable {
    move |error| Unavailable::new(doing, DatabaseError(error))
}

/// Why tables could not be brought up to date, as an error of the database.
fn sqlx_error(error: SchemaError) -> sqlx::Error {
    match error {
        SchemaError::Unavailable { source, .. } => source,
        refused => sqlx::Error::Configuration(refused.into()),
    }
}

/// Wallets in the queue, and drifting assets, as a database counts them.
fn counts_from_row((queued, drifting): (i64, i64)) -> TableCounts {
    TableCounts { queued: unsigned(queued), drifting: unsigned(drifting) }
}

/// A number as databases store it; ours stay far below the greatest signed one.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A row of `balances`: provider, asset, symbol, decimals, raw, spam, verified, kept, and the price: dollars, quantity, time.
type BalanceRow = (
    String,
    String,
    Option<String>,
    Option<i16>,
    String,
    Option<bool>,
    Option<bool>,
    bool,
    Option<String>,
    Option<String>,
    Option<i64>,
);

fn balance_from_row(row: BalanceRow) -> Result<(String, Balance), Unavailable> {
    let (provider, asset, symbol, decimals, raw, spam, verified, kept, price_usd, price_raw, price_at) = row;
    let raw = Raw::from_str_radix(&raw, 10).map_err(|_| invalid_cell("balances", "raw", &raw))?;
    let decoration = Decoration { symbol, decimals: decimals_from_column(decimals), spam, verified };
    let price = match price_usd.zip(price_raw) {
        None => None,
        Some((usd, quantity)) => Some(ToldPrice {
            usd: Usd::parse(&usd).map_err(|_| invalid_cell("balances", "price_usd", &usd))?,
            raw: Raw::from_str_radix(&quantity, 10).map_err(|_| invalid_cell("balances", "price_raw", &quantity))?,
            at: price_at.map(unsigned),
        }),
    };
    Ok((provider, Balance { asset, raw, decoration, kept, price }))
}

/// The day that a time is of, since 1970-01-01, UTC.
fn day_of(at_ms: u64) -> i64 {
    signed(at_ms / MS_PER_DAY)
}

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1_000;

/// The columns of a price: dollars, quantity, time.
fn price_columns(price: Option<&ToldPrice>) -> (Option<String>, Option<String>, Option<i64>) {
    let Some(price) = price else { return (None, None, None) };
    (Some(price.usd.to_string()), Some(price.raw.to_string()), price.at.map(signed))
}

/// What readers are shown, from the row of the wallet and the balances of all providers, the newest first.
fn shown_from_rows(wallet: Option<ShownRow>, balances: Vec<BalanceRow>) -> Result<ShownSnapshot, Unavailable> {
    let Some((newest, left_out, reason)) = wallet else { return Ok(ShownSnapshot::default()) };
    let mut shown = ShownSnapshot { left_out: left_out_from_row(left_out, reason), ..ShownSnapshot::default() };
    for row in balances {
        let (provider, balance) = balance_from_row(row)?;
        let (asset, decoration) = (balance.asset.clone(), balance.decoration.clone());
        if Some(&provider) == newest.as_ref() {
            shown.balances.push(balance);
        }
        shown.decorations.push(KnownDecoration { provider, asset, decoration });
    }
    Ok(shown)
}

/// A row of `wallets`: provider, left out, reason.
type ShownRow = (Option<String>, i32, Option<String>);

fn left_out_from_row(rows: i32, reason: Option<String>) -> Option<LeftOut> {
    let rows = u32::try_from(rows).ok().filter(|rows| *rows > 0)?;
    Some(LeftOut { rows, reason: reason.unwrap_or_default() })
}

/// The columns `left_out` and `left_out_reason` of `wallets`.
fn left_out_columns(refresh: &Refresh) -> (i32, Option<&str>) {
    let left_out = refresh.snapshot.left_out();
    let rows = left_out.map_or(0, |left_out| i32::try_from(left_out.rows).unwrap_or(i32::MAX));
    (rows, left_out.map(|left_out| left_out.reason.as_str()))
}

/// A row of `nets`: asset, symbol, decimals, raw.
type NetRow = (String, Option<String>, Option<i16>, String);

fn net_from_row((asset, symbol, decimals, raw): NetRow) -> Result<AssetNet, Unavailable> {
    let raw = raw.parse().map_err(|_| invalid_cell("nets", "raw", &raw))?;
    Ok(AssetNet { asset, symbol, decimals: decimals_from_column(decimals), raw })
}

/// A row of `drift`: asset, symbol, decimals, balance, net.
type DriftRow = (String, Option<String>, Option<i16>, String, String);

fn drift_from_row((asset, symbol, decimals, balance, net): DriftRow) -> Result<Drift, Unavailable> {
    let balance = Raw::from_str_radix(&balance, 10).map_err(|_| invalid_cell("drift", "balance", &balance))?;
    let net = net.parse().map_err(|_| invalid_cell("drift", "net", &net))?;
    Ok(Drift { asset, symbol, decimals: decimals_from_column(decimals), balance, net })
}

/// A row of `volumes`: chain, address, cents.
type VolumeRow = (String, String, i64);

fn ranking_from_rows(asked: Vec<VolumeRow>, leaders: Vec<VolumeRow>) -> VolumeRanking {
    let volume = |(chain, address, cents): VolumeRow| (Wallet::new(chain, address), cents);
    VolumeRanking {
        volumes: asked.into_iter().map(volume).collect(),
        leaders: leaders.into_iter().map(volume).collect(),
    }
}

fn decimals_from_column(decimals: Option<i16>) -> Option<u8> {
    decimals.and_then(|decimals| u8::try_from(decimals).ok())
}

fn invalid_cell(table: &'static str, column: &'static str, found: &str) -> Unavailable {
    Unavailable::new("read a stored row", InvalidCell { table, column, found: found.to_owned() })
}
