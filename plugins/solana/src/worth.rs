//! What trades are worth: by the dollars in them, or by what SOL cost in the same block.

use crate::SOL;
use crate::legs::Leg;
use crate::net::{Amount, Route};
use chain_plugin_sdk::Valuation;
use chain_plugin_sdk::amount::usd;
use ruint::aliases::U256;
use std::collections::BTreeMap;

/// Dollar tokens with their decimals.
const STABLES: [(&str, u8); 8] = [
    ("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6), // USDC
    ("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6), // USDT
    ("2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo", 6), // PYUSD
    ("USDSwr9ApdHk5bvJKMjzff41FfuX8bSxdKcR81vTwcA", 6),  // USDS
    ("2u1tszSeqZ3qBWF3uNGPFc8TzMk2tdiwknnRMWGWjGWH", 6), // USDG
    ("USD1ttGY1N17NEEHLmELoaybftRBUSErhqYiQzvEmuB", 6),  // USD1
    ("9zNQRsGLjNKwCUU5Gq5LR8beUCPzQMVMqKAi3SSZh54u", 6), // FDUSD
    ("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", 6), // USDC on the development network
];

/// The deepest pools of SOL and USDC.
const REFERENCES: [&str; 6] = [
    "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE", // Orca Whirlpool
    "HJPjoWUrhoZzkNfRpHuieeFk9WcZWjwy6PBjZ81ngndJ", // Orca Whirlpool
    "3ucNos4NbumPLZNWztqGHNFFgkHeRMBQAVemeeomsUxv", // Raydium CLMM
    "8sLbNZoA1cfnvMJLPfp98ZLAnFSYCFApfJKMbiXNLwxj", // Raydium CLMM
    "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2", // Raydium AMM v4
    "5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6",  // Meteora DLMM
];

/// Units of 10^-18 dollars beyond which nothing is valued.
const LIMIT: u128 = 10_u128.pow(15 + 18);

/// What counts as cash.
#[derive(Clone, Debug, Default)]
pub struct Cash {
    stables: BTreeMap<String, u8>,
    references: Vec<String>,
}

impl Cash {
    /// The built-in ones, changed by settings.
    pub fn of(changes: &BTreeMap<String, Option<u8>>, references: Option<&[String]>) -> Self {
        let mut stables: BTreeMap<String, u8> =
            STABLES.iter().map(|(mint, decimals)| ((*mint).to_owned(), *decimals)).collect();
        for (mint, decimals) in changes {
            match decimals {
                Some(decimals) => stables.insert(mint.clone(), *decimals),
                None => stables.remove(mint),
            };
        }
        let references = match references {
            Some(references) => references.to_vec(),
            None => REFERENCES.map(str::to_owned).to_vec(),
        };
        Self { stables, references }
    }

    /// Whether an asset is a dollar.
    pub fn is_stable(&self, asset: &str) -> bool {
        self.stables.contains_key(asset)
    }

    /// Whether an asset is cash.
    pub fn is_quote(&self, asset: &str) -> bool {
        asset == SOL || self.is_stable(asset)
    }

    /// Units of 10^-18 dollars; none from 10^15 dollars on.
    fn dollars(&self, asset: &str, raw: U256) -> Option<u128> {
        let decimals = *self.stables.get(asset)?;
        let units = raw.checked_mul(U256::from(10_u128.checked_pow(u32::from(18 - decimals.min(18)))?))?;
        u128::try_from(units).ok().filter(|units| *units < LIMIT)
    }
}

/// What SOL cost in a block: all dollars over all SOL that crossed the reference pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    dollars: u128,
    lamports: u128,
}

impl Price {
    /// Counts a leg.
    pub fn see(&mut self, leg: &Leg, cash: &Cash) {
        if !cash.references.contains(&leg.pool) {
            return;
        }
        let (sol, stable) = if leg.sold.0 == SOL { (&leg.sold, &leg.bought) } else { (&leg.bought, &leg.sold) };
        let (Some(dollars), Ok(lamports)) = (cash.dollars(&stable.0, stable.1), u128::try_from(sol.1)) else { return };
        if sol.0 == SOL {
            self.dollars = self.dollars.saturating_add(dollars);
            self.lamports = self.lamports.saturating_add(lamports);
        }
    }

    fn of(&self, lamports: U256) -> Option<u128> {
        if self.lamports == 0 {
            return None;
        }
        let (whole, rest) = lamports.checked_mul(U256::from(self.dollars))?.div_rem(U256::from(self.lamports));
        // Half to even.
        let twice = rest.checked_mul(U256::from(2))?;
        let divisor = U256::from(self.lamports);
        let up = twice > divisor || (twice == divisor && whole.bit(0));
        u128::try_from(whole.checked_add(U256::from(u8::from(up)))?).ok().filter(|units| *units < LIMIT)
    }
}

/// A trade is worth the dollars on one of its sides, the fewer if both are dollars; else the dollars that it passed
/// through, when its legs are one chain; else what its SOL cost in this block.
pub fn value(route: &Route<'_>, legs: &[Leg], cash: &Cash, price: &Price) -> Option<Valuation> {
    let spell = |units: u128, source: &str| Valuation { notional: usd(units), fee: None, source: source.to_owned() };
    let sides = [route.sold, route.bought];
    let on_sides =
        sides.iter().filter(|(asset, _)| cash.is_stable(asset)).map(|(asset, raw)| cash.dollars(asset, *raw));
    if let Some(least) = on_sides.min() {
        return least.map(|units| spell(units, "stable-leg"));
    }
    if let Some(units) = passed_through(route, legs, cash) {
        return Some(spell(units, "stable-leg"));
    }
    let (_, lamports): &Amount<'_> = sides.iter().find(|(asset, _)| *asset == SOL)?;
    price.of(*lamports).map(|units| spell(units, "reference-pool"))
}

fn passed_through(route: &Route<'_>, legs: &[Leg], cash: &Cash) -> Option<u128> {
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
    use crate::net::Kind;

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
            costs: vec![],
            place: 0,
        }
    }

    fn worth(sold: (&str, u64), bought: (&str, u64), price: &Price) -> Option<(u64, String)> {
        let (sold, bought) = ((sold.0, U256::from(sold.1)), (bought.0, U256::from(bought.1)));
        let route = Route { kind: Kind::Swap, sold, bought, legs: vec![] };
        let value = value(&route, &[], &Cash::of(&BTreeMap::new(), None), price)?;
        Some((value.notional.low, value.source))
    }

    #[test]
    fn dollars_count_first_then_what_sol_cost() {
        let cash = Cash::of(&BTreeMap::new(), None);
        let mut price = Price::default();
        assert_eq!(worth((SOL, 2), ("coin", 1), &price), None);
        price.see(&leg("nobody's pool", (SOL, 1), (USDC, 1_000_000)), &cash);
        assert_eq!(price, Price::default());
        price.see(&leg(REFERENCES[0], (SOL, 1_000_000_000), (USDC, 150_000_000)), &cash);
        price.see(&leg(REFERENCES[1], (USDC, 50_000_000), (SOL, 1_000_000_000)), &cash);
        assert_eq!(
            worth((SOL, 20_000_000), ("coin", 1), &price),
            Some((2_000_000_000_000_000_000, "reference-pool".into()))
        );
        assert_eq!(worth((SOL, 20_000_000), (USDC, 3), &price), Some((3_000_000_000_000, "stable-leg".into())));
        assert_eq!(worth(("one", 20_000_000), ("two", 3), &price), None);
    }
}
