//! The schemas of metrics and portfolio, embedded into the binaries that own them, and how services work on PostgreSQL.
//!
//! sqlx has a macro for this, but it builds a second SQLite and PostgreSQL client for the compiler alone, a minute of every
//! first build. A test compares the lists below with the folders.

mod applied;
pub mod schema;
pub mod sessions;

pub use schema::{MigrateCommand, SchemaError, bring_file_up_to_date, bring_up_to_date};
pub use sessions::{Session, Sessions, SettledTransaction};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

/// A migration file: its path without `.sql`, and its text.
type MigrationFile = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../", $path, ".sql")))),+]
    };
}

const METRICS_POSTGRES: &[MigrationFile] = files![
    "metrics/postgres/0001_create_book",
    "metrics/postgres/0002_publish_views",
    "metrics/postgres/0003_refold_by_method_and_hour",
    "metrics/postgres/0004_count_all_logs",
    "metrics/postgres/0005_drop_old_trades",
    "metrics/postgres/0006_key_trades",
    "metrics/postgres/0007_count_the_trades_of_books",
    "metrics/postgres/0008_continue_traces",
    "metrics/postgres/0009_know_the_tape",
    "metrics/postgres/0010_publish_the_cut",
    "metrics/postgres/0011_hand_basis_on",
    "metrics/postgres/0012_count_implausible_trades",
    "metrics/postgres/0013_tell_volume_that_stays",
    "metrics/postgres/0014_manage_partitions_for_others",
    "metrics/postgres/0015_find_by_transaction",
    "metrics/postgres/0016_sum_up_platforms",
    "metrics/postgres/0017_price_assets",
    "metrics/postgres/0018_rank_users_of_platforms",
    "metrics/postgres/0019_count_volume_by_confidence",
    "metrics/postgres/0020_order_price_changes",
];

const METRICS_SQLITE: &[MigrationFile] = files![
    "metrics/sqlite/0001_create_book",
    "metrics/sqlite/0002_publish_views",
    "metrics/sqlite/0003_refold_by_method_and_hour",
    "metrics/sqlite/0004_count_all_logs",
    "metrics/sqlite/0005_drop_old_trades",
    "metrics/sqlite/0006_count_the_trades_of_books",
    "metrics/sqlite/0007_continue_traces",
    "metrics/sqlite/0008_know_the_tape",
    "metrics/sqlite/0009_publish_the_cut",
    "metrics/sqlite/0010_hand_basis_on",
    "metrics/sqlite/0011_count_implausible_trades",
    "metrics/sqlite/0012_tell_volume_that_stays",
    "metrics/sqlite/0013_find_by_transaction",
    "metrics/sqlite/0014_sum_up_platforms",
    "metrics/sqlite/0015_price_assets",
    "metrics/sqlite/0016_rank_users_of_platforms",
    "metrics/sqlite/0017_count_volume_by_confidence",
    "metrics/sqlite/0018_order_price_changes",
];

const PORTFOLIO_POSTGRES: &[MigrationFile] = files![
    "portfolio/postgres/0001_create_holdings",
    "portfolio/postgres/0002_publish_views",
    "portfolio/postgres/0003_keep_drift",
    "portfolio/postgres/0004_rank_by_volume",
    "portfolio/postgres/0005_know_the_tape",
    "portfolio/postgres/0006_mark_kept_balances",
    "portfolio/postgres/0007_tell_unknown_apart",
    "portfolio/postgres/0008_take_turns",
    "portfolio/postgres/0009_tell_the_height",
    "portfolio/postgres/0010_keep_prices_and_days",
];

const PORTFOLIO_SQLITE: &[MigrationFile] = files![
    "portfolio/sqlite/0001_create_holdings",
    "portfolio/sqlite/0002_publish_views",
    "portfolio/sqlite/0003_keep_drift",
    "portfolio/sqlite/0004_rank_by_volume",
    "portfolio/sqlite/0005_know_the_tape",
    "portfolio/sqlite/0006_mark_kept_balances",
    "portfolio/sqlite/0007_tell_unknown_apart",
    "portfolio/sqlite/0008_take_turns",
    "portfolio/sqlite/0009_tell_the_height",
    "portfolio/sqlite/0010_keep_prices_and_days",
];

/// The roles of metrics and of its readers, for the schema's owner to create after a migration.
pub const METRICS_GRANTS: &str = include_str!("../metrics/postgres/grants.sql");
/// The roles of portfolio and of its readers, for the schema's owner to create after a migration.
pub const PORTFOLIO_GRANTS: &str = include_str!("../portfolio/postgres/grants.sql");

/// The migrations of metrics on PostgreSQL.
pub fn metrics_postgres() -> Migrator {
    migrator(METRICS_POSTGRES)
}

/// The migrations of metrics on SQLite.
pub fn metrics_sqlite() -> Migrator {
    migrator(METRICS_SQLITE)
}

/// The migrations of portfolio on PostgreSQL.
pub fn portfolio_postgres() -> Migrator {
    migrator(PORTFOLIO_POSTGRES)
}

/// The migrations of portfolio on SQLite.
pub fn portfolio_sqlite() -> Migrator {
    migrator(PORTFOLIO_SQLITE)
}

fn migrator(files: &[MigrationFile]) -> Migrator {
    Migrator::with_migrations(files.iter().filter_map(migration).collect())
}

/// Reads number and description from a path `…/NNNN_verb_noun`, as sqlx does for a folder.
fn migration((path, sql): &MigrationFile) -> Option<Migration> {
    let (number, description) = path.rsplit('/').next()?.split_once('_')?;
    let description = description.replace('_', " ");
    let sql = AssertSqlSafe(*sql).into_sql_str();
    Some(Migration::new(number.parse().ok()?, description.into(), MigrationType::Simple, sql, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_file_of_a_folder_is_embedded_as_sqlx_would_read_it() {
        let folders = [
            ("metrics/postgres", METRICS_POSTGRES),
            ("metrics/sqlite", METRICS_SQLITE),
            ("portfolio/postgres", PORTFOLIO_POSTGRES),
            ("portfolio/sqlite", PORTFOLIO_SQLITE),
        ];
        for (folder, files) in folders {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let mut names: Vec<String> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".sql").to_owned())
                .filter(|name| name != "grants")
                .map(|name| format!("{folder}/{name}"))
                .collect();
            names.sort();
            let embedded: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
            assert_eq!(embedded, names);
            assert_eq!(migrator(files).iter().count(), names.len(), "a name of {folder} is not NNNN_verb_noun");
        }
    }
}
