//! Which traders become tracked wallets.
//!
//! Decisions
//! * 2026-11-25 – the ranking of `top:N` is computed here, from the tape. Context: `top:N` needs the wallets with the
//!   largest volume, and no service reads another's tables. Choice: portfolio keeps the volume of every wallet, in
//!   cents, and the nets of all wallets; a wallet is refreshed when it trades while it is among the first N. Price: a
//!   row per wallet and per trade, as with `all`, although only few wallets are refreshed.

use crate::wallet::Wallet;
use std::collections::BTreeSet;
use std::sync::Arc;
use tape::Trade;

/// The policy that says which traders become tracked wallets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Those who trade through a configured platform.
    Platform,
    /// Those on a list.
    List(ListedWallets),
    /// The first N by volume in dollars. Nets are kept of all wallets, because any of them may be among the first
    /// later.
    Top(u32),
    /// Everybody who trades.
    All,
}

/// The wallets on the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedWallets {
    /// Addresses that count on every chain.
    on_every_chain: BTreeSet<Arc<str>>,
    wallets: BTreeSet<Wallet>,
}

/// Why a policy is refused. The text reads after the name of the variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTracking {
    /// The policy is `list`, but no wallet is listed.
    #[error("is `list`, but the list is empty")]
    EmptyList,
    /// The N of `top:N` is not a number within the bounds.
    #[error("is `{0}`, but must be top: and a number from 1 to {MAX_LEADERS}")]
    LeaderCount(String),
    /// No policy has this name.
    #[error("is `{0}`, but must be platform, list, top:N or all")]
    UnknownPolicy(String),
}

/// The largest N of `top:N`: the first N wallets are read with every batch.
const MAX_LEADERS: u32 = 10_000;

impl Tracking {
    /// Reads a policy. `list` holds wallets separated by commas: `chain/address`, or an address alone for every chain.
    pub fn parse(policy: &str, list: &str) -> Result<Self, InvalidTracking> {
        match policy {
            "platform" => Ok(Self::Platform),
            "all" => Ok(Self::All),
            "list" => {
                let listed = ListedWallets::parse(list);
                if listed == ListedWallets::default() {
                    Err(InvalidTracking::EmptyList)
                } else {
                    Ok(Self::List(listed))
                }
            }
            other => match other.strip_prefix("top:") {
                Some(number) => {
                    let leaders = number.parse().ok().filter(|leaders| (1..=MAX_LEADERS).contains(leaders));
                    leaders.map(Self::Top).ok_or_else(|| InvalidTracking::LeaderCount(other.to_owned()))
                }
                None => Err(InvalidTracking::UnknownPolicy(other.to_owned())),
            },
        }
    }

    /// Whether this trade makes its trader's wallet a tracked one. With `top:N` every trade counts: the ranking decides
    /// later.
    pub fn admits(&self, trade: &Trade) -> bool {
        match self {
            Self::Platform => trade.platform.is_some(),
            Self::List(listed) => listed.contains(&Wallet::from_trade(trade)),
            Self::Top(_) | Self::All => true,
        }
    }
}

impl ListedWallets {
    fn parse(list: &str) -> Self {
        let mut listed = Self::default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry.split_once('/') {
                Some((chain, address)) => _ = listed.wallets.insert(Wallet::new(chain, normalized(address))),
                None => _ = listed.on_every_chain.insert(normalized(entry).into()),
            }
        }
        listed
    }

    fn contains(&self, wallet: &Wallet) -> bool {
        self.on_every_chain.contains(&wallet.address) || self.wallets.contains(wallet)
    }
}

/// An address as the tape writes it: `0x…` in lower case (people paste checksummed addresses), anything else unchanged.
fn normalized(address: &str) -> String {
    if address.starts_with("0x") || address.starts_with("0X") { address.to_lowercase() } else { address.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::trade;

    #[test]
    fn each_policy_admits_the_right_traders() {
        let mut through_platform = trade("mock", "0xab", 1);
        through_platform.platform = Some("pad".to_owned());
        let plain = trade("mock", "0xcd", 1);
        let cases = [
            ("platform", "", true, false),
            ("all", "", true, true),
            ("list", "0xAB", true, false),
            ("list", "mock/0xCD , ", false, true),
            ("list", "other/0xcd", false, false),
            ("top:3", "", true, true),
        ];
        for (policy, list, first, second) in cases {
            let tracking = Tracking::parse(policy, list).unwrap();
            assert_eq!(
                (tracking.admits(&through_platform), tracking.admits(&plain)),
                (first, second),
                "{policy} {list}"
            );
        }
    }

    #[test]
    fn an_invalid_policy_is_refused_with_its_reason() {
        assert_eq!(Tracking::parse("list", " , "), Err(InvalidTracking::EmptyList));
        assert_eq!(Tracking::parse("top:10000", ""), Ok(Tracking::Top(10_000)));
        for top in ["top:", "top:0", "top:10001", "top:-1", "top:many"] {
            assert!(matches!(Tracking::parse(top, ""), Err(InvalidTracking::LeaderCount(_))), "{top}");
        }
        assert!(matches!(Tracking::parse("some", ""), Err(InvalidTracking::UnknownPolicy(_))));
    }
}
