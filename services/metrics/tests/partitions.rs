//! Two databases share the users: each owns its half of the partitions and nothing of the other, and together they are the book.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, dead_code, reason = "tests")]

#[path = "support/trades.rs"]
mod trades;

use environment::{Secret, Shutdown};
use metrics::Settings;
use metrics::settings::Database;
use metrics_domain::{Limits, Method, PriceRules};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::collections::BTreeSet;
use std::time::Duration;
use tape_log::{Log, PartitionRange, Record, Target, topics};
use trades::{Dice, history, record_value};

const HALVES: [&str; 2] = ["0-31", "32-63"];

/// Every table whose rows are of a user, with what is compared of a row; the partition comes first.
const ROWS: [&str; 4] = [
    "partition || ' ' || trader || ' ' || chain || ' ' || swaps || ' ' || volume_usd || ' ' || realized_pnl_usd FROM {}user_totals",
    "partition || ' ' || trader || ' ' || chain || ' ' || asset || ' ' || quantity || ' ' || basis_usd FROM {}positions",
    "partition || ' ' || trader || ' ' || chain || ' ' || platform || ' ' || day || ' ' || fees_usd FROM {}fees",
    "partition || ' ' || log || ' ' || next FROM {}position",
];

fn settings(database: Database, partitions: Option<&str>) -> Settings {
    Settings {
        database,
        health: None,
        limits: Limits::default(),
        rules: Method::Average.into(),
        workers: 2,
        price_rules: PriceRules::default(),
        partitions: partitions.map(|range| range.parse().unwrap()),
        retention_days: None,
    }
}

/// What all users have done, on the log; the number of its records.
async fn fill(log: &Log) -> u64 {
    let mut dice = Dice::new(7);
    let mut records = vec![];
    for number in 0..60 {
        for mut event in history("mock", &mut dice, 12) {
            // Two users of each history, and no user of two.
            event.trade.trader.address = format!("{}of{number}", event.trade.trader.address);
            let key = event.trade.key().into_bytes();
            let partition = topics::TRADES.partition_of(&key);
            records.push(Record { partition, key, headers: vec![], value: Some(record_value(&event)) });
        }
    }
    let count = records.len() as u64;
    log.publish(records).await.unwrap();
    count
}

/// All rows of all these tables; none before the service has made them.
async fn rows(database: &Database) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for columns in ROWS {
        let listed: Result<Vec<String>, sqlx::Error> = match database {
            Database::Sqlite(path) => {
                let query = format!("SELECT {}", columns.replace("{}", ""));
                match SqliteConnection::connect(&format!("sqlite:{}", path.display())).await {
                    Ok(mut connection) => sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await,
                    Err(error) => Err(error),
                }
            }
            Database::Postgres(url) => {
                let mut connection = PgConnection::connect(url.expose()).await.unwrap();
                let query = format!("SELECT {}", columns.replace("{}", "metrics."));
                sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await
            }
        };
        let Ok(listed) = listed else { return BTreeSet::new() };
        rows.extend(listed.into_iter().map(|row| format!("{row} {columns}")));
    }
    rows
}

/// How many records the database has read.
fn records_read(rows: &BTreeSet<String>) -> u64 {
    let positions = rows.iter().filter(|row| row.contains("trades.executed.v1"));
    positions.map(|row| row.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()).sum()
}

/// Runs the service on these databases at once until all records are read, each by one of them; the rows of each.
async fn fold(log: &Log, databases: &[(Database, Option<&str>)], records: u64) -> Vec<BTreeSet<String>> {
    let shutdown = Shutdown::default();
    let run = |(database, range): &(Database, Option<&str>)| {
        tokio::spawn(metrics::run(settings(database.clone(), *range), log.clone(), shutdown.clone()))
    };
    let running: Vec<_> = databases.iter().map(run).collect();
    let all_read = async {
        while rows_of_all(databases).await.iter().map(records_read).sum::<u64>() < records {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), all_read).await.expect("all is read within two minutes");
    shutdown.trigger();
    for task in running {
        task.await.unwrap().unwrap();
    }
    rows_of_all(databases).await
}

async fn rows_of_all(databases: &[(Database, Option<&str>)]) -> Vec<BTreeSet<String>> {
    let mut all = vec![];
    for (database, _) in databases {
        all.push(rows(database).await);
    }
    all
}

async fn halves_are_the_book(whole: Database, halves: [Database; 2]) {
    let log = Log::open(&Target::Memory).await.unwrap();
    let records = fill(&log).await;
    let book = fold(&log, &[(whole, None)], records).await.remove(0);
    let [lower, upper] = halves;
    let both = [(lower.clone(), Some(HALVES[0])), (upper, Some(HALVES[1]))];
    let folded = fold(&log, &both, records).await;
    for (rows, range) in folded.iter().zip(HALVES) {
        let range: PartitionRange = range.parse().unwrap();
        let is_own = |row: &String| {
            let index = row.split_whitespace().next().unwrap().parse().unwrap();
            range.contains(&topics::TRADES.partition(index))
        };
        assert!(rows.iter().all(is_own), "{range} holds rows of others");
        assert!(rows.len() > 100, "{range} holds {} rows", rows.len());
    }
    let together: BTreeSet<String> = folded.into_iter().flatten().collect();
    assert_eq!(together, book);

    // A database of one half is refused to whoever owns the other.
    let refused = metrics::run(settings(lower, Some(HALVES[1])), log, Shutdown::default()).await.unwrap_err();
    assert!(refused.to_string().contains("METRICS_PARTITIONS is 32-63"), "{refused:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sqlite_files_share_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| Database::Sqlite(folder.path().join(name).join("metrics.db"));
    halves_are_the_book(file("whole"), [file("lower"), file("upper")]).await;
}

/// On two servers where `CHAINTAPE_SECOND_POSTGRES` names another one, else on two databases of one.
#[tokio::test(flavor = "multi_thread")]
async fn two_postgresql_servers_share_the_users() {
    let Some(first) = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) else {
        println!("skipped: DATABASE_URL names no PostgreSQL server");
        return;
    };
    let second = std::env::var("CHAINTAPE_SECOND_POSTGRES").unwrap_or_else(|_| first.clone());
    let unique = format!("{}_{}", std::process::id(), environment::now_ms());
    let mut made = vec![];
    for (server, name) in [(&first, "whole"), (&first, "lower"), (&second, "upper")] {
        let name = format!("partitions_{name}_{unique}");
        execute(server, &format!("create database {name}")).await;
        let (base, _) = server.rsplit_once('/').unwrap();
        made.push((server, name.clone(), Database::Postgres(Secret::new(format!("{base}/{name}")))));
    }
    let database = |at: usize| made[at].2.clone();
    halves_are_the_book(database(0), [database(1), database(2)]).await;
    for (server, name, _) in &made {
        execute(server, &format!("drop database {name} with (force)")).await;
    }
}

async fn execute(server: &str, statement: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
}
