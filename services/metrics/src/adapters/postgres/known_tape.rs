//! What the database knows of the tape that its read positions belong to.

use super::Postgres;
use migrations::Session as PgConnection;
use std::sync::Arc;
use tape::{Partition, Unavailable};
use tape_log::guard::{KnownPartition, NotedPartition, TapeMemory};

/// Topic, partition, tape, first accepted position, read position.
type TapeRow = (String, i32, Option<String>, i64, Option<i64>);

impl TapeMemory for Postgres {
    async fn known_partitions(&self) -> Result<Vec<KnownPartition>, Unavailable> {
        let query = "SELECT p.log, p.partition, t.tape, COALESCE(t.first, 0), p.next FROM position p
                LEFT JOIN tape_partitions t ON t.log = p.log AND t.partition = p.partition
            UNION ALL
            SELECT t.log, t.partition, t.tape, t.first, NULL FROM tape_partitions t WHERE NOT EXISTS
                (SELECT 1 FROM position p WHERE p.log = t.log AND p.partition = t.partition)";
        let rows: Vec<TapeRow> = sqlx::query_as(query)
            .fetch_all(&self.pool)
            .await
            .map_err(|e| Unavailable::new("read what is known of the tape", e))?;
        let known = |(log, index, tape, first, next): TapeRow| {
            let partition = Partition { topic: Arc::from(log), index: index.cast_unsigned() };
            KnownPartition { partition, tape, first: first.cast_unsigned(), next: next.map(i64::cast_unsigned) }
        };
        Ok(rows.into_iter().map(known).collect())
    }

    async fn note_partitions(&self, noted: &[NotedPartition]) -> Result<(), Unavailable> {
        self.adopt_partitions(noted, &[]).await
    }

    async fn adopt_partitions(&self, noted: &[NotedPartition], unread: &[Partition]) -> Result<(), Unavailable> {
        let failed = |e| Unavailable::new("note what is known of the tape", e);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        for noted in noted {
            note(&mut transaction, noted).await.map_err(failed)?;
        }
        for partition in unread {
            let forget = sqlx::query("DELETE FROM position WHERE log = $1 AND partition = $2");
            let forget = forget.bind(&*partition.topic).bind(partition.index.cast_signed());
            forget.execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }
}

async fn note(
    connection: &mut PgConnection,
    NotedPartition { partition, tape, first }: &NotedPartition,
) -> Result<(), sqlx::Error> {
    let upsert = "INSERT INTO tape_partitions (log, partition, tape, first) VALUES ($1, $2, $3, $4)
        ON CONFLICT (log, partition) DO UPDATE SET tape = excluded.tape, first = excluded.first";
    let upsert = sqlx::query(upsert).bind(&*partition.topic).bind(partition.index.cast_signed()).bind(&**tape);
    upsert.bind(first.cast_signed()).execute(connection).await.map(|_| ())
}
