//! Databases of the version before: what was told of spam is kept, and what Alchemy never told becomes unknown.

use crate::stores;
use portfolio::settings::Database;
use portfolio::store::Store;
use portfolio_domain::{Holdings, Wallet};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

/// The last migration before balances knew unknown.
const VERSION_BEFORE: i64 = 5;

const ROWS: &str = "
    INSERT INTO wallets (chain, address, last_trade_at, provider, taken_at) VALUES ('mock', '0xa', 1, 'alchemy', 5);
    INSERT INTO queue (chain, address, last_trade_at, due_at) VALUES ('mock', '0xa', 1, 1);
    INSERT INTO balances (chain, address, provider, asset, symbol, decimals, raw, spam, taken_at) VALUES
        ('mock', '0xa', 'alchemy', 'coin', 'C', 18, '7', false, 5),
        ('mock', '0xa', 'moralis', 'coin', 'C', 18, '7', false, 4),
        ('mock', '0xa', 'moralis', 'junk', 'J', 18, '9', true, 4);";

async fn check(store: &Store, name: &str) {
    let wallet = Wallet::new("mock", "0xa");
    let shown = store.shown(&wallet).await.unwrap();
    let spam: Vec<_> = shown.balances.iter().map(|one| (one.raw.to(), one.decoration.spam, one.kept)).collect();
    assert_eq!((spam, shown.left_out), (vec![(7_u64, None, false)], None), "{name}");
    let told = store.balances_from(&wallet, "moralis").await.unwrap();
    let told: Vec<_> = told.iter().map(|one| one.decoration.spam).collect();
    assert_eq!(told, [Some(false), Some(true)], "{name}");
    let taken = portfolio_domain::Queue::take(store, 10, 10, &[]).await.unwrap();
    assert!(matches!(taken, portfolio_domain::Taken::Job(_)), "{name}: its network has a turn");
}

#[tokio::test]
async fn rows_of_an_sqlite_file_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new().filename(directory.path().join("portfolio.db")).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&file).await.unwrap();
    migrations::portfolio_sqlite().run_to(VERSION_BEFORE, &mut connection).await.unwrap();
    connection.execute(sqlx::raw_sql(ROWS)).await.unwrap();
    connection.close().await.unwrap();
    let store = Store::open(&Database::Sqlite(directory.path().to_owned())).await.unwrap();
    check(&store, "sqlite").await;
}

#[tokio::test]
async fn rows_of_a_postgresql_schema_are_kept() {
    let Some(url) = stores::postgres_url() else {
        println!("skipped: DATABASE_URL names no server");
        return;
    };
    let fresh = stores::postgres(&url).await;
    let Some(Database::Postgres(url)) = &fresh.database else { panic!("no server") };
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    connection.execute("DROP SCHEMA portfolio CASCADE").await.unwrap();
    connection.execute("CREATE SCHEMA portfolio").await.unwrap();
    connection.execute("SET search_path = portfolio").await.unwrap();
    migrations::portfolio_postgres().run_to(VERSION_BEFORE, &mut connection).await.unwrap();
    connection.execute(sqlx::raw_sql(ROWS)).await.unwrap();
    connection.close().await.unwrap();
    let store = Store::open(fresh.database.as_ref().unwrap()).await.unwrap();
    check(&store, "postgres").await;
    drop(store);
    fresh.remove().await;
}
