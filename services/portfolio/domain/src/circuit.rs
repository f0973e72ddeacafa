//! Circuits: one for each provider and network, which says when the provider is asked for wallets of that network.
//!
//! A wallet that fails says nothing about others, so only failures of different wallets count: each one puts a little more
//! time between two requests, and an answer puts none again. Where a key is refused, a circuit opens for longer.

use crate::ports::ProviderError;
use crate::wallet::Wallet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What each further wallet that fails puts between two requests, in milliseconds.
const SPACING_MS: u64 = 50;
/// The longest time between two requests, in milliseconds.
const MAX_SPACING_MS: u64 = 30_000;
/// More wallets need not be told apart: the spacing is at its longest.
const MAX_FAILING: usize = (MAX_SPACING_MS / SPACING_MS) as usize;
/// A failure that took so long costs the next wallets as much, in milliseconds.
const SLOW_FAILURE_MS: u64 = 5_000;
/// How long a network is not asked for whose key is refused, in milliseconds.
const REFUSED_REST_MS: u64 = 300_000;
/// How long a network is not asked for that a provider has no name for, in milliseconds.
const UNNAMED_REST_MS: u64 = 1_000;
/// So many different wallets that fail in a row mean that it is not the wallets.
const FAILING_WALLETS: usize = 3;
/// So many different wallets that are told the same height, and never another one, mean that it does not move.
const WALLETS_OF_ONE_HEIGHT: usize = 3;

/// The circuits of all providers and networks. All times are milliseconds since the Unix epoch.
#[derive(Debug, Default)]
pub struct Circuits(Mutex<CircuitStates>);

#[derive(Debug, Default)]
struct CircuitStates {
    networks: BTreeMap<(&'static str, Arc<str>), Circuit>,
    /// What each provider told as the height of a network.
    heights: BTreeMap<(&'static str, Arc<str>), ToldHeight>,
    /// Until when a provider is asked for nothing, because it limits the rate.
    paused_until: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Circuit {
    /// The different wallets that failed since the last answer.
    failing: BTreeSet<Wallet>,
    /// The wallets for which the key was refused since the last answer; two stand for all.
    refused: BTreeSet<Wallet>,
    refusal: Option<String>,
    not_before: u64,
}

/// The height that a provider told first.
#[derive(Debug)]
struct ToldHeight {
    first: u64,
    /// It told another one since.
    moved: bool,
    /// The different wallets for which it told one.
    wallets: BTreeSet<Wallet>,
}

/// A network for which a provider refuses our key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNetwork {
    /// The provider.
    pub provider: &'static str,
    /// The network, by the chain's id.
    pub chain: Arc<str>,
    /// What the provider says.
    pub reason: String,
}

/// What cannot be asked for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resting {
    /// Every provider pauses until then.
    pub everything_until: Option<u64>,
    /// The networks for which no provider may be asked.
    pub chains: Vec<Arc<str>>,
    /// When the first of them may be asked for.
    pub next_at: Option<u64>,
}

impl Circuits {
    /// Whether a provider may be asked for a wallet of a network now. While wallets fail, this takes the turn: the next one
    /// comes after the spacing.
    pub fn take_turn(&self, provider: &'static str, chain: &Arc<str>, now: u64) -> bool {
        let mut states = self.states();
        if states.opens_at(provider, chain) > now {
            return false;
        }
        let circuit = states.circuit(provider, chain);
        circuit.not_before = now.saturating_add(circuit.rest_ms());
        true
    }

    /// The provider returned a snapshot.
    pub fn answered(&self, provider: &'static str, chain: &Arc<str>) {
        *self.states().circuit(provider, chain) = Circuit::default();
    }

