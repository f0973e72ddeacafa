//! The ranking of wallets by volume: with `top:N`, wallets are refreshed while they are among the first N.

use crate::wallet::Wallet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use tape::{Trade, Usd};

/// Volume in whole cents: a ranking needs no more precision. Sums saturate.
pub type Cents = i64;

/// Units of [`Usd`] in a cent.
const USD_UNITS_PER_CENT: i128 = Usd::ONE.0 / 100;

/// The volumes that are stored before a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeRanking {
    /// Volumes of the wallets that were asked for; wallets that never traded are left out.
    pub volumes: HashMap<Wallet, Cents>,
    /// The first of all wallets, as many as were asked for.
    pub leaders: Vec<(Wallet, Cents)>,
}

impl VolumeRanking {
    /// The volumes of these wallets once the batch is added to them.
    pub fn volumes_after(&self, traded_in_batch: &BTreeMap<Wallet, Cents>) -> Vec<(Wallet, Cents)> {
        let added = |(wallet, traded): (&Wallet, &Cents)| {
            let before = self.volumes.get(wallet).copied().unwrap_or(0);
            (wallet.clone(), before.saturating_add(*traded))
        };
        traded_in_batch.iter().map(added).collect()
    }

    /// The first `limit` wallets, given the volumes after the batch. A wallet without volume is never among them.
    pub fn leaders_after(&self, volumes: &[(Wallet, Cents)], limit: usize) -> HashSet<Wallet> {
        let mut all: BTreeMap<&Wallet, Cents> = self.leaders.iter().map(|(wallet, cents)| (wallet, *cents)).collect();
        all.extend(volumes.iter().map(|(wallet, cents)| (wallet, *cents)));
        let mut ranked: Vec<(&Wallet, Cents)> = all.into_iter().filter(|(_, cents)| *cents > 0).collect();
        ranked.sort_by_key(|(wallet, cents)| (Reverse(*cents), *wallet));
        ranked.into_iter().take(limit).map(|(wallet, _)| wallet.clone()).collect()
    }
}

/// What a trade adds to its trader's volume. A cycle, or a trade without a valuation, adds nothing.
pub fn volume_of_trade(trade: &Trade) -> Cents {
    let notional = trade.valuation.as_ref().filter(|_| !trade.is_cycle()).map_or(0, |valuation| valuation.notional.0);
    Cents::try_from(notional / USD_UNITS_PER_CENT).unwrap_or(Cents::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::trade;
    use tape::Valuation;

    fn wallet(address: &str) -> Wallet {
        Wallet::new("mock", address)
    }

    fn ranking(leaders: &[(&str, Cents)]) -> VolumeRanking {
        let leaders: Vec<_> = leaders.iter().map(|(address, cents)| (wallet(address), *cents)).collect();
        VolumeRanking { volumes: leaders.iter().cloned().collect(), leaders }
    }

    #[test]
    fn leaders_are_those_with_the_largest_volume_after_the_batch() {
        let before = ranking(&[("0xa", 90), ("0xb", 50)]);
        let traded =
            [("0xb", -30), ("0xc", 60), ("0xd", 0), ("0xe", 90)].map(|(address, cents)| (wallet(address), cents));
        let volumes = before.volumes_after(&traded.into());
        assert_eq!(volumes[0], (wallet("0xb"), 20));
        let leaders = |limit| {
            let mut names: Vec<_> =
                before.leaders_after(&volumes, limit).into_iter().map(|one| one.address.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(leaders(1), ["0xa"], "equal volumes are ordered by wallet");
        assert_eq!(leaders(3), ["0xa", "0xc", "0xe"]);
        assert_eq!(leaders(9), ["0xa", "0xb", "0xc", "0xe"], "a wallet without volume is not a leader");
    }

    #[test]
    fn volume_is_in_whole_cents_and_saturates() {
        let mut one = trade("mock", "0xa", 1);
        assert_eq!(volume_of_trade(&one), 0, "not valued");
        let mut valued = |text: &str| {
            let notional = Usd::parse(text).unwrap();
            one.valuation = Some(Valuation { notional, fee: None, source: "test".to_owned() });
            volume_of_trade(&one)
        };
        assert_eq!((valued("12.349"), valued("0.009")), (1_234, 0));
        assert_eq!(valued("1000000000000000"), 100_000_000_000_000_000);
        assert_eq!(ranking(&[("0xa", Cents::MAX)]).volumes_after(&[(wallet("0xa"), 5)].into())[0].1, Cents::MAX);
        one.kind = Trade::CYCLE.to_owned();
        assert_eq!(volume_of_trade(&one), 0, "a cycle");
    }
}
