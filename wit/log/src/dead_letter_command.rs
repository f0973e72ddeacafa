//! The command `dlq` of a service: lists its dead letters, or replays those that it can read by now.

use crate::Log;
use crate::dead_letter::{DeadLetter, ReplayOutcome, list, replay};
use crate::topics::{ServiceTopics, Topic};
use serde_json::json;
use tape::Unavailable;

/// List or replay dead letters: records that could not be read.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum DeadLetterCommand {
    /// Print each: its position, where it came from, and why it could not be read.
    List {
        /// As JSON, one object per line.
        #[arg(long)]
        json: bool,
    },
    /// Copy those to the replay topic of this service that it can read by now: each must be the newest record of its
    /// trade, and its block final.
    Replay {
        /// As JSON, one object per line.
        #[arg(long)]
        json: bool,
    },
}

impl DeadLetterCommand {
    /// Carries it out for one service, which owns the topics `owned`; one line per dead letter.
    pub async fn execute(
        self,
        log: &Log,
        service: &ServiceTopics,
        owned: &[Topic],
    ) -> Result<Vec<String>, Unavailable> {
        log.own(owned).await?;
        Ok(match self {
            Self::List { json } => {
                let letters = list(log, service).await?;
                letters
                    .iter()
                    .map(|letter| if json { as_json(service, letter, None) } else { letter.to_string() })
                    .collect()
            }
            Self::Replay { json } => {
                let replayed = replay(log, service).await?;
                let line = |(letter, outcome): &(DeadLetter, ReplayOutcome)| {
                    if json { as_json(service, letter, Some(outcome)) } else { format!("{letter} -> {outcome}") }
                };
                replayed.iter().map(line).collect()
            }
        })
    }
}

/// One dead letter as a line of JSON.
fn as_json(service: &ServiceTopics, letter: &DeadLetter, outcome: Option<&ReplayOutcome>) -> String {
    let ((dead, at), (from, position)) = (&letter.place, &letter.origin);
    let mut line = json!({
        "service": service.name, "topic": &*dead.topic, "position": at, "key": letter.key(), "reason": letter.reason,
        "from": { "topic": &*from.topic, "partition": from.index, "position": position },
    });
    if let Some(outcome) = outcome {
        line["outcome"] = outcome.name().into();
        line["says"] = outcome.to_string().into();
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::for_record;
    use crate::{Stored, Target, topics};
    use serde_json::Value;

    #[tokio::test]
    async fn a_script_reads_each_dead_letter_as_one_line() {
        let log = Log::open(&Target::Memory).await.unwrap();
        let record = Stored {
            position: 7,
            key: b"base/0xabc".to_vec(),
            headers: vec![],
            value: Some(b"{}".to_vec()),
            timestamp_ms: 0,
        };
        let letter = for_record(&topics::METRICS_DLQ, &topics::TRADES.partition(3), record, "no trade");
        log.publish(vec![letter]).await.unwrap();
        let service = &topics::READ_BY_METRICS;
        let execute = async |command: DeadLetterCommand| {
            let lines = command.execute(&log, service, topics::OF_METRICS).await.unwrap();
            lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let listed = execute(DeadLetterCommand::List { json: true }).await;
        let expected = json!({
            "service": "metrics", "topic": "trades.executed.v1.metrics.dlq", "position": 0, "key": "base/0xabc",
            "reason": "no trade", "from": { "topic": "trades.executed.v1", "partition": 3, "position": 7 },
        });
        assert_eq!(listed, [expected]);
        let replayed = execute(DeadLetterCommand::Replay { json: true }).await;
        assert_eq!(replayed[0]["outcome"], "unreadable", "{replayed:?}");
        assert!(replayed[0]["says"].as_str().unwrap().starts_with("still cannot be read"), "{replayed:?}");
    }
}
