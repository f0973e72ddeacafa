//! Records from other processes for a log in a file: they are left in a folder beside it, and the process that runs on
//! the log appends them. Two processes that append to the file themselves would give one position twice.
//!
//! A delivery may be appended twice, when the process dies between appending and deleting it: deliver only records for
//! which that makes no difference.

use crate::{Log, Record, sqlite};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tape::{Partition, Unavailable};

/// Time between two looks into the folder.
const INBOX_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The folder beside a log's file.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    file.with_extension("inbox")
}

/// Leaves records for the process that runs on the log. Keys and values are text, and there are no headers.
pub(crate) async fn leave(file: &Path, records: &[Record]) -> Result<(), Unavailable> {
    let folder = folder_of(file);
    let doing = format!("leave records in {}", folder.display());
    let failed = |e: std::io::Error| Unavailable::new(doing.clone(), e);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| Unavailable::new(doing.clone(), e));
    let mut listed = vec![];
    for record in records {
        let Partition { topic, index } = &record.partition;
        let (key, value) = (text(&record.key)?, record.value.as_deref().map(text).transpose()?);
        listed.push(json!({ "topic": &**topic, "index": index, "key": key, "value": value }));
    }
    tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
    let name = format!("{:013}-{}", environment::now_ms(), std::process::id());
    let (part, whole) = (folder.join(format!("{name}.part")), folder.join(format!("{name}.json")));
    tokio::fs::write(&part, Value::from(listed).to_string()).await.map_err(failed)?;
    tokio::fs::rename(&part, &whole).await.map_err(failed)
}

/// What is left for the process that runs on the log and not appended yet, oldest first.
pub(crate) async fn waiting(file: &Path) -> Result<Vec<Record>, Unavailable> {
    let mut records = vec![];
    for path in deliveries(&folder_of(file)).await? {
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => records.extend(parse(&text).unwrap_or_default()),
            // It was appended meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Unavailable::new(format!("read {}", path.display()), error)),
        }
    }
    Ok(records)
}

/// The files in the folder, oldest first; none where there is no folder.
async fn deliveries(folder: &Path) -> Result<Vec<PathBuf>, Unavailable> {
    let failed = |e: std::io::Error| Unavailable::new(format!("read {}", folder.display()), e);
    let mut entries = match tokio::fs::read_dir(&folder).await {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries.map_err(failed)?,
    };
    let mut paths = vec![];
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        paths.extend(Some(entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "json")));
    }
    paths.sort();
    Ok(paths)
}

/// Appends what other processes leave for a log in a file, for as long as it runs; nothing to do for other logs.
pub async fn follow(log: &Log) {
    let Log::Sqlite(file) = log else { return std::future::pending().await };
    let mut reported = false;
    loop {
        match take_all(file).await {
            Ok(()) => reported = false,
            Err(error) if !reported => {
                reported = true;
                tracing::warn!(event = "inbox.waiting", service = "chain-ingestor", %error, cause = %error.source, "deliveries of other processes wait");
            }
            Err(_) => {}
        }
        tokio::time::sleep(INBOX_POLL_INTERVAL).await;
    }
}

async fn take_all(log: &sqlite::Sqlite) -> Result<(), Unavailable> {
    let folder = folder_of(log.file());
    let failed = |e: std::io::Error| Unavailable::new(format!("read {}", folder.display()), e);
    for path in deliveries(&folder).await? {
        let text = tokio::fs::read_to_string(&path).await.map_err(failed)?;
        if let Some(records) = parse(&text) {
            log.publish(records).await?;
            tokio::fs::remove_file(&path).await.map_err(failed)?;
        } else {
            tracing::error!(event = "inbox.unreadable", service = "chain-ingestor", path = %path.display(), "a delivery cannot be read; it is put aside");
            tokio::fs::rename(&path, path.with_extension("refused")).await.map_err(failed)?;
        }
    }
    Ok(())
}

fn parse(text: &str) -> Option<Vec<Record>> {
    let listed: Vec<Value> = serde_json::from_str(text).ok()?;
    let record = |value: &Value| {
        let index = u32::try_from(value["index"].as_u64()?).ok()?;
        let partition = Partition { topic: Arc::from(value["topic"].as_str()?), index };
        let payload = match &value["value"] {
            Value::Null => None,
            payload => Some(payload.as_str()?.as_bytes().to_vec()),
        };
        Some(Record { partition, key: value["key"].as_str()?.as_bytes().to_vec(), headers: vec![], value: payload })
    };
    listed.iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, topics};

    #[tokio::test]
    async fn what_another_process_leaves_is_appended_by_the_one_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(folder.path().join("tape.db"));
        let running = Log::open(&target).await.unwrap();
        let partition = topics::JOURNAL.partition(1);
        let record = |key: &str, value: Option<&str>| Record {
            partition: partition.clone(),
            key: key.as_bytes().to_vec(),
            headers: vec![],
            value: value.map(|text| text.as_bytes().to_vec()),
        };
        running.publish(vec![record("gone", Some("x"))]).await.unwrap();
        let other = Log::open(&target).await.unwrap();
        other.deliver(vec![record("gone", None), record("kept", Some("{}"))]).await.unwrap();
        let inbox = folder_of(&folder.path().join("tape.db"));
        std::fs::write(inbox.join("0.json"), "no delivery").unwrap();
        let Log::Sqlite(file) = &running else { unreachable!() };
        take_all(file).await.unwrap();
        let stored = running.read_all(&partition).await.unwrap();
        assert_eq!(stored.iter().map(|stored| stored.key.as_slice()).collect::<Vec<_>>(), [b"kept"]);
        let left: Vec<_> = std::fs::read_dir(inbox).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["0.refused"]);
    }
}
