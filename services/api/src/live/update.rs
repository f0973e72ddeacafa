//! What the followed topics say, and the update that readers receive: made into text once and shared by all of them.

use super::channel::Channel;
use super::message;
use super::state::StateUpdate;
use super::watch_key::WatchedUpdate;
use crate::views::ChainView;
use api_domain::{FilteredTrade, Presence, TradeFilter, TradeKey};
use axum::extract::ws::Utf8Bytes;
use std::ops::Range;
use std::sync::Arc;
use tape::{Change, Event, Leg, Trade, Valuation};
use wire::v1::metrics::MetricsUpdated;
use wire::v1::portfolio::PortfolioUpdated;
use wire::v1::progress::ChainProgressed;

/// What a record of a followed topic says.
pub(crate) enum Incoming {
    /// A trade was applied or reverted: the event and its text.
    Trade(Box<Event>, String),
    /// A user's metrics changed.
    Metrics(Box<MetricsUpdated>),
    /// A wallet's balances changed.
    Wallet(PortfolioUpdated),
    /// A chain progressed.
    Chain(Box<ChainProgressed>),
}

impl Incoming {
    /// The channel it is delivered on.
    pub(super) fn channel(&self) -> Channel {
        match self {
            Self::Trade(..) => Channel::Trades,
            Self::Metrics(_) => Channel::Metrics,
            Self::Wallet(_) => Channel::Wallets,
            Self::Chain(_) => Channel::Chains,
        }
    }
}

/// Where a record stands, and the resume token of the message that is made of it.
pub(super) struct Stamp {
    pub(super) partition: u32,
    pub(super) position: u64,
    /// Its number in the order of arrival, over all channels.
    pub(super) number: u64,
    pub(super) at: String,
}

/// What a reader receives for a record; cloning shares it.
#[derive(Clone, Debug)]
pub(crate) enum Update {
    Trade(Arc<TradeUpdate>),
    Metrics(Arc<StateUpdate<MetricsUpdated>>),
    Wallet(Arc<StateUpdate<PortfolioUpdated>>),
    Chain(Arc<ChainUpdate>),
    Watched(Arc<WatchedUpdate>),
}

impl Update {
    /// The text that every reader receives.
    pub(crate) fn text(&self) -> Utf8Bytes {
        match self {
            Self::Trade(update) => update.text.clone(),
            Self::Metrics(update) => update.text(),
            Self::Wallet(update) => update.text(),
            Self::Chain(update) => update.text.clone(),
            Self::Watched(update) => update.text.clone(),
        }
    }

    /// The key by which waiting states are conflated; none for trades, which never are.
    pub(super) fn state_key(&self) -> Option<Arc<str>> {
        match self {
            Self::Trade(_) => None,
            Self::Metrics(update) => Some(Arc::clone(&update.key)),
            Self::Wallet(update) => Some(Arc::clone(&update.key)),
            Self::Chain(update) => Some(Arc::clone(&update.key)),
            Self::Watched(update) => Some(Arc::clone(&update.key)),
        }
    }

    /// One update for two states of the same key.
    pub(super) fn conflated_with(&self, later: &Self) -> Self {
        match (self, later) {
            (Self::Metrics(earlier), Self::Metrics(later)) => Self::Metrics(Arc::new(earlier.conflated_with(later))),
            (Self::Wallet(earlier), Self::Wallet(later)) => Self::Wallet(Arc::new(earlier.conflated_with(later))),
            _ => later.clone(),
        }
    }

    /// Its number in the order of arrival, over all channels.
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Trade(update) => update.number,
            Self::Metrics(update) => update.number,
            Self::Wallet(update) => update.number,
            Self::Chain(update) => update.number,
            Self::Watched(update) => update.number,
        }
    }

    /// About how many bytes are kept for it. Only trades are kept by size.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Trade(update) => update.text.as_str().len() + 512,
            Self::Metrics(_) | Self::Wallet(_) | Self::Chain(_) | Self::Watched(_) => 0,
        }
    }
}

/// What filters ask of a trade, beside its key.
#[derive(Debug)]
struct FilteredParts {
    assets: [String; 2],
    venues: Vec<String>,
    pools: Vec<String>,
    platform: Option<String>,
    kind: String,
    valuation: Option<Valuation>,
}

/// A trade that was applied or reverted.
#[derive(Debug)]
pub(crate) struct TradeUpdate {
    number: u64,
    pub(super) partition: u32,
    pub(super) position: u64,
    pub(super) key: TradeKey,
    pub(super) presence: Presence,
    filtered: FilteredParts,
    text: Utf8Bytes,
    event: Range<usize>,
}

impl TradeUpdate {
    /// The update for an event and the text it was published as.
    pub(super) fn new(event: Event, event_text: &str, stamp: &Stamp) -> Self {
        let change = event.into_change();
        let (presence, kind) = match &change {
            Change::Apply(_) => (Presence::Present, "apply"),
            Change::Revert(_) => (Presence::Absent, "revert"),
        };
        let (text, event) = message::trade(kind, event_text, &stamp.at);
        let trade = change.trade();
        let once = |part: fn(&Leg) -> &String| {
            let mut parts: Vec<String> = trade.legs.iter().map(part).cloned().collect();
            parts.dedup();
            parts
        };
        Self {
            number: stamp.number,
            partition: stamp.partition,
            position: stamp.position,
            key: key_of_trade(trade),
            presence,
            filtered: FilteredParts {
                assets: [trade.sold.asset.clone(), trade.bought.asset.clone()],
                venues: once(|leg| &leg.venue),
                pools: once(|leg| &leg.pool),
                platform: trade.platform.clone(),
                kind: trade.kind.clone(),
                valuation: trade.valuation.clone(),
            },
            text,
            event,
        }
    }

    /// The text of the event as it was published.
    pub(super) fn event_text(&self) -> &str {
        self.text.as_str().get(self.event.clone()).unwrap_or_default()
    }

    /// Whether it passes a filter.
    pub(super) fn passes(&self, filter: &TradeFilter) -> bool {
        let parts = &self.filtered;
        let [sold, bought] = &parts.assets;
        filter.matches(&FilteredTrade {
            chain: &self.key.chain,
            trader: &self.key.trader,
            assets: [sold, bought],
            venues: &parts.venues,
            pools: &parts.pools,
            platform: parts.platform.as_deref(),
            kind: &parts.kind,
            valuation: parts.valuation.as_ref(),
        })
    }
}

fn key_of_trade(trade: &Trade) -> TradeKey {
    let place = trade.place();
    TradeKey {
        block_time: trade.block.timestamp_ms,
        chain: trade.chain.to_string(),
        height: place.height,
        index: place.index,
        ordinal: place.ordinal,
        id: trade.id(),
        trader: trade.trader.address.clone(),
    }
}

/// How far a chain is now. A later one replaces it.
#[derive(Debug)]
pub(crate) struct ChainUpdate {
    number: u64,
    key: Arc<str>,
    text: Utf8Bytes,
}

impl ChainUpdate {
    pub(super) fn new(view: &ChainView, stamp: &Stamp) -> Self {
        let key = format!("chains/{}", view.chain).into();
        Self { number: stamp.number, key, text: message::update(Channel::Chains, view, &stamp.at) }
    }
}
