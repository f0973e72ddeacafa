//! The command `dlq` of a service: lists its dead letters, or replays those that it can read by now.

use crate::Log;
use crate::dead_letter::{list, replay};
use crate::topics::{ServiceTopics, Topic};
use tape::Unavailable;

/// List or replay dead letters: records that could not be read.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum DeadLetterCommand {
    /// Print each: its position, where it came from, and why it could not be read.
    List,
    /// Copy those to the replay topic of this service that it can read by now: each must be the newest record of its
    /// trade, and its block final.
    Replay,
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
            Self::List => list(log, service).await?.iter().map(ToString::to_string).collect(),
            Self::Replay => {
                let replayed = replay(log, service).await?;
                replayed.iter().map(|(letter, outcome)| format!("{letter} -> {outcome}")).collect()
            }
        })
    }
}
