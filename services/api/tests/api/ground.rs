//! The database of a test: migrated as its owners do, and filled with rows as they write them.

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, SqlitePool};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tape::{AssetAmount, BlockId, BlockRef, Detector, Event, Leg, Raw, Side, Status, Trade, Trader, Transaction};
use tape::{Usd, Valuation};
use tempfile::TempDir;

/// What a next version of metrics and of portfolio may do to their schemas.
const NEXT_VERSION: &str = include_str!("../../../../migrations/tests/next_version.sql");

/// A database of this test alone.
pub(crate) enum Ground {
    Sqlite { directory: TempDir, metrics: SqlitePool, portfolio: SqlitePool },
    Postgres { url: String, pool: PgPool },
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Ground {
    /// SQLite, and PostgreSQL where `DATABASE_URL` names a server.
    pub(crate) async fn all() -> Vec<Self> {
        let mut grounds = vec![Self::sqlite().await];
        match std::env::var("DATABASE_URL") {
            Ok(url) if url.starts_with("postgres") => grounds.push(Self::postgres(&url).await),
            _ => println!("skipped: DATABASE_URL names no PostgreSQL"),
        }
        grounds
    }

    /// Files in a directory.
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let metrics = sqlite_of(&directory, "metrics").await;
        let portfolio = sqlite_of(&directory, "portfolio").await;
        Self::Sqlite { directory, metrics, portfolio }
    }

    /// A new database on a server.
    async fn postgres(url: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("api_test_{}_{number}", std::process::id());
        let mut admin = PgConnection::connect(url).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        let options = PgConnectOptions::from_str(url).unwrap().database(&name);
        let url = {
            let (rest, query) = url.split_once('?').map_or((url, String::new()), |(rest, q)| (rest, format!("?{q}")));
            let authority = rest.split_once("://").unwrap().1.split('/').next().unwrap();
            format!("postgres://{authority}/{name}{query}")
        };
        for owner in ["metrics", "portfolio"] {
            let options = options.clone().options([("search_path", owner)]);
            let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
            pool.execute(AssertSqlSafe(format!("CREATE SCHEMA {owner}"))).await.unwrap();
            migrator(owner, "postgres").await.run(&pool).await.unwrap();
            if number.is_multiple_of(2) {
                // Metrics and portfolio may be a version ahead: every view has a column that the api does not know.
                pool.execute(sqlx::raw_sql(NEXT_VERSION)).await.unwrap();
            }
            pool.close().await;
        }
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        Self::Postgres { url, pool }
    }

    /// The `DATABASE_URL` for the api.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite { directory, .. } => format!("sqlite:{}", directory.path().display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// Writes as an owner does; all statements in one transaction.
    pub(crate) async fn write(&self, owner: &str, statements: &[String]) {
        match self {
            Self::Sqlite { metrics, portfolio, .. } => {
                let pool = if owner == "metrics" { metrics } else { portfolio };
                let mut transaction = pool.begin().await.unwrap();
                for sql in statements {
                    transaction.execute(AssertSqlSafe(sql.clone())).await.unwrap();
                }
                transaction.commit().await.unwrap();
            }
            Self::Postgres { pool, .. } => {
                let mut transaction = pool.begin().await.unwrap();
                transaction.execute(AssertSqlSafe(format!("SET LOCAL search_path = {owner}"))).await.unwrap();
                for sql in statements {
                    transaction.execute(AssertSqlSafe(sql.clone())).await.unwrap();
                }
                transaction.commit().await.unwrap();
            }
        }
    }

    /// Inserts trades, live or reverted, as metrics does.
    pub(crate) async fn trades(&self, events: &[Event]) {
        let statements: Vec<String> = events.iter().map(|event| self.trade_row(event)).collect();
        self.write("metrics", &statements).await;
    }

    /// The statement that inserts one trade.
    pub(crate) fn trade_row(&self, event: &Event) -> String {
        let trade = &event.trade;
        let status = if event.status == Status::Reverted { "reverted" } else { "live" };
        let payload = String::from_utf8(wire::v1::trade::encode(event)).unwrap();
        let venues: Vec<String> = trade.legs.iter().map(|leg| format!("\"{}\"", leg.venue)).collect();
        let venues = match self {
            Self::Sqlite { .. } => format!("'[{}]'", venues.join(",")),
            Self::Postgres { .. } => format!("'{{{}}}'", venues.join(",")),
        };
        let pools: Vec<&str> = trade.legs.iter().map(|leg| leg.pool.as_str()).collect();
        let pools = pools.join("\n");
        let truth = |yes: bool| match self {
            Self::Sqlite { .. } => u8::from(yes).to_string(),
            Self::Postgres { .. } => yes.to_string(),
        };
        format!(
            "INSERT INTO trades (block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status, \
             cycle, sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, platform, \
             venues, pools, event) VALUES ({}, '{}', '{}', '{}', {}, {}, {}, '{}', '{status}', {}, '{}', '{}', {}, \
             '{}', '{}', {}, {}, {}, {venues}, '{pools}', '{payload}') ON CONFLICT (block_time_ms, trade_id, trader) DO UPDATE SET status = excluded.status, \
             event = excluded.event",
            trade.block.timestamp_ms,
            trade.id(),
            trade.chain,
            trade.trader.address,
            trade.block.id.height,
            trade.transaction.index,
            trade.ordinal,
            trade.kind,
            truth(trade.is_cycle()),
            trade.sold.asset,
            trade.sold.raw,
            truth(trade.sold.quote),
            trade.bought.asset,
            trade.bought.raw,
            truth(trade.bought.quote),
            trade.valuation.as_ref().map_or("NULL".to_owned(), |valuation| format!("'{}'", valuation.notional)),
            trade.platform.as_ref().map_or("NULL".to_owned(), |platform| format!("'{platform}'")),
        )
    }

