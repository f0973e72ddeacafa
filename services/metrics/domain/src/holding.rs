//! One position, with the average or the FIFO cost method: what is held, what it cost, and what a sale realizes.
//!
//! Decisions
//! * A sale takes the known part first, then the unknown part; anything beyond both arrived unseen. So both methods
//!   agree on how much is known, and differ in what it cost.
//! * With the average method, a sale releases `basis * sold / held`; with FIFO, the basis of the oldest parcels, of the
//!   last one in part. The rest stays, so rounding neither creates nor loses a unit. A sale that empties the known part
//!   releases all of the remaining basis.
//! * Proceeds are divided between the known part and the rest by quantity; the rest gets what rounding leaves.
//! * A swap without a worth realizes nothing: what it sells hands its basis on to what it buys. As large a part of the
//!   purchase is known as of the sale was, rounded up, so that a basis is never held by nothing; the rest has an
//!   unknown basis and is in no parcel. FIFO holds what was taken over as one parcel of the new trade.
//! * Where a swap without a worth buys cash, nothing takes the basis over: it is counted as basis without proceeds.

use crate::amounts::{Dollars, Quantity, div_ceil};
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How the cost of what is sold is calculated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// The moving weighted average: every unit held cost the same.
    #[default]
    Average,
    /// First in, first out: the oldest units are sold first, at what they cost.
    Fifo,
}

/// The text does not name a cost method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `average` or `fifo`")]
pub struct NotAMethod;

/// A purchase, the part of it that is left, or the part that a sale took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The trade that bought it.
    pub trade: Arc<str>,
    /// How much.
    pub quantity: Quantity,
    /// What it cost.
    pub basis: Dollars,
}

/// The part of a sale or a purchase whose cost is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPart {
    /// How much.
    pub quantity: Quantity,
    /// What it cost.
    pub basis: Dollars,
}

/// What a position holds. **Invariant:** the basis is never negative, and parcels, where there are any, add up to the
/// known quantity and its basis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Held with a known basis.
    pub quantity: Quantity,
    /// Held with an unknown basis.
    pub unknown: Quantity,
    /// What the known part cost.
    pub basis: Dollars,
    /// The purchases that make up the known part, oldest first; always empty with the average method.
    pub parcels: VecDeque<Parcel>,
}

/// What sales of a position realized; zero for a purchase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Realized {
    /// Profit or loss on the known part, before fees.
    pub pnl: Dollars,
    /// Proceeds of the known part.
    pub proceeds: Dollars,
    /// Proceeds of the part without a known basis.
    pub without_basis: Dollars,
    /// What had cost what was sold for cash without a worth.
    pub basis_without_proceeds: Dollars,
}

/// The result of a sale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// What it realized.
    pub realized: Realized,
    /// The parcels that it took, oldest first; always empty with the average method.
    pub taken: Vec<Parcel>,
    /// What it took of the known part.
    pub known: KnownPart,
}

impl Method {
    /// Its name in settings, tables and responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Fifo => "fifo",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = NotAMethod;

    fn from_str(text: &str) -> Result<Self, NotAMethod> {
        [Self::Average, Self::Fifo].into_iter().find(|method| method.name() == text).ok_or(NotAMethod)
    }
}

impl Holding {
    /// Adds a purchase; what is not in its known part is held with an unknown basis.
    pub fn buy(&mut self, method: Method, trade: &Arc<str>, raw: &Quantity, known: &KnownPart) {
        self.unknown += raw - &known.quantity;
        if !known.is_empty() {
            self.buy_known(method, trade, &known.quantity, &known.basis);
        }
    }

    /// Adds a purchase all of which is known to have cost so much.
    pub fn buy_known(&mut self, method: Method, trade: &Arc<str>, raw: &Quantity, basis: &Dollars) {
        self.quantity += raw;
        self.basis += basis;
        if method == Method::Fifo && (*raw != Quantity::ZERO || *basis != Dollars::ZERO) {
            let (trade, quantity, basis) = (Arc::clone(trade), raw.clone(), basis.clone());
            self.parcels.push_back(Parcel { trade, quantity, basis });
        }
    }

