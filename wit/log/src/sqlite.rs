//! The log in a file of this machine: durable, for one process. Held to the same suite as the others.
//!
//! One row per record; a writer's epoch is compared in the transaction that appends; compacted topics drop the older
//! record of a key when the newer one arrives.

use crate::identity::PartitionSpan;
use crate::local::{LocalReader, PartitionEnds, RecordSource};
use crate::record::refusal;
use crate::{Appended, Arrival, Ends, Record, Stored, Topic, topics};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tape::{Partition, Start, Unavailable};

/// Records read by one query of a visit.
const VISITED_AT_ONCE: usize = 1_000;

const TABLES: &str = "
create table if not exists records (
    log text not null, part integer not null, position integer not null,
    key blob not null, headers text not null, value blob, at integer not null,
    primary key (log, part, position)
) without rowid;
create index if not exists records_by_key on records (log, part, key);
create table if not exists ends (log text not null, part integer not null, position integer not null,
    primary key (log, part)) without rowid;
create table if not exists identity (id text not null);
insert into identity select lower(hex(randomblob(16))) where not exists (select 1 from identity);
create table if not exists epochs (writer text primary key, epoch integer not null) without rowid;
";

/// An open file. Clones share it.
#[derive(Clone)]
pub struct Sqlite {
    path: Arc<Path>,
    identity: Arc<str>,
    records: File,
    ends: PartitionEnds,
    // SQLite has one writer; waiting for this lock is fairer than its busy loop.
    write_lock: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct File(SqlitePool);

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Result<Self, Unavailable> {
        let failed = |e: sqlx::Error| Unavailable::new(format!("open the log file {}", path.display()), e);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| Unavailable::new(format!("create the folder {}", folder.display()), e))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new().max_connections(6).connect_with(options).await.map_err(failed)?;
        sqlx::raw_sql(TABLES).execute(&pool).await.map_err(failed)?;
        drop_expired(&pool).await.map_err(failed)?;
        let rows = sqlx::query("select log, part, position from ends").fetch_all(&pool).await.map_err(failed)?;
        let mut ends = HashMap::new();
        for row in rows {
            let partition = Partition { topic: Arc::from(row.get::<&str, _>(0)), index: row.get(1) };
            ends.insert(partition, row.get::<i64, _>(2).cast_unsigned());
        }
        let id: String = sqlx::query_scalar("select id from identity").fetch_one(&pool).await.map_err(failed)?;
        let (path, identity) = (Arc::from(path), Arc::from(format!("file {id}")));
        let (records, ends) = (File(pool), PartitionEnds::new(ends));
        Ok(Self { path, identity, records, ends, write_lock: Arc::default() })
    }

    /// Where the file is.
    pub(crate) fn file(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn writer(&self, name: &str) -> Result<Writer, Unavailable> {
        let _writing = self.write_lock.lock().await;
        let claim = "insert into epochs values (?, 1) on conflict do update set epoch = epoch + 1 returning epoch";
        let epoch: i64 = sqlx::query_scalar(claim)
            .bind(name)
            .fetch_one(&self.records.0)
            .await
            .map_err(|e| Unavailable::new(format!("claim the writer {name}"), e))?;
        Ok(Writer { log: self.clone(), name: name.to_owned(), epoch })
    }

    pub(crate) async fn publish(&self, records: Vec<Record>) -> Result<(), Unavailable> {
        let failed = |e| Unavailable::new("append to the log file", e);
        if let Some(why) = refusal(&records) {
            return Err(Unavailable::new("append to the log file", why));
        }
        let _writing = self.write_lock.lock().await;
        let mut transaction = self.records.0.begin_with("begin immediate").await.map_err(failed)?;
        let mut ends = HashMap::new();
        self.insert(&mut transaction, &records, &mut ends).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.ends.advance(ends);
        Ok(())
    }

    pub(crate) async fn visit(
        &self,
        partition: &Partition,
        mut each: impl FnMut(Stored) + Send,
    ) -> Result<(), Unavailable> {
        // An append in flight ends first.
        let end = {
            let _writing = self.write_lock.lock().await;
            self.ends.end(partition)
        };
        let mut from = 0;
        while from < end {
            let records = self.records.fetch(partition, from, VISITED_AT_ONCE).await?;
            let Some(last) = records.last() else { break };
            from = last.position + 1;
            records.into_iter().for_each(&mut each);
        }
        Ok(())
    }

    pub(crate) fn identity(&self) -> Arc<str> {
        Arc::clone(&self.identity)
    }

    pub(crate) async fn spans(&self, topic: &Topic) -> Result<Vec<(Partition, PartitionSpan)>, Unavailable> {
        let mut spans = vec![];
        for partition in topic.partitions() {
            let end = self.ends.end(&partition);
            let first = if end == 0 { None } else { self.records.fetch(&partition, 0, 1).await?.pop() };
            spans.push((partition, PartitionSpan { first: first.map_or(end, |record| record.position), end }));
        }
        Ok(spans)
    }

    pub(crate) fn ends(&self, topic: &Topic) -> Vec<(Partition, u64)> {
        topic.partitions().map(|partition| (partition.clone(), self.ends.end(&partition))).collect()
    }

    pub(crate) async fn positions_at(
        &self,
        topic: &Topic,
        timestamp_ms: u64,
    ) -> Result<Vec<(Partition, u64)>, Unavailable> {
        let query = "select part, min(position) from records where log = ? and at >= ? group by part";
        let rows = sqlx::query(query)
            .bind(topic.name)
            .bind(timestamp_ms.cast_signed())
            .fetch_all(&self.records.0)
            .await
            .map_err(|e| Unavailable::new("look up positions in the log file", e))?;
        let found: HashMap<u32, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let position = |partition: Partition| {
            let position = found.get(&partition.index).map_or(self.ends.end(&partition), |found| found.cast_unsigned());
            (partition, position)
        };
        Ok(topic.partitions().map(position).collect())
    }

    pub(crate) fn assigned(&self, partitions: Vec<(Partition, Start)>) -> Reader {
        Reader(LocalReader::assigned(self.records.clone(), &self.ends, partitions))
    }

    pub(crate) fn joined(&self, group: &str, topic: &Topic) -> Reader {
        Reader(LocalReader::joined(self.records.clone(), &self.ends, group, topic))
    }

    /// Inserts records and moves the ends of their partitions.
    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        records: &[Record],
        ends: &mut HashMap<Partition, u64>,
    ) -> Result<(), sqlx::Error> {
        let now = environment::now_ms().cast_signed();
        for record in records {
            let end = ends.entry(record.partition.clone()).or_insert_with(|| self.ends.end(&record.partition));
            let (log, part) = (&*record.partition.topic, record.partition.index);
            let compacted = topics::is_compacted(log);
            if compacted {
                sqlx::query("delete from records where log = ? and part = ? and key = ?")
                    .bind(log)
                    .bind(part)
                    .bind(&record.key)
                    .execute(&mut *connection)
                    .await?;
            }
            if record.value.is_some() || !compacted {
                sqlx::query("insert into records values (?, ?, ?, ?, ?, ?, ?)")
                    .bind(log)
                    .bind(part)
                    .bind(end.cast_signed())
                    .bind(&record.key)
                    .bind(pack(&record.headers))
                    .bind(&record.value)
                    .bind(now)
                    .execute(&mut *connection)
                    .await?;
            }
            *end += 1;
        }
        for (partition, end) in &*ends {
            sqlx::query("insert into ends values (?, ?, ?) on conflict do update set position = excluded.position")
                .bind(&*partition.topic)
                .bind(partition.index)
                .bind(end.cast_signed())
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

async fn drop_expired(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    for topic in topics::ALL_TOPICS {
        if let topics::Policy::Days(days) = topic.policy {
            let oldest = environment::now_ms().saturating_sub(u64::from(days) * 86_400_000);
            sqlx::query("delete from records where log = ? and at < ?")
                .bind(topic.name)
                .bind(oldest.cast_signed())
                .execute(pool)
                .await?;
        }
    }
    Ok(())
}

/// Headers as JSON: names and values are short texts.
fn pack(headers: &[(String, Vec<u8>)]) -> String {
    let texts: Vec<(&str, String)> =
        headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned())).collect();
    serde_json::to_string(&texts).unwrap_or_default()
}

