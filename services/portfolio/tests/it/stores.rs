//! The stores that tests run on: memory, SQLite, and PostgreSQL where `DATABASE_URL` names a server.

use portfolio::settings::Database;
use portfolio::store::Store;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a next version may do to a schema.
const NEXT_VERSION: &str = include_str!("../../../../migrations/tests/next_version.sql");

/// A new, empty store, with what must outlive it.
pub(crate) struct FreshStore {
    /// Its kind, for messages.
    pub(crate) name: &'static str,
    /// The store.
    pub(crate) store: Store,
    /// How to open it again; none for memory.
    pub(crate) database: Option<Database>,
    _directory: Option<tempfile::TempDir>,
    /// The server and the name of the database that was created on it.
    created: Option<(String, String)>,
}

/// One new store of each kind.
pub(crate) async fn fresh() -> Vec<FreshStore> {
    let mut all = vec![
        FreshStore {
            name: "memory",
            store: Store::Memory(Arc::default()),
            database: None,
            _directory: None,
            created: None,
        },
        sqlite().await,
    ];
    match postgres_url() {
        Some(url) => all.extend([postgres(&url).await, postgres_of_next_version(&url).await]),
        None => println!("skipped on PostgreSQL: DATABASE_URL names no server"),
    }
    all
}

/// A new SQLite file.
pub(crate) async fn sqlite() -> FreshStore {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().to_owned());
    let store = Store::open(&database).await.unwrap();
    FreshStore { name: "sqlite", store, database: Some(database), _directory: Some(directory), created: None }
}

/// The PostgreSQL server to test on.
pub(crate) fn postgres_url() -> Option<String> {
    std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"))
}

/// A new database on the server.
pub(crate) async fn postgres(server: &str) -> FreshStore {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("portfolio_test_{}_{}_{number}", std::process::id(), environment::now_ms());
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = reqwest::Url::parse(server).unwrap();
    url.set_path(&name);
    let database = Database::Postgres(environment::Secret::new(url.as_str()));
    let store = Store::open(&database).await.unwrap();
    let created = Some((server.to_owned(), name));
    FreshStore { name: "postgres", store, database: Some(database), _directory: None, created }
}

/// The same with the schema of a next version: what this version does must work there while an upgrade rolls.
async fn postgres_of_next_version(server: &str) -> FreshStore {
    let fresh = postgres(server).await;
    let Some(Database::Postgres(url)) = &fresh.database else { panic!("no server") };
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    connection.execute("SET search_path = portfolio").await.unwrap();
    connection.execute(sqlx::raw_sql(NEXT_VERSION)).await.unwrap();
    let store = Store::open(fresh.database.as_ref().unwrap()).await.unwrap();
    FreshStore { name: "postgres of a next version", store, ..fresh }
}

impl FreshStore {
    /// Removes the database from the server. A test that fails leaves it there, so that one can look at it.
    pub(crate) async fn remove(self) {
        drop(self.store);
        let Some((server, name)) = self.created else { return };
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
}
