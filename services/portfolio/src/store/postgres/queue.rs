//! The queue of wallets that wait for a refresh, on PostgreSQL.

use super::PostgresStore;
use crate::store::{MAX_TURNS_TRIED, failed, signed, unsigned};
use migrations::Session as PgConnection;
use portfolio_domain::{Failure, Job, Postponement, Queue, Taken, Wallet};
use std::sync::Arc;
use tape::Unavailable;

impl Queue for PostgresStore {
    async fn take(&self, now: u64, lease_ms: u64, resting: &[Arc<str>]) -> Result<Taken, Unavailable> {
        let failed = failed("take a wallet to refresh");
        let resting: Vec<&str> = resting.iter().map(AsRef::as_ref).collect();
        for _ in 0..MAX_TURNS_TRIED {
            let network: Option<String> = sqlx::query_scalar(
                "SELECT t.chain FROM network_turns t
                 WHERE NOT t.chain = ANY($2)
                   AND EXISTS (SELECT 1 FROM queue q WHERE q.chain = t.chain AND q.due_at <= $1 AND q.leased_until <= $1)
                 ORDER BY t.turn, t.chain LIMIT 1",
            )
            .bind(signed(now))
            .bind(&resting)
            .fetch_optional(&self.0)
            .await
            .map_err(&failed)?;
            let Some(network) = network else { return self.next_due(&resting).await };
            // Another worker may have taken the last due wallet of the network.
            if let Some(job) = self.take_from(&network, now, lease_ms).await.map_err(&failed)? {
                return Ok(Taken::Job(job));
            }
        }
        Ok(Taken::Idle { next_due: Some(now) })
    }

    async fn postpone(&self, job: &Job, to: &Postponement) -> Result<(), Unavailable> {
        let failed = failed("postpone a wallet");
        let mut transaction = self.0.begin().await.map_err(&failed)?;
        let query = sqlx::query(
            "UPDATE queue SET due_at = $4, attempts = $5, asked_at = COALESCE($6, asked_at), late = $7, lease = 0, leased_until = 0
             WHERE chain = $1 AND address = $2 AND lease = $3",
        );
        let attempts = i32::try_from(to.attempts).unwrap_or(i32::MAX);
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        let query = query.bind(signed(to.due_at)).bind(attempts).bind(to.asked_at.map(signed));
        let query = query.bind(i64::from(to.late));
        if query.execute(&mut *transaction).await.map_err(&failed)?.rows_affected() > 0 {
            let retry_at = Some(signed(to.due_at));
            let asked_at = to.asked_at.map(signed);
            store_failure(&mut transaction, &job.wallet, attempts, to.failure, retry_at, asked_at)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    async fn abandon(&self, job: &Job, failure: Failure) -> Result<(), Unavailable> {
        let failed = failed("give a wallet up");
        let mut transaction = self.0.begin().await.map_err(&failed)?;
        let query = sqlx::query("DELETE FROM queue WHERE chain = $1 AND address = $2 AND lease = $3");
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        if query.execute(&mut *transaction).await.map_err(&failed)?.rows_affected() > 0 {
            let failures = i32::try_from(job.attempts).unwrap_or(i32::MAX).saturating_add(1);
            let stored = store_failure(&mut transaction, &job.wallet, failures, Some(failure), None, None);
            stored.await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }
}

impl PostgresStore {
    /// Takes the due wallet of a network that comes first, and puts the network behind all others.
    async fn take_from(&self, network: &str, now: u64, lease_ms: u64) -> Result<Option<Job>, sqlx::Error> {
        let lease: i64 = rand::random();
        let row: Option<(String, String, i64, i32, i64, i64)> = sqlx::query_as(
            "UPDATE queue SET lease = $2, leased_until = $3
             WHERE (chain, address) = (SELECT chain, address FROM queue
                                       WHERE chain = $4 AND due_at <= $1 AND leased_until <= $1
                                       ORDER BY asked_at IS NOT NULL, attempts > 0, asked_at, last_trade_at DESC
                                       LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING chain, address, generation, attempts, last_trade_height, late",
        )
        .bind(signed(now))
        .bind(lease)
        .bind(signed(now + lease_ms))
        .bind(network)
        .fetch_optional(&self.0)
        .await?;
        let Some((chain, address, generation, attempts, height, late)) = row else { return Ok(None) };
        sqlx::query("UPDATE network_turns SET turn = (SELECT MAX(turn) + 1 FROM network_turns) WHERE chain = $1")
            .bind(network)
            .execute(&self.0)
            .await?;
        let (generation, attempts) = (unsigned(generation), u32::try_from(attempts).unwrap_or(0));
        let (last_trade_height, late) = (unsigned(height), u32::try_from(late).unwrap_or(u32::MAX));
        let wallet = Wallet::new(chain, address);
        Ok(Some(Job { wallet, lease, generation, attempts, last_trade_height, late }))
    }

    async fn next_due(&self, resting: &[&str]) -> Result<Taken, Unavailable> {
        let query =
            sqlx::query_scalar("SELECT MIN(GREATEST(due_at, leased_until)) FROM queue WHERE NOT chain = ANY($1)");
        let next_due: Option<i64> =
            query.bind(resting).fetch_one(&self.0).await.map_err(failed("take a wallet to refresh"))?;
        Ok(Taken::Idle { next_due: next_due.map(unsigned) })
    }
}

/// Stores why a wallet is not refreshed, where there is a reason.
async fn store_failure(
    connection: &mut PgConnection,
    wallet: &Wallet,
    failures: i32,
    failure: Option<Failure>,
    retry_at: Option<i64>,
    asked_at: Option<i64>,
) -> Result<(), sqlx::Error> {
    let Some(failure) = failure else { return Ok(()) };
    let query = sqlx::query(
        "UPDATE wallets SET failures = $3, failure = $4, retry_at = $5, asked_at = COALESCE($6, asked_at)
         WHERE chain = $1 AND address = $2",
    );
    let query = query.bind(&*wallet.chain).bind(&*wallet.address).bind(failures);
    query.bind(failure.name()).bind(retry_at).bind(asked_at).execute(connection).await.map(|_| ())
}
