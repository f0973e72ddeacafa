//! What trades are worth: by the dollars in them, or by what SOL cost in the same block.

use crate::cash::{Cash, VALUATION_LIMIT};
use crate::model::{Leg, Route, RouteAmount, SOL};
use chain_plugin_sdk::Valuation;
use chain_plugin_sdk::amount::usd;
use ruint::aliases::U256;

/// What SOL cost in a block: all dollars over all SOL that crossed the reference pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SolPrice {
    dollars: u128,
    lamports: u128,
}

impl SolPrice {
    /// Counts a leg, if it exchanged SOL and dollars in a reference pool.
    pub(crate) fn count_leg(&mut self, leg: &Leg, cash: &Cash) {
        if !cash.is_reference_pool(&leg.pool) {
            return;
        }
        let (sol, stable) = if leg.sold.0 == SOL { (&leg.sold, &leg.bought) } else { (&leg.bought, &leg.sold) };
        let (Some(dollars), Ok(lamports)) = (cash.dollars(&stable.0, stable.1), u128::try_from(sol.1)) else { return };
        if sol.0 == SOL {
            self.dollars = self.dollars.saturating_add(dollars);
            self.lamports = self.lamports.saturating_add(lamports);
        }
    }

    /// What lamports are worth in units of 10^-18 dollars, rounded half to even.
    fn dollars_of_lamports(&self, lamports: U256) -> Option<u128> {
        if self.lamports == 0 {
            return None;
        }
        let (whole, rest) = lamports.checked_mul(U256::from(self.dollars))?.div_rem(U256::from(self.lamports));
        let twice = rest.checked_mul(U256::from(2))?;
        let divisor = U256::from(self.lamports);
        let up = twice > divisor || (twice == divisor && whole.bit(0));
        u128::try_from(whole.checked_add(U256::from(u8::from(up)))?).ok().filter(|units| *units < VALUATION_LIMIT)
    }
}

/// A trade is worth the dollars on one of its sides, the fewer if both are dollars; else the dollars that it passed
/// through, when its legs are one chain; else what its SOL cost in this block.
pub(crate) fn valuation(route: &Route<'_>, legs: &[Leg], cash: &Cash, price: &SolPrice) -> Option<Valuation> {
    let valued = |units: u128, source: &str| Valuation { notional: usd(units), fee: None, source: source.to_owned() };
    let sides = [route.sold, route.bought];
    let on_sides =
        sides.iter().filter(|(asset, _)| cash.is_stable(asset)).map(|(asset, raw)| cash.dollars(asset, *raw));
    if let Some(least) = on_sides.min() {
        return least.map(|units| valued(units, "stable-leg"));
    }
    if let Some(units) = dollars_on_the_way(route, legs, cash) {
        return Some(valued(units, "stable-leg"));
    }
    let (_, lamports): &RouteAmount<'_> = sides.iter().find(|(asset, _)| *asset == SOL)?;
    price.dollars_of_lamports(*lamports).map(|units| valued(units, "reference-pool"))
}

/// The first dollars that one leg bought and the next one sold; none where the legs are no chain.
fn dollars_on_the_way(route: &Route<'_>, legs: &[Leg], cash: &Cash) -> Option<u128> {
    let mut worth = None;
    for hop in route.legs.windows(2) {
        let (into, out) = (&legs[hop[0]].bought, &legs[hop[1]].sold);
        if into.0 != out.0 {
            return None;
        }
        if worth.is_none() && cash.is_stable(&into.0) {
            worth = cash.dollars(&into.0, into.1.min(out.1));
        }
    }
    worth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cash::REFERENCE_POOLS;
    use netting::RouteKind;
    use std::collections::BTreeMap;

    const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    fn leg(pool: &str, sold: (&str, u64), bought: (&str, u64)) -> Leg {
        let side = |(asset, raw): (&str, u64)| (asset.to_owned(), U256::from(raw));
        Leg {
            venue: String::new(),
            pool: pool.to_owned(),
            sold: side(sold),
            bought: side(bought),
            user: String::new(),
            counterparts: vec![],
            fees: vec![],
            call: 0,
        }
    }

    fn worth(sold: (&str, u64), bought: (&str, u64), price: &SolPrice) -> Option<(u64, String)> {
        let (sold, bought) = ((sold.0, U256::from(sold.1)), (bought.0, U256::from(bought.1)));
        let route = Route { kind: RouteKind::Swap, sold, bought, legs: vec![] };
        let value = valuation(&route, &[], &Cash::new(&BTreeMap::new(), None), price)?;
        Some((value.notional.low, value.source))
    }

    #[test]
    fn dollars_count_first_then_what_sol_cost() {
        let cash = Cash::new(&BTreeMap::new(), None);
        let mut price = SolPrice::default();
        assert_eq!(worth((SOL, 2), ("coin", 1), &price), None);
        price.count_leg(&leg("nobody's pool", (SOL, 1), (USDC, 1_000_000)), &cash);
        assert_eq!(price, SolPrice::default());
        price.count_leg(&leg(REFERENCE_POOLS[0], (SOL, 1_000_000_000), (USDC, 150_000_000)), &cash);
        price.count_leg(&leg(REFERENCE_POOLS[1], (USDC, 50_000_000), (SOL, 1_000_000_000)), &cash);
        assert_eq!(
            worth((SOL, 20_000_000), ("coin", 1), &price),
            Some((2_000_000_000_000_000_000, "reference-pool".into()))
        );
        assert_eq!(worth((SOL, 20_000_000), (USDC, 3), &price), Some((3_000_000_000_000, "stable-leg".into())));
        assert_eq!(worth(("one", 20_000_000), ("two", 3), &price), None);
    }
}
