//! The command `dlq` of a service: lists its dead letters, or has it read again those that it can read by now.

use crate::Log;
use crate::dead_letter::{list, replay};
use crate::topics::{Reading, Topic};
use tape::Unavailable;

/// Records that were put aside because they could not be read.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum DeadLetterCommand {
    /// Print them: where each lies, where it came from, why it was put aside.
    List,
    /// Have those read again, by this service only, that can be: each is the last word on its trade, and its block is final.
    Replay,
}

impl DeadLetterCommand {
    /// Carries it out for the service that reads `reading` and owns `owned`; one line per dead letter.
    pub async fn execute(self, log: &Log, reading: &Reading, owned: &[Topic]) -> Result<Vec<String>, Unavailable> {
        log.own(owned).await?;
        Ok(match self {
            Self::List => list(log, reading).await?.iter().map(ToString::to_string).collect(),
            Self::Replay => {
                let replayed = replay(log, reading).await?;
                replayed.iter().map(|(letter, outcome)| format!("{letter} -> {outcome}")).collect()
            }
        })
    }
}
