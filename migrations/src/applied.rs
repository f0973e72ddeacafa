//! Compares the migrations that a database has with those that a version knows.
//!
//! A version works on the schema of a newer one: a migration only adds, unless its name says which service it needs.
//! `0021_contract_to_0019_drop_letters` takes away what no service uses any more that knows migration 19.

use sqlx::migrate::Migrator;

/// How the name of a migration begins that takes something away, as sqlx notes it, before the number.
const CONTRACTION: &str = "contract to ";

/// A migration that was applied, as sqlx noted it.
#[derive(Clone, Debug)]
pub(crate) struct AppliedMigration {
    version: i64,
    description: String,
    checksum: Vec<u8>,
    success: bool,
}

/// A row of sqlx's own table: version, description, checksum, success.
pub(crate) type AppliedRow = (i64, String, Vec<u8>, bool);

impl From<AppliedRow> for AppliedMigration {
    fn from((version, description, checksum, success): AppliedRow) -> Self {
        Self { version, description, checksum, success }
    }
}

/// How the schema of a database stands to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is this version's.
    Current,
    /// It is a newer one's, which only added to it.
    Newer {
        /// The newest migration that was applied.
        newest: i64,
    },
    /// It is a newer one's, which took away what this version needs.
    TooNew {
        /// The migration that did.
        migration: i64,
        /// The migration that a service must know to work on it.
        needed: i64,
    },
    /// It is older, or its migrations are not this version's.
    Other,
}

/// Compares what was applied, ordered by number, with what a version knows.
pub(crate) fn compare(applied: &[AppliedMigration], migrator: &Migrator) -> Standing {
    let known = migrator.iter().count();
    let is_same = |(applied, known): (&AppliedMigration, &sqlx::migrate::Migration)| {
        applied.success && applied.version == known.version && applied.checksum == *known.checksum
    };
    let (Some(same), Some(further)) = (applied.get(..known), applied.get(known..)) else { return Standing::Other };
    if !same.iter().zip(migrator.iter()).all(is_same) || further.iter().any(|migration| !migration.success) {
        return Standing::Other;
    }
    let newest_known = same.last().map_or(0, |migration| migration.version);
    let contracted =
        further.iter().filter_map(|migration| Some((migration.version, needed_by(&migration.description)?)));
    let too_new = contracted.filter(|(_, needed)| *needed > newest_known).max_by_key(|(_, needed)| *needed);
    match (too_new, further.last()) {
        (Some((migration, needed)), _) => Standing::TooNew { migration, needed },
        (None, Some(last)) => Standing::Newer { newest: last.version },
        (None, None) => Standing::Current,
    }
}

/// The migration that a service must know to work on what this one left; none where it only adds.
pub(crate) fn needed_by(description: &str) -> Option<i64> {
    let (number, _) = description.strip_prefix(CONTRACTION)?.split_once(' ')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::migrate::{Migration, MigrationType};
    use sqlx::{AssertSqlSafe, SqlSafeStr};

    fn migrator(count: i64) -> Migrator {
        let one = |number: i64| {
            let sql = AssertSqlSafe(format!("SELECT {number}")).into_sql_str();
            Migration::new(number, format!("add {number}").into(), MigrationType::Simple, sql, false)
        };
        Migrator::with_migrations((1..=count).map(one).collect())
    }

    fn applied(count: i64) -> Vec<AppliedMigration> {
        let one = |migration: &Migration| AppliedMigration {
            version: migration.version,
            description: migration.description.to_string(),
            checksum: migration.checksum.to_vec(),
            success: true,
        };
        migrator(count).iter().map(one).collect()
    }

    #[test]
    fn a_schema_of_this_version_is_current_and_an_older_one_is_not() {
        assert_eq!(compare(&applied(3), &migrator(3)), Standing::Current);
        assert_eq!(compare(&applied(2), &migrator(3)), Standing::Other);
        assert_eq!(compare(&[], &migrator(3)), Standing::Other);
    }

    #[test]
    fn a_schema_that_a_newer_version_only_added_to_is_worked_on() {
        assert_eq!(compare(&applied(5), &migrator(3)), Standing::Newer { newest: 5 });
    }

    #[test]
    fn a_contraction_is_worked_on_by_those_that_know_what_it_names() {
        let mut newer = applied(6);
        newer[5].description = "contract to 0004 drop letters".to_owned();
        assert_eq!(compare(&newer, &migrator(3)), Standing::TooNew { migration: 6, needed: 4 });
        assert_eq!(compare(&newer, &migrator(4)), Standing::Newer { newest: 6 });
    }

    #[test]
    fn another_text_or_a_migration_that_failed_is_not_worked_on() {
        let mut other = applied(3);
        other[1].checksum = vec![0];
        assert_eq!(compare(&other, &migrator(3)), Standing::Other);
        let mut failed = applied(4);
        failed[3].success = false;
        assert_eq!(compare(&failed, &migrator(3)), Standing::Other);
    }
}
