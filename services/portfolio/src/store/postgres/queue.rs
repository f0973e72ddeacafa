//! The queue of wallets that wait for a refresh, on PostgreSQL.

use super::PostgresStore;
use crate::store::{failed, signed, unsigned};
use portfolio_domain::{Job, Queue, Taken, Wallet};
use tape::Unavailable;

impl Queue for PostgresStore {
    async fn take(&self, now: u64, lease_ms: u64) -> Result<Taken, Unavailable> {
        let failed = failed("take a wallet to refresh");
        let lease: i64 = rand::random();
        let row: Option<(String, String, i64, i32)> = sqlx::query_as(
            "UPDATE queue SET lease = $2, leased_until = $3
             WHERE (chain, address) = (SELECT chain, address FROM queue WHERE due_at <= $1 AND leased_until <= $1
                                       ORDER BY last_trade_at DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING chain, address, generation, attempts",
        )
        .bind(signed(now))
        .bind(lease)
        .bind(signed(now + lease_ms))
        .fetch_optional(&self.0)
        .await
        .map_err(&failed)?;
        if let Some((chain, address, generation, attempts)) = row {
            let (generation, attempts) = (unsigned(generation), u32::try_from(attempts).unwrap_or(0));
            return Ok(Taken::Job(Job { wallet: Wallet::new(chain, address), lease, generation, attempts }));
        }
        let query = sqlx::query_scalar("SELECT MIN(GREATEST(due_at, leased_until)) FROM queue");
        let next_due: Option<i64> = query.fetch_one(&self.0).await.map_err(&failed)?;
        Ok(Taken::Idle { next_due: next_due.map(unsigned) })
    }

    async fn postpone(&self, job: &Job, due_at: u64, attempts: u32) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "UPDATE queue SET due_at = $4, attempts = $5, lease = 0, leased_until = 0
             WHERE chain = $1 AND address = $2 AND lease = $3",
        );
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        let query = query.bind(signed(due_at)).bind(i32::try_from(attempts).unwrap_or(i32::MAX));
        query.execute(&self.0).await.map(|_| ()).map_err(failed("postpone a wallet"))
    }

    async fn abandon(&self, job: &Job) -> Result<(), Unavailable> {
        let query = sqlx::query("DELETE FROM queue WHERE chain = $1 AND address = $2 AND lease = $3");
        let query = query.bind(&*job.wallet.chain).bind(&*job.wallet.address).bind(job.lease);
        query.execute(&self.0).await.map(|_| ()).map_err(failed("give a wallet up"))
    }
}
