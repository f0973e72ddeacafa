//! A scripted feed, a clock set by hand and the rules, for tests of following and refreshing.

use portfolio::Settings;
use portfolio_domain::{Clock, RefreshRules};
use std::sync::atomic::{AtomicU64, Ordering};
use tape::{Batch, Delivery, Event, Feed, Partition, Start, TradeRecord, Unavailable};

/// A feed of one partition in memory, in batches of two events; afterwards the partition is lost.
pub(crate) struct ScriptedFeed {
    events: Vec<Event>,
    at: Option<usize>,
    gained: bool,
}

impl ScriptedFeed {
    pub(crate) fn new(events: Vec<Event>) -> Self {
        Self { events, at: None, gained: false }
    }
}

fn partition() -> Partition {
    Partition { topic: "trades.executed.v1".into(), index: 0 }
}

impl Feed for ScriptedFeed {
    async fn next(&mut self) -> Result<Delivery, Unavailable> {
        if !self.gained {
            self.gained = true;
            return Ok(Delivery::Gained(partition()));
        }
        let Some(at) = self.at else { panic!("read before a seek") };
        let end = self.events.len().min(at + 2);
        if at == end {
            return Ok(Delivery::Lost(partition()));
        }
        self.at = Some(end);
        let record =
            |at: usize| TradeRecord { position: at as u64, event: self.events[at].clone(), text: String::new() };
        let events = (at..end).map(record).collect();
        Ok(Delivery::Batch(Batch { partition: partition(), events, next: end as u64, trace: None }))
    }

    async fn seek(&mut self, _: &Partition, start: Start) -> Result<(), Unavailable> {
        self.at = Some(match start {
            Start::Beginning => 0,
            Start::At(position) => usize::try_from(position).unwrap(),
        });
        Ok(())
    }
}

/// A clock that stands still until a test moves it; draws are always the greatest.
#[derive(Default)]
pub(crate) struct ManualClock(pub(crate) AtomicU64);

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn draw(&self, bound: u64) -> u64 {
        bound
    }
}

/// The default rules with a short wait.
pub(crate) fn rules() -> RefreshRules {
    RefreshRules { debounce_ms: 10, ..Settings::default_rules() }
}