    /// Sets up to where metrics has folded a partition.
    pub(crate) async fn folded(&self, partition: u32, next: u64) {
        self.write("metrics", &[folded_row(partition, next)]).await;
    }
}

/// The statement that sets up to where metrics has folded a partition.
pub(crate) fn folded_row(partition: u32, next: u64) -> String {
    read_row("trades.executed.v1", partition, next)
}

/// The statement that sets up to where metrics has read a partition of a topic.
pub(crate) fn read_row(topic: &str, partition: u32, next: u64) -> String {
    format!(
        "INSERT INTO position (log, partition, next) VALUES ('{topic}', {partition}, {next}) \
         ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next"
    )
}

/// The statement that inserts a user's totals.
pub(crate) fn totals_row(chain: &str, trader: &str, volume: &str, swaps: u64) -> String {
    format!(
        "INSERT INTO user_totals (trader, chain, partition, volume_usd, swaps, unvalued, cycles, fees_usd, \
         realized_pnl_usd, realized_pnl_net_usd, proceeds_usd, proceeds_without_basis_usd, seen_height, seen_index, \
         seen_ordinal) \
         VALUES ('{trader}', '{chain}', 0, '{volume}', {swaps}, 1, 2, '0.5', '-1.25', '-1.75', '6', '2', 0, 0, 0)"
    )
}

/// The statement that inserts one hour of a user.
pub(crate) fn hour_row(chain: &str, trader: &str, hour: u64, volume: &str, pnl: &str) -> String {
    format!(
        "INSERT INTO user_hours (trader, chain, hour, partition, volume_usd, swaps, unvalued, cycles, fees_usd, \
         realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd) \
         VALUES ('{trader}', '{chain}', {hour}, 0, '{volume}', 2, 0, 0, '0.5', '{pnl}', '3', '1')"
    )
}

/// The statement that inserts a position.
pub(crate) fn position_row(chain: &str, trader: &str, asset: &str, quantity: &str) -> String {
    format!(
        "INSERT INTO positions (trader, chain, asset, partition, symbol, decimals, trades, quantity, \
         unknown_quantity, basis_usd, realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd) \
         VALUES ('{trader}', '{chain}', '{asset}', 0, 'TKN', 18, 1, '{quantity}', '0', '20.5', '-3', '0', '0')"
    )
}

/// The statement that inserts a place on a leaderboard.
pub(crate) fn leader_row(span: &str, rank: u32, trader: &str, volume: &str, proceeds: [&str; 3]) -> String {
    let [proceeds, without_basis, basis_without_proceeds] = proceeds;
    format!(
        "INSERT INTO leaders (span, measure, rank, trader, volume_usd, swaps, fees_usd, realized_pnl_usd, built_at_ms, \
         proceeds_usd, proceeds_without_basis_usd, basis_without_proceeds_usd, net_volume_usd, wash_usd, counterparties) VALUES ('{span}', 'volume', {rank}, \
         '{trader}', '{volume}', 3, '0.5', '-1', 77, '{proceeds}', '{without_basis}', '{basis_without_proceeds}', '2.5', '4', 7)"
    )
}

/// The statements that let a position have sold and bought: it bought so much, and sold for these proceeds.
pub(crate) fn traded_position(chain: &str, trader: &str, asset: &str, bought: &str, proceeds: &str) -> String {
    format!(
        "UPDATE positions SET bought_quantity = '{bought}', proceeds_usd = '{proceeds}' \
         WHERE trader = '{trader}' AND chain = '{chain}' AND asset = '{asset}'"
    )
}

/// The statement that inserts a drift.
pub(crate) fn drift_row(chain: &str, address: &str, asset: &str, balance: i64, net: i64) -> String {
    format!(
        "INSERT INTO drift (chain, address, asset, balance, net, drift, taken_at) \
         VALUES ('{chain}', '{address}', '{asset}', '{balance}', '{net}', '{}', 5)",
        balance - net
    )
}

