//! The store on PostgreSQL: one transaction per business step, whole batches per statement.
//!
//! **Invariant:** transactions lock rows in the order read position, queue, other tables, so that no deadlock can
//! arise.

mod ledger;
mod queue;
mod holdings;
mod days;
mod known_tape;

use super::{Outgoing, TableCounts, UpdateMessage, counts_from_row, failed, sqlx_error};
use migrations::Sessions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::str::FromStr;
use std::time::Duration;
use tape::{Partition, Unavailable};

/// The schema that portfolio owns.
pub(crate) const PORTFOLIO_SCHEMA: &str = "portfolio";
const MAX_CONNECTIONS: u32 = 8;
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Transactions in the schema `portfolio`.
#[derive(Clone)]
pub struct PostgresStore(Sessions);

impl PostgresStore {
    /// Connects, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, Unavailable> {
        let options = PgConnectOptions::from_str(url).map_err(failed("read DATABASE_URL"))?;
        let options = options.application_name(PORTFOLIO_SCHEMA);
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(CONNECTION_TIMEOUT);
        let pool = Sessions::connect_lazily(&options, pool, &[("search_path", PORTFOLIO_SCHEMA)]);
        let migrated = migrations::bring_up_to_date(&pool, PORTFOLIO_SCHEMA, &migrations::portfolio_postgres()).await;
        migrated.map_err(|error| failed("migrate schema portfolio")(sqlx_error(error)))?;
        Ok(Self(pool))
    }

    pub(super) async fn outgoing(&self, limit: u32) -> Result<Vec<Outgoing>, Unavailable> {
        let rows: Vec<(i64, String, String, Vec<u8>)> =
            sqlx::query_as("SELECT id, key, event_id, payload FROM outbox ORDER BY id LIMIT $1")
                .bind(i64::from(limit))
                .fetch_all(&self.0)
                .await
                .map_err(failed("read the outbox"))?;
        let outgoing =
            |(id, key, event_id, payload)| Outgoing { id, message: UpdateMessage { key, event_id, payload } };
        Ok(rows.into_iter().map(outgoing).collect())
    }

    pub(super) async fn count_tables(&self) -> Result<TableCounts, Unavailable> {
        let counts = "SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM drift WHERE drift <> 0)";
        let counted = sqlx::query_as(counts).fetch_one(&self.0).await.map_err(failed("count the tables"))?;
        Ok(counts_from_row(counted))
    }

    pub(super) async fn sent(&self, ids: &[i64]) -> Result<(), Unavailable> {
        let query = sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(ids);
        query.execute(&self.0).await.map(|_| ()).map_err(failed("empty the outbox"))
    }
}

/// The partition's index as a column of type integer.
fn index_column(partition: &Partition) -> i32 {
    i32::try_from(partition.index).unwrap_or(i32::MAX)
}