fn unpack(packed: &str) -> Vec<(String, Vec<u8>)> {
    let texts: Vec<(String, String)> = serde_json::from_str(packed).unwrap_or_default();
    texts.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
}

impl RecordSource for File {
    async fn fetch(&self, partition: &Partition, from: u64, limit: usize) -> Result<Vec<Stored>, Unavailable> {
        let query = "select position, key, headers, value, at from records
            where log = ? and part = ? and position >= ? order by position limit ?";
        let rows = sqlx::query(query)
            .bind(&*partition.topic)
            .bind(partition.index)
            .bind(from.cast_signed())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.0)
            .await
            .map_err(|e| Unavailable::new(format!("read {} {}", partition.topic, partition.index), e))?;
        let stored = |row: &sqlx::sqlite::SqliteRow| Stored {
            position: row.get::<i64, _>(0).cast_unsigned(),
            key: row.get(1),
            headers: unpack(row.get(2)),
            value: row.get(3),
            timestamp_ms: row.get::<i64, _>(4).cast_unsigned(),
        };
        Ok(rows.iter().map(stored).collect())
    }
}

/// How an append ended, unless the file failed.
enum Step {
    Done,
    Lost,
    Refused(String),
}

/// The only writer of a name, until another claims it.
pub struct Writer {
    log: Sqlite,
    name: String,
    epoch: i64,
}

