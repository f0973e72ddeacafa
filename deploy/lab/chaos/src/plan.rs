//! The plan of a run: which fault is injected when, drawn from a seed.

use super::hostile::Guest;
use mock_plugin::Random;
use std::collections::BTreeSet;
use std::time::Duration;

/// One of the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    Ingestor(usize),
    Metrics(usize),
    Portfolio,
    Api,
}

impl Role {
    /// All processes of a run.
    pub(super) const ALL: [Self; 6] =
        [Self::Ingestor(0), Self::Ingestor(1), Self::Metrics(0), Self::Metrics(1), Self::Portfolio, Self::Api];
}

/// The services that read the tape and remember how far.
pub(super) const READERS: [Role; 3] = [Role::Metrics(0), Role::Metrics(1), Role::Portfolio];

/// One fault.
#[derive(Clone, Debug)]
pub(super) enum Strike {
    /// kill -9 at once.
    Kill(Role),
    /// The process ends itself at a named place, the n-th time it passes.
    CrashAt(Role, &'static str, u64),
    /// SIGSTOP, and SIGCONT after so long: beyond the session timeout another has taken over.
    Pause(Role, Duration),
    /// The ingestor of that number is frozen before a step and continues while the other one takes over, slowly or not.
    Overlap(usize, bool),
    /// Nodes answer every other request wrongly for so long.
    Storm(Duration),
    /// The newest 64 blocks of a chain are replaced by another branch.
    DeepFork(usize),
    /// A chain switches to another branch and back.
    ForkAndBack(usize),
    /// A chain switches to another branch while no ingestor runs.
    ForkWhileAway(usize),
    /// An operator requests a backfill below the first followed height; some heights may be covered already.
    Backfill(usize, u64, u64),
    /// An operator rewinds a chain by so many blocks.
    Rewind(usize, u64),
    /// Another version of the plugin is dropped into the folder.
    Swap(u8),
    /// A hostile plugin is dropped in, with a chain of its own.
    Guest(Guest, u8),
    /// Records that cannot be decoded are published.
    Poison,
    /// The broker or the database is killed and started again.
    Server(&'static str),
}

impl Strike {
    /// The word that names its kind.
    fn kind(&self) -> String {
        if let Self::Guest(guest, _) = self {
            return format!("{guest:?}");
        }
        format!("{self:?}").split(['(', '{']).next().unwrap_or_default().trim().to_owned()
    }
}

const INGESTOR_CRASH_PLACES: [&str; 4] =
    ["tape.append.produced", "tape.append.joined", "tape.append.committed", "tape.partition.fenced"];
const PORTFOLIO_CRASH_PLACES: [&str; 3] =
    ["portfolio.step.before", "portfolio.step.after", "portfolio.outbox.published"];
const METRICS_CRASH_PLACES: [&str; 3] = ["metrics.commit.before", "metrics.commit.after", "metrics.outbox.published"];

/// The height at which each chain is followed from; lower ones are backfilled.
pub(super) const FIRST_FOLLOWED_HEIGHT: u64 = 200;

/// An endless sequence of faults.
pub(super) struct Strikes {
    random: Random,
    only: Option<String>,
    /// Whether servers may be killed.
    with_servers: bool,
}

impl Strikes {
    /// Of all kinds, or of one; with servers that may be killed, or without.
    pub(super) fn new(seed: u64, only: Option<&str>, with_servers: bool) -> Self {
        Self { random: Random::from_words(&[seed, 4242]), only: only.map(str::to_owned), with_servers }
    }

    /// Every kind, by the words that name them.
    pub(super) fn kinds(with_servers: bool) -> BTreeSet<String> {
        let mut strikes = Self::new(1, None, with_servers);
        (0..2_000).map(|_| strikes.next().kind()).collect()
    }

    pub(super) fn next(&mut self) -> Strike {
        loop {
            let strike = self.draw();
            let may_be = self.with_servers || !matches!(strike, Strike::Server(_));
            if may_be && self.only.as_ref().is_none_or(|only| *only == strike.kind()) {
                return strike;
            }
        }
    }

    fn draw(&mut self) -> Strike {
        let number = usize::try_from(self.random.below(2)).unwrap_or(0);
        let role = match self.random.below(20) {
            0..11 => Role::Ingestor(number),
            11..17 => Role::Metrics(number),
            17..19 => Role::Portfolio,
            _ => Role::Api,
        };
        let chain = usize::try_from(self.random.below(3)).unwrap_or(0);
        match self.random.below(100) {
            0..26 => Strike::Kill(role),
            26..30 => {
                let guest = Guest::ALL[usize::try_from(self.random.below(4)).unwrap_or(0)];
                Strike::Guest(guest, u8::try_from(self.random.below(256)).unwrap_or(0))
            }
            30..56 => {
                let places: &[&'static str] = match role {
                    Role::Ingestor(_) => &INGESTOR_CRASH_PLACES,
                    Role::Metrics(_) => &METRICS_CRASH_PLACES,
                    Role::Portfolio => &PORTFOLIO_CRASH_PLACES,
                    Role::Api => return Strike::Kill(role),
                };
                let place = places[usize::try_from(self.random.below(places.len() as u64)).unwrap_or(0)];
                let times = if place == "tape.partition.fenced" { 1 } else { 1 + self.random.below(6) };
                Strike::CrashAt(role, place, times)
            }
            56..66 => Strike::Pause(role, Duration::from_millis(500 + self.random.below(9_000))),
            66..68 => Strike::Overlap(number, self.random.below(2) == 0),
            68..73 => Strike::Storm(Duration::from_millis(500 + self.random.below(1_500))),
            73..79 => Strike::DeepFork(chain),
            79..84 => Strike::ForkAndBack(chain),
            84..86 => Strike::ForkWhileAway(chain),
            86..88 => Strike::Swap(u8::try_from(self.random.below(256)).unwrap_or(0)),
            88..90 => {
                let from = self.random.below(FIRST_FOLLOWED_HEIGHT);
                Strike::Backfill(chain, from, from + self.random.below(FIRST_FOLLOWED_HEIGHT - from))
            }
            90..92 => Strike::Rewind(chain, 1 + self.random.below(30)),
            92..95 => Strike::Poison,
            95..98 => Strike::Server("postgres"),
            _ => Strike::Server("kafka"),
        }
    }

    /// How long to wait before the next fault.
    pub(super) fn pause(&mut self) -> Duration {
        Duration::from_millis(100 + self.random.below(2_500))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_every_kind_comes() {
        let drawn = |seed: u64| -> Vec<String> {
            let mut strikes = Strikes::new(seed, None, true);
            (0..500).map(|_| format!("{:?}", strikes.next())).collect()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(Strikes::kinds(true).len(), 17, "{:?}", Strikes::kinds(true));
        assert!(!Strikes::kinds(false).contains("Server"));
        let mut swaps = Strikes::new(1, Some("Swap"), true);
        assert!((0..5).all(|_| matches!(swaps.next(), Strike::Swap(_))));
    }
}
