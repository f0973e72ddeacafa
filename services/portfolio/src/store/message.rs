//! What a refresh tells the world: `PortfolioUpdatedV1`, cut so that each fits into a record.

use portfolio_domain::{BalanceChange, Refresh};
use wire::v1::portfolio;

/// A message about one wallet, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `chain/address`.
    pub key: String,
    /// Equal when it is published again.
    pub event_id: String,
    /// `PortfolioUpdatedV1` in JSON.
    pub payload: Vec<u8>,
}

/// With the longest ids, symbols and amounts these stay well below the record's 1 MiB.
const MOST_CHANGES: usize = 1000;

impl Message {
    /// The messages about a refresh; none when nothing differs. All carry the same `takenAt`, and no asset twice.
    pub(super) fn about(refresh: &Refresh) -> Vec<Self> {
        let key = refresh.job.wallet.to_string();
        let parts = refresh.changes.chunks(MOST_CHANGES).enumerate();
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
    portfolio::encode(&portfolio::PortfolioUpdated {
        chain: refresh.job.wallet.chain.to_string(),
        address: refresh.job.wallet.address.to_string(),
        provider: refresh.provider.to_owned(),
        taken_at: refresh.taken_at,
        changes: changes.iter().map(change).collect(),
    })
}

fn change(change: &BalanceChange) -> portfolio::BalanceChange {
    portfolio::BalanceChange {
        asset: change.asset.clone(),
        symbol: change.symbol.clone(),
        decimals: change.decimals,
        before: change.before.to_string(),
        after: change.after.to_string(),
        spam: change.spam,
    }
}
