//! Every store that the suite is held against: memory, SQLite, and PostgreSQL where `DATABASE_URL` names a server.

use portfolio::settings::Database;
use portfolio::store::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh store, with what must outlive it.
pub(crate) struct Fresh {
    /// Its kind, for messages.
    pub(crate) name: &'static str,
    /// The store.
    pub(crate) store: Store,
    /// How to open it again; none where it dies with the process.
    pub(crate) database: Option<Database>,
    _directory: Option<tempfile::TempDir>,
    made: Option<(String, String)>,
}

/// One fresh store of each kind.
pub(crate) async fn fresh() -> Vec<Fresh> {
    let mut all = vec![
        Fresh { name: "memory", store: Store::Memory(Arc::default()), database: None, _directory: None, made: None },
        sqlite().await,
    ];
    match postgres_url() {
        Some(url) => all.push(postgres(&url).await),
        None => println!("skipped on PostgreSQL: DATABASE_URL names no server"),
    }
    all
}

/// A fresh file.
pub(crate) async fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().to_owned());
    let store = Store::open(&database).await.unwrap();
    Fresh { name: "sqlite", store, database: Some(database), _directory: Some(directory), made: None }
}

/// The server to test against.
pub(crate) fn postgres_url() -> Option<String> {
    std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"))
}

/// A fresh database on the server.
pub(crate) async fn postgres(server: &str) -> Fresh {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("portfolio_test_{}_{}_{number}", std::process::id(), environment::now_ms());
    let mut connection = PgConnection::connect(server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = reqwest::Url::parse(server).unwrap();
    url.set_path(&name);
    let database = Database::Postgres(environment::Secret::new(url.as_str()));
    let store = Store::open(&database).await.unwrap();
    let made = Some((server.to_owned(), name));
    Fresh { name: "postgres", store, database: Some(database), _directory: None, made }
}

impl Fresh {
    /// Removes what was made on a server. A test that fails leaves it there to be looked at.
    pub(crate) async fn remove(self) {
        drop(self.store);
        let Some((server, name)) = self.made else { return };
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
}
