//! Who is ahead by what was traded: for wallets that are tracked while they are among the first.

use crate::wallet::Wallet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use tape::{Trade, Usd};

/// Whole cents: who is ahead needs no more. What is beyond all reason stays at the most there is.
pub type Cents = i64;

/// Units of [`Usd`] in a cent.
const CENT: i128 = Usd::ONE.0 / 100;

/// What wallets traded in all, as kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// Of the wallets asked for; those that never traded are left out.
    pub volumes: HashMap<Wallet, Cents>,
    /// The first of all, as many as were asked for.
    pub leaders: Vec<(Wallet, Cents)>,
}

impl Standings {
    /// What the wallets that moved have traded now.
    pub fn after(&self, moves: &BTreeMap<Wallet, Cents>) -> Vec<(Wallet, Cents)> {
        let now = |(wallet, moved): (&Wallet, &Cents)| {
            let before = self.volumes.get(wallet).copied().unwrap_or(0);
            (wallet.clone(), before.saturating_add(*moved))
        };
        moves.iter().map(now).collect()
    }

    /// The first so many, once these wallets have traded so much. Who traded nothing of worth is not among them.
    pub fn leading(&self, now: &[(Wallet, Cents)], most: usize) -> HashSet<Wallet> {
        let mut all: BTreeMap<&Wallet, Cents> = self.leaders.iter().map(|(wallet, cents)| (wallet, *cents)).collect();
        all.extend(now.iter().map(|(wallet, cents)| (wallet, *cents)));
        let mut ranked: Vec<(&Wallet, Cents)> = all.into_iter().filter(|(_, cents)| *cents > 0).collect();
        ranked.sort_by_key(|(wallet, cents)| (Reverse(*cents), *wallet));
        ranked.into_iter().take(most).map(|(wallet, _)| wallet.clone()).collect()
    }
}

/// What a trade is worth to its trader's standing; a cycle, or a trade without a valuation, nothing.
pub fn worth(trade: &Trade) -> Cents {
    let notional = trade.valuation.as_ref().filter(|_| !trade.is_cycle()).map_or(0, |valuation| valuation.notional.0);
    Cents::try_from(notional / CENT).unwrap_or(Cents::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::trade;
    use tape::Valuation;

    fn wallet(address: &str) -> Wallet {
        Wallet::new("mock", address)
    }

    fn standings(leaders: &[(&str, Cents)]) -> Standings {
        let leaders: Vec<_> = leaders.iter().map(|(address, cents)| (wallet(address), *cents)).collect();
        Standings { volumes: leaders.iter().cloned().collect(), leaders }
    }

    #[test]
    fn the_first_are_those_with_most_after_what_moved() {
        let before = standings(&[("0xa", 90), ("0xb", 50)]);
        let moves =
            [("0xb", -30), ("0xc", 60), ("0xd", 0), ("0xe", 90)].map(|(address, cents)| (wallet(address), cents));
        let now = before.after(&moves.into());
        assert_eq!(now[0], (wallet("0xb"), 20));
        let leading = |most| {
            let mut names: Vec<_> = before.leading(&now, most).into_iter().map(|one| one.address.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(leading(1), ["0xa"], "equals go by name");
        assert_eq!(leading(3), ["0xa", "0xc", "0xe"]);
        assert_eq!(leading(9), ["0xa", "0xb", "0xc", "0xe"], "who traded nothing of worth does not lead");
    }

    #[test]
    fn a_trade_is_worth_whole_cents_and_never_too_much() {
        let mut one = trade("mock", "0xa", 1);
        assert_eq!(worth(&one), 0, "not valued");
        let mut valued = |text: &str| {
            let notional = Usd::parse(text).unwrap();
            one.valuation = Some(Valuation { notional, fee: None, source: "test".to_owned() });
            worth(&one)
        };
        assert_eq!((valued("12.349"), valued("0.009")), (1_234, 0));
        assert_eq!(valued("1000000000000000"), 100_000_000_000_000_000);
        assert_eq!(standings(&[("0xa", Cents::MAX)]).after(&[(wallet("0xa"), 5)].into())[0].1, Cents::MAX);
        one.kind = Trade::CYCLE.to_owned();
        assert_eq!(worth(&one), 0, "a cycle");
    }
}
