//! One position by moving weighted average: what is held, what it cost, and what a sale realizes.
//!
//! Decisions
//! * A sale takes the known part first, then the unknown part; what exceeds both was never seen to arrive.
//! * The basis released is `basis * sold / held`, the rest stays: no unit of a dollar is made or lost by rounding. A
//!   sale that empties the known part takes the remaining basis whole.
//! * Proceeds are shared between the known part and the rest by quantity; the rest gets what rounding leaves.

use crate::amounts::{Dollars, Quantity};

/// What a position holds. **Invariant:** the basis is never negative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Held with a known basis.
    pub quantity: Quantity,
    /// Held with an unknown basis.
    pub unknown: Quantity,
    /// What the known part cost.
    pub basis: Dollars,
}

/// What a sale made of a position: both are nothing for a purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Realized {
    /// Profit or loss on the known part, before fees.
    pub pnl: Dollars,
    /// Proceeds of what had no known basis.
    pub without_basis: Dollars,
}

impl Holding {
    /// Takes in a purchase; without a worth it is held with an unknown basis.
    pub fn buy(&mut self, raw: &Quantity, worth: Option<&Dollars>) {
        match worth {
            Some(worth) => {
                self.quantity += raw;
                self.basis += worth;
            }
            None => self.unknown += raw,
        }
    }

    /// Takes out a sale; without a worth it realizes nothing.
    pub fn sell(&mut self, raw: &Quantity, worth: Option<&Dollars>) -> Realized {
        let known = raw.min(&self.quantity).clone();
        let released =
            if known == self.quantity { self.basis.clone() } else { self.basis.part(&known, &self.quantity) };
        let rest = (raw - &known).min(self.unknown.clone());
        self.quantity -= &known;
        self.unknown -= rest;
        self.basis -= &released;
        let Some(worth) = worth else { return Realized::default() };
        let proceeds = worth.part(&known, raw);
        Realized { pnl: &proceeds - &released, without_basis: worth - &proceeds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Dollars {
        text.parse().unwrap()
    }

    /// `b10@10` buys 10 for $10, `s4@?` sells 4 for an unknown worth; returns the holding and each sale's result.
    fn play(story: &str) -> (Holding, Vec<(String, String)>) {
        let mut holding = Holding::default();
        let mut sales = vec![];
        for step in story.split_whitespace() {
            let (raw, worth) = step[1..].split_once('@').unwrap();
            let (raw, worth) = (raw.parse().unwrap(), (worth != "?").then(|| usd(worth)));
            if step.starts_with('b') {
                holding.buy(&raw, worth.as_ref());
            } else {
                let realized = holding.sell(&raw, worth.as_ref());
                sales.push((realized.pnl.to_string(), realized.without_basis.to_string()));
            }
        }
        (holding, sales)
    }

    fn check(story: &str, held: (&str, &str, &str), expected: &[(&str, &str)]) {
        let (holding, sales) = play(story);
        let shown = (holding.quantity.to_string(), holding.unknown.to_string(), holding.basis.to_string());
        assert_eq!((shown.0.as_str(), shown.1.as_str(), shown.2.as_str()), held, "{story}");
        let sales: Vec<_> = sales.iter().map(|(pnl, rest)| (pnl.as_str(), rest.as_str())).collect();
        assert_eq!(sales, expected, "{story}");
    }

    #[test]
    fn golden_vector() {
        check("b10@10 s4@8 b10@20 s16@32", ("0", "0", "0"), &[("4", "0"), ("6", "0")]);
    }

    #[test]
    fn a_taken_back_purchase_was_never_there() {
        check("b10@30 s4@12", ("6", "0", "18"), &[("0", "0")]);
    }

    #[test]
    fn selling_more_than_known_realizes_the_known_part_only() {
        check("b4@4 s10@30", ("0", "0", "0"), &[("8", "18")]);
        check("s10@30", ("0", "0", "0"), &[("0", "30")]);
        check("b4@4 b10@? s10@30", ("0", "4", "0"), &[("8", "18")]);
    }

    #[test]
    fn unvalued_trades_move_quantities_and_realize_nothing() {
        check("b10@?", ("0", "10", "0"), &[]);
        check("b10@10 s4@?", ("6", "0", "6"), &[("0", "0")]);
        check("b10@10 b10@? s15@?", ("0", "5", "0"), &[("0", "0")]);
    }

    #[test]
    fn rounding_loses_nothing() {
        let cent = "0.000000000000000001";
        check(
            &format!("b3@{cent} s1@0 s1@0 s1@0"),
            ("0", "0", "0"),
            &[("0", "0"), ("0", "0"), ("-0.000000000000000001", "0")],
        );
        check("b3@10 s1@5 s2@5", ("0", "0", "0"), &[("1.666666666666666667", "0"), ("-1.666666666666666667", "0")]);
    }

    #[test]
    fn nothing_sold_is_no_division() {
        check("s0@5", ("0", "0", "0"), &[("0", "5")]);
        check("b10@10 s0@5", ("10", "0", "10"), &[("0", "5")]);
    }
}
