//! Reads the snapshot of a subscription from the database and adds the subscription to the hub.

use super::protocol::ServerMessage;
use crate::App;
use crate::live::{self, Channel, Mailbox, Matcher, ResumePoint, Selection, Snapshot, SubscriptionRefused};
use crate::names::{self, WrongName};
use crate::views::{BalanceView, ChainTotals, PositionView, TotalsView, WalletView};
use api_domain::{AssetPage, StatusFilter, Totals, TradeFilter, TradeQuery, UserQuery, UserState, WalletState};
use serde::Serialize;
use std::time::Duration;
use tape::{Unavailable, Usd};
use utoipa::ToSchema;

/// Positions and balances in a snapshot at most; more are read over REST.
const MAX_SNAPSHOT_ROWS: u32 = 500;
/// How often a snapshot is read while the hub cannot join it.
const MAX_SNAPSHOT_ATTEMPTS: u32 = 5;
/// How long the first retry waits; each later one waits that much longer.
const RETRY_STEP: Duration = Duration::from_millis(200);

/// Why a subscription failed.
pub(super) enum SubscribeError {
    Refused(SubscriptionRefused),
    WrongName(WrongName),
    Unavailable(Unavailable),
}

impl From<WrongName> for SubscribeError {
    fn from(wrong: WrongName) -> Self {
        Self::WrongName(wrong)
    }
}

impl From<SubscriptionRefused> for SubscribeError {
    fn from(refused: SubscriptionRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Unavailable> for SubscribeError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// Checks the names that a selection consists of, and adds what is needed to decide on later updates.
pub(super) async fn completed(app: &App, mut selection: Selection) -> Result<Selection, SubscribeError> {
    match &mut selection {
        Selection::Trades { filter, .. } => {
            names::check_filter(app, filter)?;
            if filter.min_usd.is_some() {
                let rules = app.store.book_rules().await?;
                // What exceeds the largest amount that a trade may have excludes none.
                filter.plausible_usd = rules.and_then(|rules| Usd::parse(&rules.max_notional).ok());
            }
        }
        Selection::Metrics(user) | Selection::Wallets(user) => names::check_user(app, user)?,
        Selection::Watched { key, .. } => {
            let (chain, asset) = (Some(key.asset.chain.clone()), Some(key.asset.asset.clone()));
            names::check_filter(app, &TradeFilter { chain, asset, ..TradeFilter::default() })?;
        }
        Selection::Chains => {}
    }
    Ok(selection)
}

/// Adds a subscription; its snapshot is in the mailbox when this returns.
pub(super) async fn subscribe(app: &App, reader: u64, id: &str, selection: &Selection) -> Result<(), SubscribeError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match subscribe_once(app, reader, id, selection).await {
            Err(SubscribeError::Refused(SubscriptionRefused::Starting | SubscriptionRefused::Behind))
                if attempts < MAX_SNAPSHOT_ATTEMPTS =>
            {
                tokio::time::sleep(RETRY_STEP * attempts).await;
            }
            done => return done,
        }
    }
}

async fn subscribe_once(app: &App, reader: u64, id: &str, selection: &Selection) -> Result<(), SubscribeError> {
    let snapshot = match selection {
        Selection::Trades { filter, limit } => read_trades(app, filter, *limit).await?,
        Selection::Metrics(user) => read_metrics(app, user).await?,
        Selection::Wallets(user) => read_wallets(app, user).await?,
        Selection::Chains => Snapshot::Chains,
        Selection::Watched { key, candles } => {
            let next = app.hub.next_positions(key.channel())?;
            let data = live::read_snapshot(&app.store, key, *candles).await?;
            Snapshot::State { matcher: Matcher::Watched(key.clone()), next, data }
        }
    };
    Ok(app.hub.subscribe(reader, id, snapshot)?)
}

/// Continues a subscription from a point. Where that is not possible, sends `reset` and a new snapshot.
pub(super) async fn resume(
    app: &App,
    reader: u64,
    mailbox: &Mailbox,
    id: &str,
    selection: &Selection,
    point: &ResumePoint,
) -> Result<(), SubscribeError> {
    for attempts in 1..=MAX_SNAPSHOT_ATTEMPTS {
        match app.hub.resume(reader, id, selection, point) {
            Ok(true) => return Ok(()),
            Ok(false) => break,
            Err(SubscriptionRefused::Starting) => tokio::time::sleep(RETRY_STEP * attempts).await,
            Err(refused) => return Err(refused.into()),
        }
    }
    mailbox.reply(ServerMessage::Reset { id }.text());
    subscribe(app, reader, id, selection).await
}

async fn read_trades(app: &App, filter: &TradeFilter, limit: usize) -> Result<Snapshot, SubscribeError> {
    let query = TradeQuery {
        filter: filter.clone(),
        shown: StatusFilter::Live,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        ..TradeQuery::default()
    };
    let (folded, rows) = app.primary.trades_and_positions(&query).await?;
    Ok(Snapshot::Trades { filter: filter.clone(), limit, folded, rows })
}

/// What a user has done and holds, over all chains asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct MetricsData<'a> {
    /// The address in normalized form.
    address: &'a str,
    /// Over all chains asked for.
    total: TotalsView,
    /// Per chain.
    chains: Vec<ChainTotals>,
    /// The first positions, by chain and asset.
    positions: Vec<PositionView>,
    /// Whether there may be more positions than these; REST has them all.
    truncated: bool,
}

async fn read_metrics(app: &App, user: &UserQuery) -> Result<Snapshot, SubscribeError> {
    let next = app.hub.next_positions(Channel::Metrics)?;
    let UserState { folded, totals, positions } = app.primary.user_state(user, MAX_SNAPSHOT_ROWS).await?;
    let total = totals.iter().fold(Totals::default(), |sum, row| sum.plus(&row.totals));
    let data = json(&MetricsData {
        address: &user.address,
        total: total.into(),
        chains: totals.into_iter().map(Into::into).collect(),
        truncated: positions.len() >= MAX_SNAPSHOT_ROWS as usize,
        positions: positions.into_iter().map(Into::into).collect(),
    });
    Ok(Snapshot::State { matcher: Matcher::Metrics { user: user.clone(), folded }, next, data })
}

/// What a user's wallets hold, as providers tell.
#[derive(Serialize, ToSchema)]
pub(crate) struct WalletData<'a> {
    /// The address in normalized form.
    address: &'a str,
    /// The wallets that are tracked, one per chain.
    wallets: Vec<WalletView>,
    /// The first balances, by chain and asset.
    items: Vec<BalanceView>,
    /// Whether there may be more balances than these; REST has them all.
    truncated: bool,
}

async fn read_wallets(app: &App, user: &UserQuery) -> Result<Snapshot, SubscribeError> {
    let next = app.hub.next_positions(Channel::Wallets)?;
    let page = AssetPage { after: None, limit: MAX_SNAPSHOT_ROWS };
    let WalletState { wallets, balances } = app.primary.wallet_state(user, &page).await?;
    let taken_at = wallets.iter().filter_map(|wallet| Some((wallet.chain.clone(), wallet.taken_at?))).collect();
    let data = json(&WalletData {
        address: &user.address,
        wallets: wallets.into_iter().map(Into::into).collect(),
        truncated: balances.len() >= MAX_SNAPSHOT_ROWS as usize,
        items: balances.into_iter().map(Into::into).collect(),
    });
    Ok(Snapshot::State { matcher: Matcher::Wallets { user: user.clone(), taken_at }, next, data })
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}