    /// Removes what is sold; without a worth the sale realizes nothing.
    pub fn sell(&mut self, method: Method, raw: &Quantity, worth: Option<&Dollars>) -> Sale {
        let known = raw.min(&self.quantity).clone();
        let taken = match method {
            Method::Average => vec![],
            Method::Fifo => self.take_oldest(known.clone()),
        };
        let released = match method {
            Method::Average if known == self.quantity => self.basis.clone(),
            Method::Average => self.basis.part(&known, &self.quantity),
            Method::Fifo => taken.iter().fold(Dollars::ZERO, |sum, parcel| &sum + &parcel.basis),
        };
        let rest = (raw - &known).min(self.unknown.clone());
        self.quantity -= &known;
        self.unknown -= rest;
        self.basis -= &released;
        let realized = worth.map_or_else(Realized::default, |worth| {
            let proceeds = worth.part(&known, raw);
            let (pnl, without_basis) = (&proceeds - &released, worth - &proceeds);
            Realized { pnl, proceeds, without_basis, basis_without_proceeds: Dollars::ZERO }
        });
        Sale { realized, taken, known: KnownPart { quantity: known, basis: released } }
    }

    /// A copy without parcels.
    #[must_use]
    pub fn without_parcels(&self) -> Self {
        let (quantity, unknown, basis) = (self.quantity.clone(), self.unknown.clone(), self.basis.clone());
        Self { quantity, unknown, basis, parcels: VecDeque::new() }
    }

    /// Removes and returns the oldest parcels that make up a quantity, the last one in part; empty parcels among them
    /// are removed too.
    fn take_oldest(&mut self, mut wanted: Quantity) -> Vec<Parcel> {
        let mut taken = vec![];
        while let Some(oldest) = self.parcels.front_mut() {
            if oldest.quantity <= wanted {
                wanted -= &oldest.quantity;
                taken.extend(self.parcels.pop_front());
                continue;
            }
            if wanted > Quantity::ZERO {
                let basis = oldest.basis.part(&wanted, &oldest.quantity);
                oldest.quantity -= &wanted;
                oldest.basis -= &basis;
                taken.push(Parcel { trade: Arc::clone(&oldest.trade), quantity: wanted, basis });
            }
            break;
        }
        taken
    }
}

impl KnownPart {
    /// Whether it is nothing that cost nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The known part of a purchase of `bought` that was paid with `sold`, of which this was the known part.
    #[must_use]
    pub fn handed_on(&self, sold: &Quantity, bought: &Quantity) -> Self {
        if *sold == Quantity::ZERO {
            return Self { quantity: Quantity::ZERO, basis: self.basis.clone() };
        }
        let quantity = div_ceil(&(bought * &self.quantity), sold);
        Self { quantity, basis: self.basis.clone() }
    }
}

impl Realized {
    /// Adds other figures.
    pub fn add(&mut self, other: &Self) {
        self.pnl += &other.pnl;
        self.proceeds += &other.proceeds;
        self.without_basis += &other.without_basis;
        self.basis_without_proceeds += &other.basis_without_proceeds;
    }

