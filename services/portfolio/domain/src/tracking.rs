//! Whose wallets are tracked.
//!
//! Decisions
//! * 2026-11-25 – who leads is found here, from the tape. Context: `top:N` needs leaders, and no service sees another's
//!   tables. Choice: portfolio keeps what each wallet traded, in cents, and nets of everybody; a wallet is asked for when
//!   it trades while it is among the first. Price: a row per wallet and per trade, as with `all`, though providers are
//!   asked for few.

use crate::wallet::Wallet;
use std::collections::BTreeSet;
use std::sync::Arc;
use tape::Trade;

/// Which traders become tracked wallets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Those who traded through a configured platform.
    Platform,
    /// Those named.
    List(Listed),
    /// The first so many by what they traded in all, in dollars; nets are kept of everybody, for who may lead one day.
    Top(u32),
    /// Everybody who trades.
    All,
}

/// Named wallets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    anywhere: BTreeSet<Arc<str>>,
    wallets: BTreeSet<Wallet>,
}

/// Why a policy is refused. Reads after the variable's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTracking {
    /// A list without members.
    #[error("is `list`, but the list is empty")]
    EmptyList,
    /// Not a number of wallets that can lead.
    #[error("is `{0}`, but must be top: and a number from 1 to {MOST_LEADERS}")]
    NoLeaders(String),
    /// None of the policies.
    #[error("is `{0}`, but must be platform, list, top:N or all")]
    Unknown(String),
}

/// Most wallets that can lead: their standings are looked at with every batch.
const MOST_LEADERS: u32 = 10_000;

impl Tracking {
    /// Reads a policy; `list` are wallets separated by commas, `chain/address` or an address for every chain.
    pub fn parse(policy: &str, list: &str) -> Result<Self, NotTracking> {
        match policy {
            "platform" => Ok(Self::Platform),
            "all" => Ok(Self::All),
            "list" => {
                let listed = Listed::parse(list);
                if listed == Listed::default() { Err(NotTracking::EmptyList) } else { Ok(Self::List(listed)) }
            }
            other => match other.strip_prefix("top:") {
                Some(number) => {
                    let most = number.parse().ok().filter(|most| (1..=MOST_LEADERS).contains(most));
                    most.map(Self::Top).ok_or_else(|| NotTracking::NoLeaders(other.to_owned()))
                }
                None => Err(NotTracking::Unknown(other.to_owned())),
            },
        }
    }

    /// Whether this trade makes its trader's wallet one whose trades count. Who leads is not a trade's to say.
    pub fn admits(&self, trade: &Trade) -> bool {
        match self {
            Self::Platform => trade.platform.is_some(),
            Self::List(listed) => listed.has(&Wallet::of(trade)),
            Self::Top(_) | Self::All => true,
        }
    }
}

impl Listed {
    fn parse(list: &str) -> Self {
        let mut listed = Self::default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry.split_once('/') {
                Some((chain, address)) => _ = listed.wallets.insert(Wallet::new(chain, canonical(address))),
                None => _ = listed.anywhere.insert(canonical(entry).into()),
            }
        }
        listed
    }

    fn has(&self, wallet: &Wallet) -> bool {
        self.anywhere.contains(&wallet.address) || self.wallets.contains(wallet)
    }
}

/// `0x…` is lower case everywhere on the tape, all else byte-exact; people paste checksummed addresses.
fn canonical(address: &str) -> String {
    if address.starts_with("0x") || address.starts_with("0X") { address.to_lowercase() } else { address.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::trade;

    #[test]
    fn policies_admit_whom_they_say() {
        let mut of_platform = trade("mock", "0xab", 1);
        of_platform.platform = Some("pad".to_owned());
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
            assert_eq!((tracking.admits(&of_platform), tracking.admits(&plain)), (first, second), "{policy} {list}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_in_words() {
        assert_eq!(Tracking::parse("list", " , "), Err(NotTracking::EmptyList));
        assert_eq!(Tracking::parse("top:10000", ""), Ok(Tracking::Top(10_000)));
        for top in ["top:", "top:0", "top:10001", "top:-1", "top:many"] {
            assert!(matches!(Tracking::parse(top, ""), Err(NotTracking::NoLeaders(_))), "{top}");
        }
        assert!(matches!(Tracking::parse("some", ""), Err(NotTracking::Unknown(_))));
    }
}
