//! A file whose schema a newer version has migrated: worked on while that only added, refused by name otherwise.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

async fn note_migration(pool: &SqlitePool, description: &str) -> sqlx::Result<()> {
    let insert = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT max(version) + 1, '{description}', 1, x'00', 0 FROM _sqlx_migrations"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(pool).await.map(drop)
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_worked_on_unless_something_was_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("metrics.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let migrator = migrations::metrics_sqlite();
    for _ in 0..2 {
        migrations::bring_file_up_to_date(&pool, "metrics", &migrator).await.unwrap();
    }
    note_migration(&pool, "add a column").await.unwrap();
    migrations::bring_file_up_to_date(&pool, "metrics", &migrator).await.unwrap();
    note_migration(&pool, "contract to 0900 drop a column").await.unwrap();
    let refused = migrations::bring_file_up_to_date(&pool, "metrics", &migrator).await.unwrap_err().to_string();
    assert!(refused.contains("needs a service that knows migration 900"), "{refused}");
}
