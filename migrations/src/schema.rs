//! Brings a schema up to date, or says who must: a service that may only read and write its tables runs on a schema that
//! somebody else has migrated, also on one that a newer version has.

use crate::applied::{AppliedMigration, AppliedRow, Standing, compare};
use crate::sessions::Sessions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlitePool};
use std::str::FromStr;

/// PostgreSQL's error codes for a table that is not there, and for a right that is missing.
const UNDEFINED_TABLE: &str = "42P01";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Why a schema cannot be used. Messages follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database does not answer now, or refuses a statement.
    #[error("work on schema {schema}")]
    Unavailable {
        /// Which schema.
        schema: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Its tables do not belong to this version.
    #[error("migrate schema {schema}")]
    Refused {
        /// Which schema.
        schema: String,
        /// Why.
        source: MigrateError,
    },
    /// A newer version has taken away what this one needs.
    #[error(
        "use schema {schema}: its migration {migration} needs a service that knows migration {needed}, and this one knows \
         {newest}; run a newer version, or restore a backup from before"
    )]
    TooNew {
        /// Which schema.
        schema: String,
        /// The number of the migration that took it away.
        migration: i64,
        /// The migration that a service must know to work on it.
        needed: i64,
        /// The newest migration that this version knows.
        newest: i64,
    },
    /// It must be migrated, which cannot be done from here.
    #[error(
        "use schema {schema}: it is not up to date, and {why}; run `{schema} migrate` with a DATABASE_URL of the server \
         itself and of the schema's owner"
    )]
    Pending {
        /// Which schema.
        schema: String,
        /// Why it cannot be migrated from here.
        why: String,
    },
}

/// Migrate the schema with the rights of its owner, which the running service need not have.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct MigrateCommand {
    /// Also create the roles of the service and of its readers, and grant them what they need.
    #[arg(long)]
    pub grants: bool,
}

impl MigrateCommand {
    /// Carries it out at an address of the owner; what was done, one line each.
    pub async fn execute(
        self,
        url: &str,
        schema: &str,
        migrator: &Migrator,
        grants: &'static str,
    ) -> Result<Vec<String>, SchemaError> {
        let unavailable = |source| SchemaError::Unavailable { schema: schema.to_owned(), source };
        let options = PgConnectOptions::from_str(url).map_err(unavailable)?.application_name("chaintape-migrate");
        let pool = PgPoolOptions::new().max_connections(1);
        let sessions = Sessions::connect_lazily(&options, pool, &[("search_path", schema)]);
        bring_up_to_date(&sessions, schema, migrator).await?;
        let mut done = vec![format!("schema {schema} is up to date")];
        if self.grants {
            let mut connection = sessions.connect_alone().await.map_err(unavailable)?;
            sqlx::raw_sql(grants).execute(&mut connection).await.map_err(unavailable)?;
            let roles = format!("roles chaintape_{schema} and chaintape_reader have what they need on schema {schema}");
            done.push(format!("{roles}; grant them to the logins of {schema} and api"));
        }
        sessions.close().await;
        Ok(done)
    }
}

/// Migrates a schema unless it is up to date; creates it if it is missing.
pub async fn bring_up_to_date(sessions: &Sessions, schema: &str, migrator: &Migrator) -> Result<(), SchemaError> {
    let unavailable = |source| SchemaError::Unavailable { schema: schema.to_owned(), source };
    let applied = applied_on_postgres(sessions).await.map_err(unavailable)?;
    if usable(schema, migrator, &applied)? {
        return Ok(());
    }
    let pending = |why: String| SchemaError::Pending { schema: schema.to_owned(), why };
    if sessions.is_pooled().await.map_err(unavailable)? {
        return Err(pending("DATABASE_URL leads through a pooler, which takes no migrations".to_owned()));
    }
    let mut connection = sessions.connect_alone().await.map_err(unavailable)?;
    let prepared = prepare(&mut connection, schema).await;
    let migrated = match prepared {
        Ok(()) => migrator.run_direct(None, &mut connection, false).await,
        Err(error) => Err(MigrateError::Execute(error)),
    };
    match migrated {
        Ok(()) => connection.close().await.map_err(unavailable),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) if is_forbidden(&error) => {
            Err(pending(format!("this login may not do it ({error})")))
        }
        Err(MigrateError::Execute(error)) => Err(unavailable(error)),
        Err(source) => Err(SchemaError::Refused { schema: schema.to_owned(), source }),
    }
}

/// Migrates a file's tables unless they are up to date; `schema` says whose they are.
pub async fn bring_file_up_to_date(pool: &SqlitePool, schema: &str, migrator: &Migrator) -> Result<(), SchemaError> {
    let unavailable = |source| SchemaError::Unavailable { schema: schema.to_owned(), source };
    let applied = applied_on_sqlite(pool).await.map_err(unavailable)?;
    if usable(schema, migrator, &applied)? {
        return Ok(());
    }
    match migrator.run(pool).await {
        Ok(()) => Ok(()),
        Err(MigrateError::Execute(source)) => Err(unavailable(source)),
        Err(source) => Err(SchemaError::Refused { schema: schema.to_owned(), source }),
    }
}

/// Whether a service works on a schema as it is; an error where it never will.
fn usable(schema: &str, migrator: &Migrator, applied: &[AppliedMigration]) -> Result<bool, SchemaError> {
    match compare(applied, migrator) {
        Standing::Current => Ok(true),
        Standing::Newer { newest } => {
            let known = newest_known(migrator);
            tracing::warn!(
                event = "schema.newer",
                schema,
                newest,
                known,
                "the schema is of a newer version, which this one works on"
            );
            Ok(true)
        }
        Standing::TooNew { migration, needed } => {
            Err(SchemaError::TooNew { schema: schema.to_owned(), migration, needed, newest: newest_known(migrator) })
        }
        Standing::Other => Ok(false),
    }
}

fn newest_known(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// What sqlx noted of the migrations that were applied.
const READ_APPLIED: &str = "SELECT version, description, checksum, success FROM _sqlx_migrations ORDER BY version";

async fn applied_on_postgres(sessions: &Sessions) -> Result<Vec<AppliedMigration>, sqlx::Error> {
    let rows: Vec<AppliedRow> = match sqlx::query_as(READ_APPLIED).fetch_all(sessions).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => vec![],
        read => read?,
    };
    Ok(rows.into_iter().map(AppliedMigration::from).collect())
}

async fn applied_on_sqlite(pool: &SqlitePool) -> Result<Vec<AppliedMigration>, sqlx::Error> {
    let find = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'");
    let rows: Vec<AppliedRow> = match find.fetch_optional(pool).await? {
        None => vec![],
        Some(_) => sqlx::query_as(READ_APPLIED).fetch_all(pool).await?,
    };
    Ok(rows.into_iter().map(AppliedMigration::from).collect())
}

/// Creates the schema unless it exists, and works in it. `CREATE SCHEMA IF NOT EXISTS` alone needs a right that the
/// login may lack.
async fn prepare(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let find = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1").bind(schema);
    let quoted = format!("\"{}\"", schema.replace('"', ""));
    if find.fetch_optional(&mut *connection).await?.is_none() {
        let create = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {quoted}"));
        sqlx::raw_sql(create).execute(&mut *connection).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("SET search_path = {quoted}"))).execute(connection).await.map(drop)
}

fn is_forbidden(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(INSUFFICIENT_PRIVILEGE)
}
