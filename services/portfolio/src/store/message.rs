//! The messages about a refresh: `PortfolioUpdatedV1`, split so that each fits into a record.

use portfolio_domain::{BalanceChange, Refresh};
use wire::v1::portfolio;

/// A message about one wallet, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMessage {
    /// `chain/address`.
    pub key: String,
    /// The same when the message is published again.
    pub event_id: String,
    /// `PortfolioUpdatedV1` in JSON.
    pub payload: Vec<u8>,
}

/// With the longest ids, symbols and amounts, so many changes stay well below a record's limit of 1 MiB.
const MAX_CHANGES_PER_MESSAGE: usize = 1000;

impl UpdateMessage {
    /// The messages about a refresh; none when nothing changed. All of them have the same `takenAt`, and no asset is in
    /// two.
    pub(super) fn from_refresh(refresh: &Refresh) -> Vec<Self> {
        let key = refresh.job.wallet.to_string();
        let mut parts: Vec<&[BalanceChange]> = refresh.changes.chunks(MAX_CHANGES_PER_MESSAGE).collect();
        if parts.is_empty() && refresh.is_completeness_news {
            parts.push(&[]);
        }
        let parts = parts.into_iter().enumerate();
        parts
            .map(|(part, changes)| Self {
                key: key.clone(),
                event_id: format!("{key}/{}/{}/{part}", refresh.provider, refresh.taken_at),
                payload: payload(refresh, changes),
            })
            .collect()
    }
}

fn payload(refresh: &Refresh, changes: &[BalanceChange]) -> Vec<u8> {
    let left_out = refresh.snapshot.left_out();
    portfolio::encode(&portfolio::PortfolioUpdated {
        chain: refresh.job.wallet.chain.to_string(),
        address: refresh.job.wallet.address.to_string(),
        provider: refresh.provider.to_owned(),
        taken_at: refresh.taken_at,
        as_of: refresh.snapshot.as_of,
        incomplete: left_out.is_some(),
        left_out: left_out.map(|left_out| left_out.rows),
        incomplete_reason: left_out.map(|left_out| left_out.reason.clone()),
        changes: changes.iter().map(wire_change).collect(),
    })
}

fn wire_change(change: &BalanceChange) -> portfolio::BalanceChange {
    portfolio::BalanceChange {
        asset: change.asset.clone(),
        symbol: change.decoration.symbol.clone(),
        decimals: change.decoration.decimals,
        before: change.before.to_string(),
        after: change.after.to_string(),
        spam: change.decoration.spam,
        verified: change.decoration.verified,
        kept: change.kept,
    }
}