    /// The provider failed for a wallet, after so many milliseconds.
    pub fn failed(&self, provider: &'static str, wallet: &Wallet, error: &ProviderError, now: u64, took_ms: u64) {
        let mut states = self.states();
        if let ProviderError::Limited { after_ms } = error {
            let until = states.paused_until.entry(provider).or_default();
            *until = (*until).max(now.saturating_add(*after_ms));
            return;
        }
        let circuit = states.circuit(provider, &wallet.chain);
        let rest_ms = match error {
            ProviderError::UnknownChain(_) => UNNAMED_REST_MS,
            ProviderError::Denied(reason) => {
                if circuit.refused.len() < 2 {
                    circuit.refused.insert(wallet.clone());
                }
                circuit.refusal = Some(reason.clone());
                circuit.rest_ms()
            }
            ProviderError::Unavailable(_) | ProviderError::Malformed(_) => {
                if circuit.failing.len() < MAX_FAILING {
                    circuit.failing.insert(wallet.clone());
                }
                let slow_ms = if took_ms >= SLOW_FAILURE_MS { took_ms } else { 0 };
                let slow_ms = slow_ms.saturating_mul(circuit.failing.len() as u64).min(MAX_SPACING_MS);
                circuit.rest_ms().max(slow_ms)
            }
            // The provider is there, and this wallet is its own matter.
            ProviderError::Rejected(_) | ProviderError::Limited { .. } => return,
        };
        circuit.not_before = circuit.not_before.max(now.saturating_add(rest_ms));
    }

