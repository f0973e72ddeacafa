//! Compares what a database knows of the log with the log as it is: a pure decision.

use crate::Log;
use crate::identity::{Identities, PartitionSpan};
use crate::topics::{ServiceTopics, TRADES, Topic};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tape::{Partition, Unavailable};

/// What a database knows of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPartition {
    /// Which.
    pub partition: Partition,
    /// The identity of its topic when it was read; none where a version of before read it.
    pub tape: Option<String>,
    /// The first position that an operator has accepted: what lay before is gone.
    pub first: u64,
    /// The next position to read; none where nothing was read.
    pub next: Option<u64>,
}

/// What is to be known of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedPartition {
    /// Which.
    pub partition: Partition,
    /// The identity of its topic.
    pub tape: Arc<str>,
    /// The first position that it holds.
    pub first: u64,
}

/// The log as it is.
pub(super) struct FoundLog {
    pub(super) identities: Identities,
    pub(super) spans: HashMap<Partition, PartitionSpan>,
}

impl FoundLog {
    pub(super) async fn read(log: &Log, topics: &[Topic], identities: Identities) -> Result<Self, Unavailable> {
        let mut spans = HashMap::new();
        for topic in topics.iter().filter(|topic| identities.contains_key(topic.name)) {
            spans.extend(log.spans(topic).await?);
        }
        Ok(Self { identities, spans })
    }
}

/// What a comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both belong together; some partitions are seen for the first time.
    Sound { to_note: Vec<NotedPartition> },
    /// A topic is not there, and was never read.
    Missing(&'static str),
    /// They do not belong together.
    Unsound(Findings),
}

/// What is wrong, by partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings(pub(super) BTreeMap<Partition, Finding>);

/// What is wrong with one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Its topic is gone.
    Gone,
    /// Its topic is another one under the same name.
    Replaced { was: String, is: Arc<str> },
    /// It ends before the position that was read.
    Shorter { next: u64, end: u64 },
    /// It begins after records that were never read, or can never be read again.
    Cut { first: u64 },
}

pub(super) fn compare(topics: &[Topic], known: &[KnownPartition], found: &FoundLog) -> Verdict {
    let known: HashMap<&Partition, &KnownPartition> = known.iter().map(|it| (&it.partition, it)).collect();
    let (mut findings, mut to_note, mut missing) = (Findings::default(), vec![], None);
    for topic in topics {
        let tape = found.identities.get(topic.name);
        for partition in topic.partitions() {
            let known = known.get(&partition).copied();
            let (Some(tape), Some(span)) = (tape, found.spans.get(&partition)) else {
                if known.is_some_and(|known| known.tape.is_some() || known.next.is_some()) {
                    findings.0.insert(partition, Finding::Gone);
                } else {
                    missing = Some(topic.name);
                }
                continue;
            };
            if let Some(finding) = check_partition(known, tape, *span) {
                findings.0.insert(partition, finding);
            } else if known.is_none_or(|known| known.tape.is_none()) {
                to_note.push(NotedPartition { partition, tape: Arc::clone(tape), first: 0 });
            }
        }
    }
    match missing {
        _ if !findings.0.is_empty() => Verdict::Unsound(findings),
        Some(topic) => Verdict::Missing(topic),
        None => Verdict::Sound { to_note },
    }
}

fn check_partition(known: Option<&KnownPartition>, tape: &Arc<str>, span: PartitionSpan) -> Option<Finding> {
    if let Some(was) = known.and_then(|known| known.tape.as_ref()).filter(|was| **was != **tape) {
        return Some(Finding::Replaced { was: was.clone(), is: Arc::clone(tape) });
    }
    if let Some(next) = known.and_then(|known| known.next).filter(|next| *next > span.end) {
        return Some(Finding::Shorter { next, end: span.end });
    }
    let accepted = known.map_or(0, |known| known.first);
    (span.first > accepted).then_some(Finding::Cut { first: span.first })
}