/// The statements that insert a wallet with its balances.
pub(crate) fn wallet_rows(chain: &str, address: &str, balances: &[(&str, &str)], taken_at: u64) -> Vec<String> {
    let mut rows = vec![format!(
        "INSERT INTO wallets (chain, address, last_trade_at, provider, taken_at) \
         VALUES ('{chain}', '{address}', 1, 'mock', {taken_at}) \
         ON CONFLICT (chain, address) DO UPDATE SET taken_at = excluded.taken_at"
    )];
    for (asset, raw) in balances {
        rows.push(format!(
            "INSERT INTO balances (chain, address, provider, asset, symbol, decimals, raw, spam, taken_at) \
             VALUES ('{chain}', '{address}', 'mock', '{asset}', 'TKN', 6, '{raw}', false, {taken_at}) \
             ON CONFLICT (chain, address, provider, asset) DO UPDATE SET raw = excluded.raw, taken_at = excluded.taken_at"
        ));
    }
    rows
}

/// The statement by which a provider tells the price of a balance: dollars for so many units at a time.
pub(crate) fn told_price(asset: &str, provider: &str, usd: &str, raw: &str, at: u64) -> String {
    format!(
        "UPDATE balances SET provider = '{provider}', price_usd = '{usd}', price_raw = '{raw}', price_at = {at} \
         WHERE asset = '{asset}'"
    )
}

/// The statement that inserts a balance at the end of a day, on the chain `mock`.
pub(crate) fn day_row(address: &str, asset: &str, day: u64, raw: &str, spam: bool) -> String {
    format!(
        "INSERT INTO balance_days (chain, address, asset, day, raw, spam) \
         VALUES ('mock', '{address}', '{asset}', {day}, '{raw}', {spam})"
    )
}

/// The statement that inserts what a provider said on a day, on the chain `mock`.
pub(crate) fn told_row(asset: &str, day: u64, usd: &str, raw: &str) -> String {
    format!(
        "INSERT INTO told_prices (chain, asset, day, provider, price_usd, price_raw, told_at) \
         VALUES ('mock', '{asset}', {day}, 'moralis', '{usd}', '{raw}', {})",
        day * 86_400_000 + 5
    )
}

/// The fields that an object has and another has not, by name.
pub(crate) fn missing_fields(whole: &serde_json::Value, part: &serde_json::Value) -> Vec<String> {
    whole.as_object().unwrap().keys().filter(|name| part.get(name.as_str()).is_none()).cloned().collect()
}

/// An event of a made-up trade.
pub(crate) fn event(status: Status, trade: Trade) -> Event {
    Event { id: format!("{}/{}/0", trade.chain, trade.block.id.height), status, trade: Box::new(trade) }
}

/// A made-up trade: 95 USDC for wrapped ether at a height, one second per block.
pub(crate) fn trade(chain: &str, height: u64, ordinal: u32, trader: &str) -> Trade {
    let amount = |asset: &str, raw: u64| AssetAmount { asset: asset.into(), raw: Raw::from(raw) };
    Trade {
        kind: Trade::SWAP.into(),
        chain: chain.into(),
        network: "mock-1".into(),
        block: BlockRef {
            id: BlockId { height, hash: format!("0xb{height:x}").into() },
            timestamp_ms: 1_700_000_000_000 + height * 1_000,
        },
        transaction: Transaction {
            hash: format!("0xt{height:x}").into(),
            index: 0,
            from: trader.into(),
            to: Some("0xrouter".into()),
        },
        ordinal,
        trader: Trader { address: trader.into(), evidence: "tx-sender".into() },
        sold: side("0xusdc", 95_000_000, 6, "USDC"),
        bought: side("0xweth", 30_000_000_000_000_000, 18, "WETH"),
        legs: vec![Leg {
            venue: "uniswap-v2".into(),
            pool: "0xpool".into(),
            sold: amount("0xusdc", 95_000_000),
            bought: amount("0xweth", 30_000_000_000_000_000),
            ordinal,
        }],
        fees: vec![],
        platform: None,
        attributes: std::collections::BTreeMap::new(),
        valuation: Some(Valuation { notional: Usd(95 * Usd::ONE.0), fee: None, source: "stable-leg".into() }),
        detector: Arc::new(Detector { plugin: "mock".into(), version: "1.0.0".into(), digest: "sha256:00".into() }),
    }
}

fn side(asset: &str, raw: u64, decimals: u8, symbol: &str) -> Side {
    let (decimals, symbol) = (Some(decimals), Some(symbol.to_owned()));
    Side { asset: asset.into(), raw: Raw::from(raw), decimals, symbol, quote: true }
}

async fn sqlite_of(directory: &TempDir, owner: &str) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join(format!("{owner}.db")))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    migrator(owner, "sqlite").await.run(&pool).await.unwrap();
    pool
}

/// The owner's own migrations.
async fn migrator(owner: &str, kind: &str) -> Migrator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(owner).join(kind);
    // Beside migrations there may be scripts for administrators, which carry no number.
    let numbered = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(path).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with(|first: char| first.is_ascii_digit()) {
            std::fs::copy(file.path(), numbered.path().join(file.file_name())).unwrap();
        }
    }
    Migrator::new(numbered.path()).await.unwrap()
}