    /// What cannot be asked for now from any of these providers.
    pub fn resting(&self, providers: &[&'static str], now: u64) -> Resting {
        let states = self.states();
        let pause = |provider: &&'static str| states.paused_until.get(provider).copied().unwrap_or(0);
        let first_pause = providers.iter().map(pause).min().unwrap_or(0);
        if first_pause > now {
            return Resting { everything_until: Some(first_pause), ..Resting::default() };
        }
        let chains: BTreeSet<&Arc<str>> = states.networks.keys().map(|(_, chain)| chain).collect();
        let opens_at = |chain: &Arc<str>| providers.iter().map(|provider| states.opens_at(provider, chain)).min();
        let resting = chains.into_iter().filter_map(|chain| Some((Arc::clone(chain), opens_at(chain)?)));
        let (chains, times): (Vec<_>, Vec<_>) = resting.filter(|(_, at)| *at > now).unzip();
        Resting { everything_until: None, chains, next_at: times.into_iter().min() }
    }

    /// Whether different wallets fail in a row at this provider for this network.
    pub fn is_in_trouble(&self, provider: &'static str, chain: &Arc<str>) -> bool {
        self.states().circuit(provider, chain).is_in_trouble()
    }

    /// The provider told that a wallet's balances are of this height.
    pub fn told_height(&self, provider: &'static str, wallet: &Wallet, height: u64) {
        let mut states = self.states();
        let first = ToldHeight { first: height, moved: false, wallets: BTreeSet::new() };
        let told = states.heights.entry((provider, Arc::clone(&wallet.chain))).or_insert(first);
        told.moved |= told.first != height;
        if told.wallets.len() < WALLETS_OF_ONE_HEIGHT {
            told.wallets.insert(wallet.clone());
        }
    }

    /// Whether one of these providers may tell heights of a network that move: not where it told several wallets the same,
    /// and never another one.
    pub fn do_heights_move(&self, providers: &[&'static str], chain: &Arc<str>) -> bool {
        let states = self.states();
        let told: Vec<_> =
            providers.iter().filter_map(|provider| states.heights.get(&(*provider, Arc::clone(chain)))).collect();
        told.is_empty() || told.iter().any(|told| told.moved || told.wallets.len() < WALLETS_OF_ONE_HEIGHT)
    }

    /// Whether no provider answers for any network that was asked for.
    pub fn is_everything_failing(&self) -> bool {
        let states = self.states();
        !states.networks.is_empty() && states.networks.values().all(Circuit::is_in_trouble)
    }

    /// The networks for which a provider refuses our key.
    pub fn refused_networks(&self) -> Vec<RefusedNetwork> {
        let states = self.states();
        let refused = states.networks.iter().filter_map(|((provider, chain), circuit)| {
            let reason = circuit.refusal.clone()?;
            Some(RefusedNetwork { provider, chain: Arc::clone(chain), reason })
        });
        refused.collect()
    }

    fn states(&self) -> MutexGuard<'_, CircuitStates> {
        // Every method leaves the states consistent, even where it panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CircuitStates {
    fn circuit(&mut self, provider: &'static str, chain: &Arc<str>) -> &mut Circuit {
        self.networks.entry((provider, Arc::clone(chain))).or_default()
    }

    fn opens_at(&self, provider: &'static str, chain: &Arc<str>) -> u64 {
        let circuit = self.networks.get(&(provider, Arc::clone(chain)));
        let pause = self.paused_until.get(provider).copied().unwrap_or(0);
        circuit.map_or(0, |circuit| circuit.not_before).max(pause)
    }
}

impl Circuit {
    fn rest_ms(&self) -> u64 {
        let spacing = (self.failing.len() as u64).saturating_mul(SPACING_MS).min(MAX_SPACING_MS);
        // One wallet may be refused for its own sake; a second one means that it is the network.
        if self.refused.len() >= 2 { REFUSED_REST_MS } else { spacing }
    }

    fn is_in_trouble(&self) -> bool {
        self.failing.len() >= FAILING_WALLETS || self.refusal.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tape::Unavailable;

    const P: &str = "provider";

    fn chain(name: &str) -> Arc<str> {
        name.into()
    }

    fn wallet(number: u64) -> Wallet {
        Wallet::new("c", number.to_string())
    }

    fn down() -> ProviderError {
        Unavailable::new("ask", "down").into()
    }

    #[test]
    fn one_wallet_that_fails_hardly_slows_others_and_different_ones_do_more_and_more() {
        let circuits = Circuits::default();
        (0..1_000).for_each(|_| circuits.failed(P, &wallet(1), &down(), 0, 10));
        assert_eq!(circuits.resting(&[P], 0).next_at, Some(50), "one wallet, however often");
        assert!(!circuits.is_in_trouble(P, &chain("c")));
        for number in 2..=40 {
            circuits.failed(P, &wallet(number), &down(), 0, 10);
        }
        assert_eq!(
            circuits.resting(&[P], 0),
            Resting { chains: vec![chain("c")], next_at: Some(2_000), ..Resting::default() }
        );
        assert!(circuits.is_everything_failing());
        assert!(
            circuits.take_turn(P, &chain("c"), 2_000) && !circuits.take_turn(P, &chain("c"), 3_999),
            "one at a time"
        );
        for number in 0..5_000 {
            circuits.failed(P, &wallet(number), &down(), 0, 10);
        }
        assert_eq!(circuits.resting(&[P], 0).next_at, Some(30_000), "never longer");
        circuits.answered(P, &chain("c"));
        assert_eq!(circuits.resting(&[P], 0), Resting::default());
        assert!(!circuits.is_everything_failing());
    }

    #[test]
    fn a_network_stops_no_other_and_a_provider_no_other() {
        let circuits = Circuits::default();
        let denied = ProviderError::Denied("not in your plan".to_owned());
        circuits.failed(P, &wallet(1), &denied, 0, 10);
        assert!(circuits.take_turn(P, &chain("c"), 0), "one wallet may be refused for its own sake");
        circuits.failed(P, &wallet(2), &denied, 0, 10);
        assert_eq!(circuits.resting(&[P], 0).next_at, Some(300_000));
        assert!(circuits.take_turn(P, &chain("d"), 0) && circuits.take_turn("other", &chain("c"), 0));
        assert_eq!(circuits.resting(&[P, "other"], 0), Resting::default(), "another one can be asked");
        let refused = RefusedNetwork { provider: P, chain: chain("c"), reason: "not in your plan".to_owned() };
        assert_eq!(circuits.refused_networks(), [refused]);
        circuits.answered(P, &chain("d"));
        assert!(!circuits.is_everything_failing());
        circuits.answered(P, &chain("c"));
        assert_eq!(circuits.refused_networks(), []);
    }

    #[test]
    fn a_dead_provider_is_not_asked_first_each_time() {
        let circuits = Circuits::default();
        circuits.failed(P, &wallet(1), &down(), 20_000, 20_000);
        assert!(!circuits.take_turn(P, &chain("c"), 39_999) && circuits.take_turn(P, &chain("c"), 40_000));
    }

    #[test]
    fn a_provider_that_limits_the_rate_pauses_for_all_networks() {
        let circuits = Circuits::default();
        circuits.failed(P, &wallet(1), &ProviderError::Limited { after_ms: 1_000 }, 0, 10);
        assert!(!circuits.take_turn(P, &chain("d"), 999) && circuits.take_turn(P, &chain("d"), 1_000));
        assert_eq!(circuits.resting(&[P], 10).everything_until, Some(1_000));
        assert_eq!(circuits.resting(&[P, "other"], 10), Resting::default());
        circuits.failed(P, &wallet(1), &ProviderError::Rejected("no".to_owned()), 2_000, 10);
        assert_eq!(circuits.resting(&[P], 2_000), Resting::default(), "a wallet's own matter");
    }
}
