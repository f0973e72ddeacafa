//! The published views as a contract: their columns are those of the golden list on both databases, columns are only
//! ever added, and the reading role reads all of them and writes nothing.

use crate::ground::{Ground, day_row, event, folded_row, position_row, totals_row, trade, wallet_rows};
use api::store::Store;
use api_domain::{
    AssetPage, AssetQuery, CandleInterval, CandleRange, Measure, PositionKey, StepPage, TradeQuery, UserQuery, Window,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use std::collections::BTreeSet;
use std::path::Path;
use tape::Status;

/// `schema.view column` of every published view; `platform_fees_v1` is PostgreSQL's alone, SQLite is added up by the
/// api.
async fn columns(ground: &Ground) -> BTreeSet<String> {
    let of_server = "SELECT table_schema || '.' || table_name || ' ' || column_name FROM information_schema.columns
                     WHERE table_schema IN ('metrics', 'portfolio') AND table_name LIKE '%\\_v1'";
    let of_file =
        "SELECT m.name || ' ' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'view'";
    match ground {
        Ground::Postgres { pool, .. } => {
            let rows = pool.fetch_all(of_server).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).filter(|row| !row.contains(".platform_fees_v1 ")).collect()
        }
        Ground::Sqlite { metrics, portfolio, .. } => {
            let mut all = BTreeSet::new();
            for (owner, pool) in [("metrics", metrics), ("portfolio", portfolio)] {
                let rows = pool.fetch_all(of_file).await.unwrap();
                all.extend(rows.iter().map(|row| format!("{owner}.{}", row.get::<String, _>(0))));
            }
            all
        }
    }
}

#[tokio::test]
async fn views_are_as_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("views.txt");
    for ground in Ground::all().await {
        let now = columns(&ground).await;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let lines: Vec<&str> = now.iter().map(String::as_str).collect();
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        }
        let golden: BTreeSet<String> =
            std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
        let gone: Vec<&String> = golden.difference(&now).collect();
        assert!(gone.is_empty(), "published columns are gone: {gone:?}");
        let new: Vec<&String> = now.difference(&golden).collect();
        assert!(new.is_empty(), "new columns are not in views.txt: {new:?}; run with UPDATE_GOLDEN=1 and review it");
    }
}

#[tokio::test]
async fn the_reading_role_serves_everything_and_writes_nothing() {
    for ground in Ground::all().await {
        let Ground::Postgres { url, pool } = &ground else { continue };
        let mut rows =
            vec![totals_row("mock", "0xa", "1", 1), position_row("mock", "0xa", "0xweth", "1"), folded_row(0, 1)];
        rows.push("INSERT INTO method (name) VALUES ('average')".to_owned());
        ground.write("metrics", &rows).await;
        ground.trades(&[event(Status::Observed, trade("mock", 1, 0, "0xa"))]).await;
        ground
            .write(
                "portfolio",
                &[wallet_rows("mock", "0xa", &[("0xusdc", "5")], 42), vec![day_row("0xa", "0xusdc", 1, "5", false)]]
                    .concat(),
            )
            .await;
        // Roles belong to the whole server, so this one is of this test alone.
        let role = format!("api_reader_{}_{}", std::process::id(), environment::now_ms());
        for grants in [
            include_str!("../../../../migrations/metrics/postgres/grants.sql"),
            include_str!("../../../../migrations/portfolio/postgres/grants.sql"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(grants.replace("chaintape_reader", &role))).execute(pool).await.unwrap();
        }
        let login = format!("CREATE ROLE {role}_login LOGIN PASSWORD 'reading' IN ROLE {role}");
        pool.execute(AssertSqlSafe(login)).await.unwrap();
        let (_, rest) = url.split_once('@').unwrap_or_else(|| url.split_once("://").unwrap());
        let reading = format!("postgres://{role}_login:reading@{rest}");

        let store = Store::from_url(&reading).unwrap();
        let who = UserQuery { address: "0xa".into(), chain: None };
        let users = std::slice::from_ref(&who);
        let page = AssetPage { after: None, limit: 5 };
        let book = PositionKey { address: "0xa".into(), chain: "mock".into(), asset: "0xweth".into() };
        let query = TradeQuery { limit: 5, ..TradeQuery::default() };
        assert_eq!(store.trades(&query).await.unwrap().rows.len(), 1);
        assert_eq!(store.trades_and_positions(&query).await.unwrap().0.next(0), 1);
        assert_eq!(store.user_totals(users, None).await.unwrap().len(), 1);
        assert!(store.user_totals(users, Some(9)).await.unwrap().is_empty());
        assert!(store.user_history(users, None, 24).await.unwrap().is_empty());
        assert!(
            store.user_fees(&who, None, None, 5).await.unwrap().is_empty()
                && store.platform_fees("x", None, 5).await.unwrap().is_empty()
        );
        assert!(store.leaderboard(Window::Day, Measure::Pnl, 0, 5).await.unwrap().is_empty());
        assert_eq!(store.user_state(&who, 5).await.unwrap().positions.len(), 1);
        let asset = AssetQuery { chain: "mock".into(), asset: "0xweth".into() };
        assert!(store.asset(&asset, 0).await.unwrap().is_none());
        let range = CandleRange::between(CandleInterval::Hour, None, None, 0);
        assert!(store.candles(&asset, &range).await.unwrap().is_none());
        assert_eq!(store.user_holdings(users).await.unwrap().positions.len(), 1);
        assert!(store.explain_position(&book, &StepPage { after: None, limit: 5 }).await.unwrap().is_some());
        assert_eq!(store.wallet_state(&who, &page).await.unwrap().balances.len(), 1);
        assert_eq!(store.worth_history(users, [0, 1]).await.unwrap().0.len(), 1);
        assert!(store.user_drift(&who, &page).await.unwrap().is_empty());

        let mut session = PgConnection::connect(&reading).await.unwrap();
        for refused in [
            "INSERT INTO metrics.fees VALUES ('a', 'b', 'c', 1, 1, 1, 1)",
            "UPDATE metrics.user_totals_v1 SET swaps = 9",
            "DELETE FROM metrics.trades_v1",
            "SELECT * FROM metrics.trades",
            "SELECT * FROM portfolio.queue",
            "UPDATE portfolio.wallets SET taken_at = 1",
            "TRUNCATE portfolio.balances",
            "CREATE TABLE metrics.mine (a int)",
            "DROP VIEW metrics.leaders_v1",
        ] {
            let error = session.execute(refused).await.unwrap_err();
            let code = error.as_database_error().and_then(|error| error.code().map(|code| code.to_string()));
            let denied = matches!(code.as_deref(), Some("42501" | "55000"));
            assert!(denied, "{refused}: {error}");
        }
        session.close().await.unwrap();
        store.close().await;
        let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}_login; DROP ROLE {role}");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(pool).await.unwrap();
    }
}