impl Findings {
    /// What was found, in a sentence with the cure.
    pub(super) fn sentence(&self, service: &ServiceTopics) -> String {
        let name = service.name;
        // The topic of live trades says most to an operator.
        let of_trades = self.0.iter().find(|(partition, _)| *partition.topic == *TRADES.name);
        let Some((partition, finding)) = of_trades.or_else(|| self.0.first_key_value()) else { return String::new() };
        let place = format!("{} partition {}", partition.topic, partition.index);
        let what = match finding {
            Finding::Gone => format!("topic {} is gone", partition.topic),
            Finding::Replaced { was, is } => {
                format!("topic {} is not the one that was read: its identity was {was} and is {is}", partition.topic)
            }
            Finding::Shorter { next, end } => {
                format!("{place} ends at {end}, and was read up to {next}: records are lost")
            }
            Finding::Cut { first } => {
                format!("{place} begins at {first}, though it is kept for ever: the records before are lost")
            }
        };
        let more = match self.0.len() - 1 {
            0 => String::new(),
            more => format!(" (and so for {more} more partitions)"),
        };
        format!(
            "{what}{more}; nothing is read until log and database belong together again: restore the one that was \
             lost or replaced from a backup, or let {name} read this log from its beginning onto the tables as they \
             are: {name} adopt --accept-new-tape"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::READ_BY_METRICS;

    fn found(tape: Option<&str>, first: u64, end: u64) -> FoundLog {
        let identities = tape.map(|tape| (Arc::from(TRADES.name), Arc::from(tape))).into_iter().collect();
        let span = |partition| (partition, PartitionSpan { first, end });
        FoundLog { identities, spans: tape.map(|_| TRADES.partitions().map(span)).into_iter().flatten().collect() }
    }

    fn known(tape: Option<&str>, first: u64, next: Option<u64>) -> Vec<KnownPartition> {
        vec![KnownPartition { partition: TRADES.partition(3), tape: tape.map(str::to_owned), first, next }]
    }

    fn finding(known: &[KnownPartition], found: &FoundLog) -> Option<Finding> {
        match compare(&[TRADES], known, found) {
            Verdict::Unsound(findings) => findings.0.get(&TRADES.partition(3)).cloned(),
            Verdict::Sound { .. } | Verdict::Missing(_) => None,
        }
    }

    #[test]
    fn a_log_is_sound_if_it_is_the_same_and_whole() {
        let all_new = compare(&[TRADES], &[], &found(Some("a"), 0, 0));
        assert!(matches!(all_new, Verdict::Sound { to_note } if to_note.len() == 64));
        // What a version of before has read is taken for this log's where that can be.
        assert!(matches!(
            compare(&[TRADES], &known(None, 0, Some(7)), &found(Some("a"), 0, 7)),
            Verdict::Sound { to_note } if to_note.len() == 64
        ));
        assert!(matches!(
            compare(&[TRADES], &known(Some("a"), 0, Some(7)), &found(Some("a"), 0, 7)),
            Verdict::Sound { to_note } if to_note.len() == 63
        ));
        assert_eq!(compare(&[TRADES], &[], &found(None, 0, 0)), Verdict::Missing(TRADES.name));
    }

    #[test]
    fn what_does_not_belong_together_is_named_with_the_cure() {
        let replaced = Finding::Replaced { was: "a".to_owned(), is: Arc::from("b") };
        assert_eq!(finding(&known(Some("a"), 0, Some(2)), &found(Some("b"), 0, 9)), Some(replaced));
        let shorter = Finding::Shorter { next: 8, end: 7 };
        for tape in [None, Some("a")] {
            assert_eq!(finding(&known(tape, 0, Some(8)), &found(Some("a"), 0, 7)), Some(shorter.clone()));
        }
        assert_eq!(finding(&known(Some("a"), 0, None), &found(None, 0, 0)), Some(Finding::Gone));
        assert_eq!(finding(&[], &found(Some("a"), 4, 7)), Some(Finding::Cut { first: 4 }), "also before it was read");
        assert_eq!(finding(&known(Some("a"), 0, Some(7)), &found(Some("a"), 4, 7)), Some(Finding::Cut { first: 4 }));
        assert_eq!(finding(&known(Some("a"), 4, Some(7)), &found(Some("a"), 4, 7)), None, "it was accepted");
        let Verdict::Unsound(findings) = compare(&[TRADES], &known(Some("a"), 0, Some(2)), &found(Some("b"), 0, 9))
        else {
            unreachable!()
        };
        let sentence = findings.sentence(&READ_BY_METRICS);
        assert!(sentence.contains("identity was a and is b"), "{sentence}");
        assert!(sentence.ends_with("metrics adopt --accept-new-tape"), "{sentence}");
    }
}
