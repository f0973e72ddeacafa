//! Snapshots: read in one transaction with metrics' positions, brought up to the log, and entered with the hub.

use super::protocol::{Answer, What, snapshot};
use crate::App;
use crate::live::{Mailbox, Outgoing, Place, Refused, Wanted};
use crate::views::{BalanceView, ChainTotals, PositionView, TotalsView, WalletView};
use api_domain::{AssetPage, Filter, Reads, Shown, Totals, TradeQuery, UserState, WalletState, Who};
use serde::Serialize;
use std::time::Duration;
use tape::Unavailable;

/// Positions and balances in a snapshot at most; more are read over REST.
const MOST: u32 = 500;
/// How often a snapshot is taken anew when what was kept does not reach back to it.
const TRIES: u32 = 5;

/// Why there is no snapshot.
pub(super) enum Failed {
    Refused(Refused),
    Unavailable(Unavailable),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Unavailable> for Failed {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// Enters a subscription; its snapshot is in the mailbox when this returns.
pub(super) async fn subscribe(app: &App, reader: u64, id: &str, what: &What) -> Result<(), Failed> {
    let mut tries = 0;
    loop {
        let entered = match what {
            What::Trades { filter, limit } => trades(app, reader, id, filter, *limit).await,
            What::Metrics(who) => metrics(app, reader, id, who).await,
            What::Wallets(who) => wallets(app, reader, id, who).await,
            What::Chains => chains(app, reader, id),
        };
        tries += 1;
        match entered {
            Err(Failed::Refused(Refused::Starting | Refused::Behind)) if tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(200) * tries).await;
            }
            done => return done,
        }
    }
}

/// Goes on from a place; where that cannot be, says `reset` and takes a new snapshot.
pub(super) async fn resume(
    app: &App,
    reader: u64,
    mailbox: &Mailbox,
    id: &str,
    what: &What,
    place: &Place,
) -> Result<(), Failed> {
    let wanted = match what {
        What::Trades { filter, .. } => Wanted::Trades(filter.clone()),
        What::Metrics(who) => Wanted::Metrics(who.clone()),
        What::Wallets(who) => Wanted::Wallets(who.clone()),
        What::Chains => Wanted::Chains,
    };
    for tries in 1..=TRIES {
        match app.hub.resume(reader, id, &wanted, place) {
            Ok(true) => return Ok(()),
            Ok(false) => break,
            Err(Refused::Starting) => tokio::time::sleep(Duration::from_millis(200) * tries).await,
            Err(refused) => return Err(refused.into()),
        }
    }
    mailbox.reply(Outgoing::Text(Answer::Reset { id }.text()));
    subscribe(app, reader, id, what).await
}

async fn trades(app: &App, reader: u64, id: &str, filter: &Filter, limit: usize) -> Result<(), Failed> {
    let query = TradeQuery {
        filter: filter.clone(),
        shown: Shown::Live,
        after: None,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    let (folded, rows) = app.store.tape(&query).await?;
    let compose = |shown: &[&str], at: &str| {
        let data = ["{\"items\":[", &shown.join(","), "]}"].concat();
        Outgoing::Text(snapshot(id, "trades", &data, at))
    };
    Ok(app.hub.subscribe_trades(reader, id, (filter.clone(), limit), (&folded, rows), compose)?)
}

#[derive(Serialize)]
struct MetricsData<'a> {
    address: &'a str,
    total: TotalsView,
    chains: Vec<ChainTotals>,
    positions: Vec<PositionView>,
    truncated: bool,
}

async fn metrics(app: &App, reader: u64, id: &str, who: &Who) -> Result<(), Failed> {
    let before = app.hub.before_metrics()?;
    let state = app.store.user(who, MOST).await?;
    let UserState { totals, positions, .. } = state.clone();
    let total = totals.iter().try_fold(Totals::default(), |sum, row| sum.plus(&row.totals)).unwrap_or_default();
    let data = MetricsData {
        address: &who.address,
        total: total.into(),
        chains: totals.into_iter().map(Into::into).collect(),
        truncated: positions.len() >= MOST as usize,
        positions: positions.into_iter().map(Into::into).collect(),
    };
    let compose = |at: &str| composed(id, "user.metrics", &data, at);
    Ok(app.hub.subscribe_metrics(reader, id, who.clone(), (&before, &state), compose)?)
}

#[derive(Serialize)]
struct WalletData<'a> {
    address: &'a str,
    wallets: Vec<WalletView>,
    items: Vec<BalanceView>,
    truncated: bool,
}

async fn wallets(app: &App, reader: u64, id: &str, who: &Who) -> Result<(), Failed> {
    let before = app.hub.before_wallets()?;
    let state = app.store.wallet(who, &AssetPage { after: None, limit: MOST }).await?;
    let WalletState { wallets, balances } = state.clone();
    let data = WalletData {
        address: &who.address,
        wallets: wallets.into_iter().map(Into::into).collect(),
        truncated: balances.len() >= MOST as usize,
        items: balances.into_iter().map(Into::into).collect(),
    };
    let compose = |at: &str| composed(id, "user.portfolio", &data, at);
    Ok(app.hub.subscribe_wallets(reader, id, who.clone(), (&before, &state), compose)?)
}

fn chains(app: &App, reader: u64, id: &str) -> Result<(), Failed> {
    let compose = |chains: Vec<&crate::views::ChainView>, at: &str| {
        composed(id, "chains", &serde_json::json!({ "items": chains }), at)
    };
    Ok(app.hub.subscribe_chains(reader, id, compose)?)
}

fn composed(id: &str, channel: &str, data: &impl Serialize, at: &str) -> Outgoing {
    let data = serde_json::to_string(data).unwrap_or_default();
    Outgoing::Text(snapshot(id, channel, &data, at))
}
