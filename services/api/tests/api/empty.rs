//! A database that answers and has no tables yet, as `chaintape doctor` meets it before a first start.

use api::{DatabaseState, Settings, try_database};
use environment::Problems;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::collections::HashMap;

#[tokio::test]
async fn a_database_without_tables_is_told_from_one_that_does_not_answer() {
    let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) else {
        println!("skipped: DATABASE_URL names no PostgreSQL");
        return;
    };
    let name = format!("api_empty_{}", std::process::id());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let tried = async |url: String| {
        let strings = HashMap::from([("DATABASE_URL".to_owned(), url)]);
        try_database(&Settings::read(&strings, &mut Problems::default())).await
    };
    assert_eq!(tried(format!("{server}/{name}")).await.unwrap(), DatabaseState::WithoutTables);
    assert!(tried(format!("{server}/{name}_missing")).await.is_err());
    admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
}
