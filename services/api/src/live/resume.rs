//! Coming back: a reader says up to where it was told, and is told what came since.
//!
//! Every message carries `at`, the next position of every partition when it was made. Messages reach a reader in the
//! order in which changes arrived (a state that waits takes later ones into its own place and keeps its own `at`), so
//! who was told a message was told everything below its `at`, and positions mean the same on every instance.

use super::change::numbered;
use super::mailbox::Outgoing;
use super::rings::{Before, Live, since};
use super::subscription::{Subscription, Want};
use crate::token::{self, NotAToken};
use api_domain::{Filter, Folded, Who};
use std::collections::HashMap;

/// What one who comes back wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Trades(Filter),
    Metrics(Who),
    Wallets(Who),
    Chains,
}

/// Up to where it was told: the channel's log and the next position of every partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    log: u8,
    next: Vec<u64>,
    text: String,
}

impl Place {
    /// The place that an `at` names.
    pub(crate) fn read(text: &str) -> Result<Self, NotAToken> {
        let (log, next) = token::place(text)?;
        Ok(Self { log, next, text: text.to_owned() })
    }

    /// What it is answered, before what it missed.
    pub(super) fn answer(&self, id: &str) -> Outgoing {
        let id = serde_json::Value::from(id);
        Outgoing::Text(format!(r#"{{"type":"resumed","id":{id},"at":"{}"}}"#, self.text).into())
    }
}

/// What was missed, with the number of its arrival.
type Missed = Vec<(u64, Outgoing)>;

impl Live {
    /// The subscription that goes on from a place, and what came since; none where what is kept does not reach back.
    pub(super) fn missed(&self, wanted: &Wanted, place: &Place) -> Option<(Want, Missed)> {
        let before = Before(place.next.clone());
        let fits = |log: u8, partitions: usize| place.log == log && place.next.len() == partitions;
        let (want, mut missed) = match wanted {
            Wanted::Trades(filter) => {
                if !fits(b't', self.trades.len()) {
                    return None;
                }
                let came = since(&self.trades, &before).ok()?;
                let passing = came.iter().filter(|change| change.passes(filter));
                let missed = passing.map(|change| (change.number(), Outgoing::Text(change.text()))).collect();
                (Want::Trades { filter: filter.clone(), from: self.from(place) }, missed)
            }
            Wanted::Metrics(who) if fits(b'm', self.metrics.len()) => {
                let want = Want::Metrics { who: who.clone(), folded: Folded::default() };
                let (want, came) = (Subscription { id: String::new(), want }, since(&self.metrics, &before).ok()?);
                let mine = came.into_iter().filter(|change| want.wants_metrics(change));
                let missed: Missed = mine.map(|change| numbered(change, Outgoing::Metrics)).collect();
                (want.want, missed)
            }
            Wanted::Wallets(who) if fits(b'p', self.wallets.len()) => {
                let want = Want::Wallets { who: who.clone(), taken: HashMap::new() };
                let (want, came) = (Subscription { id: String::new(), want }, since(&self.wallets, &before).ok()?);
                let mine = came.into_iter().filter(|change| want.wants_wallet(change));
                let missed: Missed = mine.map(|change| numbered(change, Outgoing::Wallet)).collect();
                (want.want, missed)
            }
            // Of chains only the newest states are kept; whoever missed one is told them all.
            Wanted::Chains if fits(b'c', 1) && place.next == [self.progress] => (Want::Chains, vec![]),
            Wanted::Metrics(_) | Wanted::Wallets(_) | Wanted::Chains => return None,
        };
        missed.sort_by_key(|(number, _)| *number);
        Some((want, missed))
    }

    /// From where on changes are to be delivered: where reading is, or where the reader was ahead of this instance.
    fn from(&self, place: &Place) -> Vec<u64> {
        self.trades.iter().zip(&place.next).map(|(recent, next)| recent.next().max(*next)).collect()
    }
}
