//! What platforms were used for in one hour of one user: swaps, volume and fees, in all and by asset. Pure.
//!
//! As with flows, these figures are calculated again from the trades of an hour whenever the hour has changed, so that a
//! trade costs nothing for them while the tape is folded and a reverted one leaves nothing behind.

use crate::amounts::Dollars;
use crate::flows::FlowTrade;
use std::collections::BTreeMap;

/// A platform, and an asset that was sold or bought through it; the empty asset stands for all trades, each counted once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlatformKey {
    /// The platform's name.
    pub platform: String,
    /// The asset.
    pub asset: String,
}

/// What a platform was used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformFigures {
    /// Swaps, valued or not.
    pub swaps: i64,
    /// Swaps without a valuation; they are not in the volume.
    pub unvalued: i64,
    /// Worth of valued swaps.
    pub volume: Dollars,
    /// What the platform earned.
    pub fees: Dollars,
}

impl PlatformFigures {
    /// Adds other figures.
    pub fn add(&mut self, other: &Self) {
        self.swaps += other.swaps;
        self.unvalued += other.unvalued;
        self.volume += &other.volume;
        self.fees += &other.fees;
    }
}

/// The figures of every platform that live swaps of an hour belong to, in any order.
pub fn platform_figures(trades: &[FlowTrade]) -> BTreeMap<PlatformKey, PlatformFigures> {
    let mut figures: BTreeMap<PlatformKey, PlatformFigures> = BTreeMap::new();
    for trade in trades {
        let Some(platform) = &trade.platform else { continue };
        let of_trade = PlatformFigures {
            swaps: 1,
            unvalued: i64::from(trade.worth.is_none() && !trade.implausible),
            volume: trade.worth.clone().unwrap_or_default(),
            fees: trade.fee.clone().unwrap_or_default(),
        };
        for asset in ["", &trade.sold, &trade.bought] {
            let key = PlatformKey { platform: platform.clone(), asset: asset.to_owned() };
            figures.entry(key).or_default().add(&of_trade);
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trade_counts_once_in_all_and_once_for_each_of_its_assets() {
        let trade =
            |platform: Option<&str>, sold: &str, bought: &str, worth: Option<&str>, fee: Option<&str>| FlowTrade {
                sold: sold.to_owned(),
                bought: bought.to_owned(),
                worth: worth.map(|usd| usd.parse().unwrap()),
                fee: fee.map(|usd| usd.parse().unwrap()),
                platform: platform.map(str::to_owned),
                ..FlowTrade::default()
            };
        let implausible = FlowTrade { implausible: true, ..trade(Some("shop"), "usd", "cat", None, None) };
        let trades = [
            trade(Some("shop"), "usd", "cat", Some("10"), Some("0.1")),
            trade(Some("shop"), "cat", "dog", Some("5.5"), None),
            trade(Some("shop"), "dog", "usd", None, None),
            trade(Some("bar"), "usd", "cat", Some("7"), Some("1")),
            trade(None, "usd", "cat", Some("1000"), Some("9")),
            implausible,
        ];
        let shown: Vec<String> = platform_figures(&trades)
            .into_iter()
            .map(|(key, of)| {
                format!("{}/{}: {} {} {} {}", key.platform, key.asset, of.swaps, of.unvalued, of.volume, of.fees)
            })
            .collect();
        let expected = [
            "bar/: 1 0 7 1",
            "bar/cat: 1 0 7 1",
            "bar/usd: 1 0 7 1",
            "shop/: 4 1 15.5 0.1",
            "shop/cat: 3 0 15.5 0.1",
            "shop/dog: 2 1 5.5 0",
            "shop/usd: 3 1 10 0.1",
        ];
        assert_eq!(shown, expected);
    }
}
