//! What a subscription watches in the database, and the update that it receives.

use super::channel::Channel;
use api_domain::{AssetQuery, CandleInterval};
use axum::extract::ws::Utf8Bytes;
use std::sync::Arc;

/// What a subscription watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchKey {
    /// The asset.
    pub(crate) asset: AssetQuery,
    /// The interval of its candles; its price without one.
    pub(crate) interval: Option<CandleInterval>,
}

impl WatchKey {
    /// The channel that it is delivered on.
    pub(crate) fn channel(&self) -> Channel {
        if self.interval.is_some() { Channel::Candles } else { Channel::Prices }
    }

    /// How many of the newest candles are compared: a reorg reaches back some minutes.
    pub(super) fn compared_candles(interval: CandleInterval) -> u32 {
        match interval {
            CandleInterval::Minute => 15,
            CandleInterval::Hour => 3,
            CandleInterval::Day => 2,
        }
    }
}

/// A state that is delivered. A later one of the same key takes its place.
#[derive(Debug)]
pub(crate) struct WatchedUpdate {
    pub(super) number: u64,
    pub(super) key: Arc<str>,
    pub(super) watch: WatchKey,
    pub(super) text: Utf8Bytes,
}