impl Writer {
    pub(crate) async fn append(&mut self, records: Vec<Record>, seal: impl FnOnce(&Ends) -> Vec<Record>) -> Appended {
        let doing = "append to the log file";
        match self.try_append(records, seal).await {
            Ok(Step::Done) => Appended::Done,
            Ok(Step::Lost) => Appended::Lost,
            Ok(Step::Refused(why)) => Appended::Refused(Unavailable::new(doing, why)),
            Err(e) => Appended::Unknown(Unavailable::new(doing, e)),
        }
    }

    async fn try_append(
        &self,
        records: Vec<Record>,
        seal: impl FnOnce(&Ends) -> Vec<Record>,
    ) -> Result<Step, sqlx::Error> {
        let log = &self.log;
        let _writing = log.write_lock.lock().await;
        let mut transaction = log.records.0.begin_with("begin immediate").await?;
        let epoch: Option<i64> = sqlx::query_scalar("select epoch from epochs where writer = ?")
            .bind(&self.name)
            .fetch_optional(&mut *transaction)
            .await?;
        if epoch != Some(self.epoch) {
            return Ok(Step::Lost);
        }
        let mut ends = HashMap::new();
        if let Some(why) = refusal(&records) {
            return Ok(Step::Refused(why));
        }
        log.insert(&mut transaction, &records, &mut ends).await?;
        let last = seal(&ends.clone().into_iter().collect());
        if let Some(why) = refusal(&last) {
            return Ok(Step::Refused(why));
        }
        log.insert(&mut transaction, &last, &mut ends).await?;
        transaction.commit().await?;
        log.ends.advance(ends);
        Ok(Step::Done)
    }
}

/// Reads the file.
pub struct Reader(LocalReader<File>);

impl Reader {
    pub(crate) async fn next(&mut self) -> Result<Arrival, Unavailable> {
        self.0.next().await
    }

    pub(crate) fn seek(&mut self, partition: &Partition, start: Start) {
        self.0.seek(partition, start);
    }

    pub(crate) fn let_go(&mut self, partition: &Partition) {
        self.0.let_go(partition);
    }
}
