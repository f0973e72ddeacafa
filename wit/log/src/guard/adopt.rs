//! The command `adopt` of a consumer: from now on its database belongs to the log as it is.

use super::compare::{Finding, FoundLog, NotedPartition, Verdict, compare};
use super::{TapeMemory, topics_of};
use crate::Log;
use crate::topics::ServiceTopics;
use std::sync::Arc;
use tape::{Partition, Unavailable};

/// Let the database belong to the log as it is, after the log was lost, replaced or cut.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct AdoptCommand {
    /// Do it: read what changed from its beginning onto the tables as they are. Without it, only say what would happen.
    #[arg(long)]
    pub accept_new_tape: bool,
}

/// Says what does not belong together and, where it is accepted, notes the log as it is: partitions of another log, or
/// with lost records, are read from their beginning again. Trades that are in the tables already change nothing when
/// they are read again; those that the log no longer has stay.
pub async fn adopt(
    command: AdoptCommand,
    log: &Log,
    service: &ServiceTopics,
    memory: &impl TapeMemory,
) -> Result<Vec<String>, Unavailable> {
    let topics = topics_of(service);
    let known = memory.known_partitions().await?;
    let found = FoundLog::read(log, &topics, log.identities(&topics).await?).await?;
    let findings = match compare(&topics, &known, &found) {
        Verdict::Sound { .. } => {
            return Ok(vec!["the tape is the one that was read: there is nothing to adopt".into()]);
        }
        Verdict::Missing(topic) => {
            let missing = format!("topic {topic} is not there; start the services that own the topics first");
            return Err(Unavailable::new("adopt the tape", missing));
        }
        Verdict::Unsound(findings) => findings,
    };
    if let Some((gone, _)) = findings.0.iter().find(|(_, finding)| **finding == Finding::Gone) {
        let missing = format!("topic {} is gone; start the service that owns it first", gone.topic);
        return Err(Unavailable::new("adopt the tape", missing));
    }
    let mut lines = vec![findings.sentence(service)];
    if !command.accept_new_tape {
        lines.push("nothing was changed".to_owned());
        return Ok(lines);
    }
    let noted: Vec<NotedPartition> = topics
        .iter()
        .flat_map(crate::Topic::partitions)
        .filter_map(|partition| {
            let tape = Arc::clone(found.identities.get(&partition.topic)?);
            let first = found.spans.get(&partition)?.first;
            Some(NotedPartition { partition, tape, first })
        })
        .collect();
    // What was read of a partition that only lost its beginning goes on where it is, unless records in between are lost.
    let next = |partition: &Partition| known.iter().find(|it| it.partition == *partition).and_then(|it| it.next);
    let is_void = |(partition, finding): &(&Partition, &Finding)| match finding {
        Finding::Cut { first } => next(partition).is_none_or(|next| next < *first),
        Finding::Gone | Finding::Replaced { .. } | Finding::Shorter { .. } => true,
    };
    let unread: Vec<Partition> = findings.0.iter().filter(is_void).map(|(partition, _)| partition.clone()).collect();
    memory.adopt_partitions(&noted, &unread).await?;
    lines.push(format!(
        "adopted: {} partitions are read from their beginning again; trades that this log does not have stay in the \
         tables",
        unread.len()
    ));
    Ok(lines)
}
