//! Which trades a client asks for, and whether a trade is one of them.

use tape::{Usd, Valuation};

/// Which trades are asked for. An empty filter means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TradeFilter {
    /// Only of this chain.
    pub chain: Option<String>,
    /// Only of this trader.
    pub trader: Option<String>,
    /// Only where this asset was sold or bought.
    pub asset: Option<String>,
    /// Only where a pool of this venue was crossed.
    pub venue: Option<String>,
    /// Only where this pool was crossed.
    pub pool: Option<String>,
    /// Only of this platform.
    pub platform: Option<String>,
    /// Only of this kind: `swap`, `cycle`; an open list.
    pub kind: Option<String>,
    /// Only trades that are worth at least this much. Unvalued and implausible ones have no worth.
    pub min_usd: Option<Usd>,
    /// What metrics holds for the largest plausible worth and fee, where `min_usd` is to be compared with what a trade
    /// itself claims. What metrics has stored needs no such bound: it stores no worth of an implausible trade.
    pub plausible_usd: Option<Usd>,
}

/// What a filter asks of a trade.
#[derive(Clone, Copy, Debug)]
pub struct FilteredTrade<'a> {
    /// Id of the chain.
    pub chain: &'a str,
    /// Who is charged.
    pub trader: &'a str,
    /// What was sold and what was bought.
    pub assets: [&'a str; 2],
    /// The venues crossed.
    pub venues: &'a [String],
    /// The pools crossed.
    pub pools: &'a [String],
    /// The platform it belongs to.
    pub platform: Option<&'a str>,
    /// Its kind.
    pub kind: &'a str,
    /// Its worth and fee as it claims them.
    pub valuation: Option<&'a Valuation>,
}

impl TradeFilter {
    /// Whether a trade passes the filter.
    pub fn matches(&self, trade: &FilteredTrade) -> bool {
        let equals = |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|wanted| wanted == given);
        let has = |wanted: &Option<String>, given: &[String]| {
            wanted.as_ref().is_none_or(|wanted| given.iter().any(|crossed| crossed == wanted))
        };
        equals(&self.chain, trade.chain)
            && equals(&self.trader, trade.trader)
            && self.asset.as_deref().is_none_or(|asset| trade.assets.contains(&asset))
            && has(&self.venue, trade.venues)
            && has(&self.pool, trade.pools)
            && self.platform.as_deref().is_none_or(|platform| trade.platform == Some(platform))
            && equals(&self.kind, trade.kind)
            && self.min_usd.is_none_or(|least| self.worth(trade).is_some_and(|worth| worth >= least))
    }

    /// What a trade is worth, as metrics holds it.
    fn worth(&self, trade: &FilteredTrade) -> Option<Usd> {
        let valuation = trade.valuation?;
        let claims = [Some(valuation.notional), valuation.fee];
        let implausible = |most: Usd| claims.into_iter().flatten().any(|claimed| claimed > most);
        (!self.plausible_usd.is_some_and(implausible)).then_some(valuation.notional)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(dollars: i128) -> Usd {
        Usd(dollars * Usd::ONE.0)
    }

    #[test]
    fn every_part_of_a_filter_must_hold() {
        let (venues, pools) = (["v3".to_owned(), "v2".to_owned()], ["0xpool".to_owned()]);
        let valuation = Valuation { notional: dollars(100), fee: None, source: "stable-leg".to_owned() };
        let trade = FilteredTrade {
            chain: "mock",
            trader: "alice",
            assets: ["a", "b"],
            venues: &venues,
            pools: &pools,
            platform: Some("shop"),
            kind: "swap",
            valuation: Some(&valuation),
        };
        let text = |text: &str| Some(text.to_owned());
        let all = TradeFilter {
            chain: text("mock"),
            trader: text("alice"),
            asset: text("b"),
            venue: text("v2"),
            pool: text("0xpool"),
            platform: text("shop"),
            kind: text("swap"),
            min_usd: Some(dollars(100)),
            plausible_usd: Some(dollars(100)),
        };
        assert!(all.matches(&trade) && TradeFilter::default().matches(&trade));
        for changed in [
            FilteredTrade { chain: "other", ..trade },
            FilteredTrade { trader: "bob", ..trade },
            FilteredTrade { assets: ["a", "c"], ..trade },
            FilteredTrade { venues: &venues[..1], ..trade },
            FilteredTrade { pools: &[], ..trade },
            FilteredTrade { platform: None, ..trade },
            FilteredTrade { kind: "cycle", ..trade },
            FilteredTrade { valuation: None, ..trade },
        ] {
            assert!(!all.matches(&changed), "{changed:?}");
            assert!(TradeFilter::default().matches(&changed));
        }
    }

    #[test]
    fn a_worth_that_is_implausible_is_none() {
        let of = |notional, fee: Option<i128>, plausible_usd: Option<i128>| {
            let source = "stable-leg".to_owned();
            let valuation = Valuation { notional: dollars(notional), fee: fee.map(dollars), source };
            let trade = FilteredTrade {
                chain: "mock",
                trader: "alice",
                assets: ["a", "b"],
                venues: &[],
                pools: &[],
                platform: None,
                kind: "swap",
                valuation: Some(&valuation),
            };
            let plausible_usd = plausible_usd.map(dollars);
            TradeFilter { min_usd: Some(dollars(50)), plausible_usd, ..TradeFilter::default() }.matches(&trade)
        };
        assert!(of(50, None, None) && !of(49, None, None));
        assert!(of(1_000, None, Some(1_000)) && !of(1_001, None, Some(1_000)));
        assert!(of(100, Some(1_000), Some(1_000)) && !of(100, Some(1_001), Some(1_000)), "a fee beyond it, too");
    }
}