    /// Subtracts other figures.
    pub fn sub(&mut self, other: &Self) {
        self.pnl -= &other.pnl;
        self.proceeds -= &other.proceeds;
        self.without_basis -= &other.without_basis;
        self.basis_without_proceeds -= &other.basis_without_proceeds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [Method; 2] = [Method::Average, Method::Fifo];

    fn usd(text: &str) -> Dollars {
        text.parse().unwrap()
    }

    /// `b10@10` buys 10 for $10, `s4@?` sells 4 for an unknown worth; returns the holding and each sale's result.
    fn play(method: Method, steps: &str) -> (Holding, Vec<Sale>) {
        let mut holding = Holding::default();
        let mut sales = vec![];
        for (at, step) in steps.split_whitespace().enumerate() {
            let (raw, worth) = step[1..].split_once('@').unwrap();
            let (raw, worth) = (raw.parse::<Quantity>().unwrap(), (worth != "?").then(|| usd(worth)));
            if step.starts_with('b') {
                let known = worth.map(|basis| KnownPart { quantity: raw.clone(), basis }).unwrap_or_default();
                holding.buy(method, &format!("{at}").into(), &raw, &known);
            } else {
                sales.push(holding.sell(method, &raw, worth.as_ref()));
            }
        }
        (holding, sales)
    }

    fn check(method: Method, steps: &str, held: (&str, &str, &str), expected: &[(&str, &str)]) {
        let (holding, sales) = play(method, steps);
        let shown = (holding.quantity.to_string(), holding.unknown.to_string(), holding.basis.to_string());
        assert_eq!((shown.0.as_str(), shown.1.as_str(), shown.2.as_str()), held, "{method}: {steps}");
        let sales: Vec<_> =
            sales.iter().map(|s| (s.realized.pnl.to_string(), s.realized.without_basis.to_string())).collect();
        let sales: Vec<_> = sales.iter().map(|(pnl, rest)| (pnl.as_str(), rest.as_str())).collect();
        assert_eq!(sales, expected, "{method}: {steps}");
        let (quantity, basis) = holding
            .parcels
            .iter()
            .fold((Quantity::ZERO, Dollars::ZERO), |(quantity, basis), p| (quantity + &p.quantity, &basis + &p.basis));
        assert!(method == Method::Average || (quantity, basis) == (holding.quantity, holding.basis), "{steps}");
    }

    #[test]
    fn golden_vectors() {
        let steps = "b10@10 s4@8 b10@20 s16@32";
        for method in &METHODS {
            check(*method, steps, ("0", "0", "0"), &[("4", "0"), ("6", "0")]);
        }
        // Where the methods differ: 10 at $1, 10 at $3, half of it sold at $4.
        let steps = "b10@10 b10@30 s10@40 s10@40";
        check(Method::Average, steps, ("0", "0", "0"), &[("20", "0"), ("20", "0")]);
        check(Method::Fifo, steps, ("0", "0", "0"), &[("30", "0"), ("10", "0")]);
    }

    #[test]
    fn a_sale_names_the_parcels_it_took() {
        let (holding, sales) = play(Method::Fifo, "b10@10 b10@30 s4@16 s9@36");
        let parts = |parcels: &mut dyn Iterator<Item = &Parcel>| -> Vec<String> {
            parcels.map(|p| format!("{}:{}@{}", p.trade, p.quantity, p.basis)).collect()
        };
        assert_eq!(parts(&mut sales[0].taken.iter()), ["0:4@4"]);
        assert_eq!(parts(&mut sales[1].taken.iter()), ["0:6@6", "1:3@9"]);
        assert_eq!(parts(&mut holding.parcels.iter()), ["1:7@21"]);
        assert_eq!(sales[1].realized.pnl, usd("21"));
    }

    #[test]
    fn a_reverted_purchase_leaves_no_trace() {
        for method in &METHODS {
            check(*method, "b10@30 s4@12", ("6", "0", "18"), &[("0", "0")]);
        }
    }

    #[test]
    fn selling_more_than_known_realizes_the_known_part_only() {
        for method in METHODS {
            check(method, "b4@4 s10@30", ("0", "0", "0"), &[("8", "18")]);
            check(method, "s10@30", ("0", "0", "0"), &[("0", "30")]);
            check(method, "b4@4 b10@? s10@30", ("0", "4", "0"), &[("8", "18")]);
        }
    }

    #[test]
    fn unvalued_trades_move_quantities_and_realize_nothing() {
        for method in METHODS {
            check(method, "b10@?", ("0", "10", "0"), &[]);
            check(method, "b10@10 s4@?", ("6", "0", "6"), &[("0", "0")]);
            check(method, "b10@10 b10@? s15@?", ("0", "5", "0"), &[("0", "0")]);
        }
    }

    #[test]
    fn rounding_loses_nothing() {
        let cent = "0.000000000000000001";
        for method in METHODS {
            check(
                method,
                &format!("b3@{cent} s1@0 s1@0 s1@0"),
                ("0", "0", "0"),
                &[("0", "0"), ("0", "0"), ("-0.000000000000000001", "0")],
            );
            let thirds = [("1.666666666666666667", "0"), ("-1.666666666666666667", "0")];
            check(method, "b3@10 s1@5 s2@5", ("0", "0", "0"), &thirds);
        }
    }

    #[test]
    fn selling_nothing_does_not_divide_by_zero() {
        for method in METHODS {
            check(method, "s0@5", ("0", "0", "0"), &[("0", "5")]);
            check(method, "b10@10 s0@5", ("10", "0", "10"), &[("0", "5")]);
            check(method, "b0@7 b10@10 s10@20", ("0", "0", "0"), &[("3", "0")]);
        }
    }

    #[test]
    fn a_basis_is_handed_on_with_its_part_of_the_purchase() {
        let known = |quantity: u32, basis: &str| KnownPart { quantity: quantity.into(), basis: usd(basis) };
        let raw = |number: u32| Quantity::from(number);
        let table = [(10, 10, 7, 7), (5, 10, 7, 4), (1, 10, 1, 1), (0, 10, 7, 0), (10, 10, 0, 0), (0, 0, 7, 0)];
        for (part, sold, bought, expected) in table {
            let handed_on = known(part, "9").handed_on(&raw(sold), &raw(bought));
            assert_eq!(handed_on, known(expected, "9"), "{part} of {sold} for {bought}");
        }
    }

    #[test]
    fn methods_are_named() {
        for method in METHODS {
            assert_eq!(method.name().parse(), Ok(method));
        }
        assert_eq!("lifo".parse::<Method>(), Err(NotAMethod));
    }
}
