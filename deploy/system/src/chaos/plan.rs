//! What is struck, drawn from a seed.

use mock_plugin::Random;
use std::time::Duration;

/// One of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    Ingestor(usize),
    Metrics(usize),
}

/// One fault.
#[derive(Clone, Debug)]
pub(super) enum Strike {
    /// kill -9 at once.
    Kill(Role),
    /// The process ends itself at a named place, the n-th time it passes.
    CrashAt(Role, &'static str, u64),
    /// SIGSTOP, and SIGCONT after so long: beyond the session timeout another has taken over.
    Pause(Role, Duration),
    /// Nodes fail every other request for so long.
    Storm(Duration),
    /// The newest 64 blocks of a chain are left.
    DeepFork(usize),
    /// A branch is left and taken again.
    ForkAndBack(usize),
    /// A branch is left while nobody follows.
    ForkWhileAway(usize),
    /// Records that do not validate.
    Poison,
    /// The broker or the database is killed and started again.
    Server(&'static str),
}

const OF_INGESTOR: [&str; 4] =
    ["tape.append.produced", "tape.append.joined", "tape.append.committed", "tape.share.fenced"];
const OF_METRICS: [&str; 3] = ["metrics.commit.before", "metrics.commit.after", "metrics.outbox.published"];

/// An endless row of faults.
pub(super) struct Strikes(Random);

impl Strikes {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::of(&[seed, 4242]))
    }

    pub(super) fn next(&mut self) -> Strike {
        let number = usize::try_from(self.0.below(2)).unwrap_or(0);
        let role = if self.0.below(5) < 3 { Role::Ingestor(number) } else { Role::Metrics(number) };
        let chain = usize::try_from(self.0.below(3)).unwrap_or(0);
        match self.0.below(100) {
            0..30 => Strike::Kill(role),
            30..60 => {
                let places: &[&'static str] =
                    if matches!(role, Role::Ingestor(_)) { &OF_INGESTOR } else { &OF_METRICS };
                let place = places[usize::try_from(self.0.below(places.len() as u64)).unwrap_or(0)];
                let times = if place == "tape.share.fenced" { 1 } else { 1 + self.0.below(6) };
                Strike::CrashAt(role, place, times)
            }
            60..72 => Strike::Pause(role, Duration::from_millis(500 + self.0.below(9_000))),
            72..78 => Strike::Storm(Duration::from_millis(500 + self.0.below(1_500))),
            78..84 => Strike::DeepFork(chain),
            84..89 => Strike::ForkAndBack(chain),
            89..92 => Strike::ForkWhileAway(chain),
            92..95 => Strike::Poison,
            95..98 => Strike::Server("postgres"),
            _ => Strike::Server("kafka"),
        }
    }

    /// How long nothing new is struck.
    pub(super) fn pause(&mut self) -> Duration {
        Duration::from_millis(100 + self.0.below(2_500))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_decides_and_every_kind_comes() {
        let drawn = |seed: u64| -> Vec<String> {
            let mut strikes = Strikes::new(seed);
            (0..500).map(|_| format!("{:?}", strikes.next())).collect()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let kinds: BTreeSet<String> =
            drawn(1).iter().map(|text| text.split(['(', '{']).next().unwrap_or_default().to_owned()).collect();
        assert_eq!(kinds.len(), 9, "{kinds:?}");
    }
}
