//! The published views: exactly the columns that the api reads, on both databases.

use crate::stores;
use portfolio::settings::Database;
use portfolio::store::Store;
use portfolio_domain::{
    Balance, Decoration, Failure, Holdings, Ledger, Queue, Refresh, Snapshot, Step, Taken, TouchedWallet, Wallet,
    WalletFacts,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tape::{Partition, Raw};

/// Two wallets; one has snapshots of provider `first`, then `second`, and then one of `second` without the asset
/// `gone`.
async fn fill(store: &Store) {
    let wallets = ["0xa", "0xb"].map(|address| Wallet::new("mock", address));
    for (next, (provider, assets)) in
        [("first", vec!["coin"]), ("second", vec!["coin", "gone"]), ("second", vec!["coin"])].into_iter().enumerate()
    {
        let next = next as u64;
        let touched = wallets
            .iter()
            .map(|wallet| TouchedWallet { wallet: wallet.clone(), last_trade_at: 7, last_trade_height: 7 })
            .collect();
        let partition = Partition { topic: "trades.executed.v1".into(), index: 0 };
        let facts = WalletFacts { touched, ..WalletFacts::default() };
        let from = next.checked_sub(1).map(|last| last + 1);
        let step = Step { partition, from, next: next + 1, companions: vec![], facts, due_at: 0, max_queued: 9 };
        store.commit(&step).await.unwrap();
        while let Taken::Job(job) = store.take(1, 1000, &[]).await.unwrap() {
            if job.wallet == wallets[1] {
                store.abandon(&job, Failure::WalletRejected).await.unwrap();
                continue;
            }
            let mut snapshot = Snapshot::default();
            for asset in &assets {
                let raw = Raw::from(10_u64.pow(19) - 1);
                let decoration = Decoration { decimals: Some(18), spam: Some(true), ..Decoration::default() };
                snapshot.add(Balance { asset: (*asset).to_owned(), raw, decoration, kept: false, price: None });
            }
            let (taken_at, changes) = (10 + next, vec![]);
            let refresh = Refresh {
                job,
                provider,
                taken_at,
                snapshot,
                changes,
                is_completeness_news: false,
                late_again_at: None,
                again_at: 0,
            };
            store.replace(&refresh).await.unwrap();
        }
    }
}

type BalanceLine = (String, String, String, Option<String>, Option<i16>, String, bool, String, i64);
type WalletLine = (String, String, Option<String>, Option<i64>, i64, Option<String>);

const SELECT_BALANCES: &str =
    "SELECT chain, address, asset, symbol, decimals, raw, spam, provider, taken_at FROM portfolio.balances_v1";
const SELECT_WALLETS: &str =
    "SELECT chain, address, provider, taken_at, last_trade_at, failure FROM portfolio.wallets_v1 ORDER BY address";
const SELECT_READ_POSITIONS: &str = "SELECT log, CAST(partition AS bigint), next FROM portfolio.read_positions_v1";

fn check_views(balances: &[BalanceLine], wallets: &[WalletLine], positions: &[(String, i64, i64)]) {
    let text = str::to_owned;
    let raw = text("9999999999999999999");
    let expected = (text("mock"), text("0xa"), text("coin"), None, Some(18), raw, true, text("second"), 12);
    assert_eq!(balances, [expected]);
    let refreshed = (text("mock"), text("0xa"), Some(text("second")), Some(12), 7, None);
    assert_eq!(wallets, [refreshed, (text("mock"), text("0xb"), None, None, 7, Some(text("wallet-rejected")))]);
    assert_eq!(positions, [(text("trades.executed.v1"), 0, 3)]);
}

#[tokio::test]
async fn views_of_sqlite_are_read_from_an_attached_file() {
    let fresh = stores::sqlite().await;
    fill(&fresh.store).await;
    let Some(Database::Sqlite(directory)) = &fresh.database else { panic!("no file") };
    // Not `:memory:`, because files attached to it would be in memory too.
    let main = SqliteConnectOptions::new().filename(directory.join("reader.db")).create_if_missing(true);
    let mut reader = SqliteConnection::connect_with(&main).await.unwrap();
    let file = directory.join("portfolio.db");
    let attach = sqlx::query("ATTACH DATABASE ? AS portfolio").bind(file.to_str().unwrap());
    attach.execute(&mut reader).await.unwrap();
    let balances: Vec<BalanceLine> = sqlx::query_as(SELECT_BALANCES).fetch_all(&mut reader).await.unwrap();
    let wallets: Vec<WalletLine> = sqlx::query_as(SELECT_WALLETS).fetch_all(&mut reader).await.unwrap();
    let positions: Vec<(String, i64, i64)> =
        sqlx::query_as(SELECT_READ_POSITIONS).fetch_all(&mut reader).await.unwrap();
    check_views(&balances, &wallets, &positions);
}

#[tokio::test]
async fn views_of_postgresql_are_read_by_their_schema() {
    let Some(url) = stores::postgres_url() else {
        println!("skipped: DATABASE_URL names no server");
        return;
    };
    let fresh = stores::postgres(&url).await;
    fill(&fresh.store).await;
    let Some(Database::Postgres(url)) = &fresh.database else { panic!("no server") };
    let mut reader = PgConnection::connect(url.expose()).await.unwrap();
    let balances: Vec<BalanceLine> = sqlx::query_as(SELECT_BALANCES).fetch_all(&mut reader).await.unwrap();
    let wallets: Vec<WalletLine> = sqlx::query_as(SELECT_WALLETS).fetch_all(&mut reader).await.unwrap();
    let positions: Vec<(String, i64, i64)> =
        sqlx::query_as(SELECT_READ_POSITIONS).fetch_all(&mut reader).await.unwrap();
    check_views(&balances, &wallets, &positions);
    reader.close().await.unwrap();
    fresh.remove().await;
}
