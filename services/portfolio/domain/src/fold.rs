//! What a batch of trade events does: which wallets want a refresh, which trades live now, how nets move.

use crate::standing::{Cents, Standings, worth};
use crate::tracking::Tracking;
use crate::wallet::{Wallet, clean_symbol};
use num_bigint::{BigInt, Sign};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tape::{Event, Raw, Status, Trade};

/// What is known of the wallets and trades of a batch before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The wallets that are tracked.
    pub tracked: HashSet<Wallet>,
    /// The trades, by id, that are present.
    pub live: HashSet<String>,
    /// Who is ahead; empty unless wallets are tracked by it.
    pub standings: Standings,
}

/// A tracked wallet whose balances may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Which.
    pub wallet: Wallet,
    /// Block time of its newest trade in the batch, milliseconds since the Unix epoch.
    pub last_trade_at: u64,
}

/// How the net of one asset in one wallet moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetChange {
    /// Whose.
    pub wallet: Wallet,
    /// Of what.
    pub asset: String,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// By how much, in the asset's smallest unit.
    pub delta: BigInt,
}

/// What a batch does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Wallets to refresh, each once, in order; those not tracked before become so.
    pub touched: Vec<Touch>,
    /// Trades of tracked wallets that were absent and are present.
    pub arrived: Vec<String>,
    /// Trades of tracked wallets that were present and are absent.
    pub gone: Vec<String>,
    /// Nets that move, each once, in order.
    pub nets: Vec<NetChange>,
    /// What wallets have traded now in all, each once, in order; empty unless wallets are tracked by it.
    pub volumes: Vec<(Wallet, Cents)>,
}

/// Folds events in order. Application is by state: an event that changes nothing is ignored. A wallet counts from the
/// trade that makes it tracked; what it traded before shows as drift.
pub fn fold<'a>(tracking: &Tracking, known: &Known, events: impl Iterator<Item = &'a Event>) -> Facts {
    let mut folding = Folding::default();
    for event in events {
        let wallet = Wallet::of(&event.trade);
        let present = event.status != Status::Reverted;
        let tracked = known.tracked.contains(&wallet) || folding.admitted.contains(&wallet);
        // Nets are kept of everybody where anybody may lead, tracked or not: then what goes counts too.
        let counts = tracked || matches!(tracking, Tracking::Top(_)) || (present && tracking.admits(&event.trade));
        if !counts {
            continue;
        }
        let id = event.trade.id();
        let before = known.live.contains(&id);
        if folding.now.get(&id).copied().unwrap_or(before) != present {
            folding.admitted.insert(wallet.clone());
            folding.apply(wallet, &event.trade, present);
            folding.now.insert(id, present);
        }
    }
    let traded = std::mem::take(&mut folding.traded);
    let mut facts = folding.into_facts(known);
    if let Tracking::Top(most) = tracking {
        facts.volumes = known.standings.after(&traded);
        let leading = known.standings.leading(&facts.volumes, *most as usize);
        facts.touched.retain(|touch| leading.contains(&touch.wallet));
    }
    facts
}

#[derive(Default)]
struct Folding {
    admitted: HashSet<Wallet>,
    touched: BTreeMap<Wallet, u64>,
    now: BTreeMap<String, bool>,
    traded: BTreeMap<Wallet, Cents>,
    nets: BTreeMap<(Wallet, String), NetChange>,
}

impl Folding {
    fn apply(&mut self, wallet: Wallet, trade: &Trade, present: bool) {
        let got = [(&trade.bought, true), (&trade.sold, false)];
        for (side, inward) in got {
            let symbol = side.symbol.as_deref().and_then(clean_symbol);
            let delta = signed(side.raw, inward == present);
            self.moves(&wallet, &side.asset, symbol, side.decimals, delta);
        }
        // What was paid beside the trade, the network's share first of all, was paid by who sent the transaction.
        if trade.transaction.from == trade.trader.address {
            for fee in trade.fees.iter().filter(|fee| !fee.included) {
                self.moves(&wallet, &fee.asset, None, None, signed(fee.raw, !present));
            }
        }
        let traded = self.traded.entry(wallet.clone()).or_default();
        *traded = traded.saturating_add(if present { worth(trade) } else { -worth(trade) });
        let newest = self.touched.entry(wallet).or_default();
        *newest = (*newest).max(trade.block.timestamp_ms);
    }

    fn moves(&mut self, wallet: &Wallet, asset: &str, symbol: Option<String>, decimals: Option<u8>, delta: BigInt) {
        let net = self.nets.entry((wallet.clone(), asset.to_owned())).or_insert_with(|| NetChange {
            wallet: wallet.clone(),
            asset: asset.to_owned(),
            symbol: None,
            decimals: None,
            delta: BigInt::ZERO,
        });
        net.delta += delta;
        net.symbol = symbol.or_else(|| net.symbol.take());
        net.decimals = decimals.or(net.decimals);
    }

    fn into_facts(self, known: &Known) -> Facts {
        let mut arrived = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for (id, present) in self.now {
            match (known.live.contains(&id), present) {
                (false, true) => _ = arrived.insert(id),
                (true, false) => _ = gone.insert(id),
                _ => {}
            }
        }
        Facts {
            touched: self.touched.into_iter().map(|(wallet, last_trade_at)| Touch { wallet, last_trade_at }).collect(),
            arrived: arrived.into_iter().collect(),
            gone: gone.into_iter().collect(),
            nets: self.nets.into_values().filter(|net| net.delta != BigInt::ZERO).collect(),
            volumes: vec![],
        }
    }
}

fn signed(raw: Raw, plus: bool) -> BigInt {
    BigInt::from_bytes_le(if plus { Sign::Plus } else { Sign::Minus }, &raw.to_le_bytes::<32>())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;
    use tape::{BlockId, BlockRef, Detector, Fee, Side, Trader, Transaction};

    /// A trade of 10 `usd` for 4 `coin`, at a height that is also its time in seconds.
    pub(crate) fn trade(chain: &str, trader: &str, height: u64) -> Trade {
        let side = |asset: &str, raw: u64| Side {
            asset: asset.to_owned(),
            raw: Raw::from(raw),
            decimals: Some(6),
            symbol: Some(asset.to_uppercase()),
            quote: false,
        };
        Trade {
            kind: Trade::SWAP.to_owned(),
            chain: chain.into(),
            network: "net".into(),
            block: BlockRef {
                id: BlockId { height, hash: format!("0xb{height}").into() },
                timestamp_ms: height * 1000,
            },
            transaction: Transaction {
                hash: format!("0x{height}").into(),
                index: 0,
                from: trader.to_owned(),
                to: None,
            },
            ordinal: 0,
            trader: Trader { address: trader.to_owned(), evidence: "tx-sender".to_owned() },
            sold: side("usd", 10),
            bought: side("coin", 4),
            legs: vec![],
            fees: vec![],
            platform: None,
            attributes: std::collections::BTreeMap::new(),
            valuation: None,
            detector: Arc::new(Detector { plugin: "p".to_owned(), version: "1".to_owned(), digest: "d".to_owned() }),
        }
    }

    fn event(trade: &Trade, status: Status) -> Event {
        Event { id: "e".to_owned(), status, trade: Box::new(trade.clone()) }
    }

    fn nets(facts: &Facts) -> Vec<(&str, i64)> {
        facts.nets.iter().map(|net| (net.asset.as_str(), i64::try_from(&net.delta).unwrap())).collect()
    }

    #[test]
    fn a_trade_that_comes_moves_nets_once() {
        let mut one = trade("mock", "0xa", 1);
        let fee = |included, asset: &str| Fee {
            kind: "network".to_owned(),
            asset: asset.to_owned(),
            raw: Raw::from(1),
            recipient: None,
            included,
        };
        one.fees = vec![fee(false, "gas"), fee(true, "coin")];
        let events = [event(&one, Status::Observed), event(&one, Status::Finalized)];
        let facts = fold(&Tracking::All, &Known::default(), events.iter());
        assert_eq!(nets(&facts), [("coin", 4), ("gas", -1), ("usd", -10)]);
        assert_eq!(facts.arrived, [one.id()]);
        assert_eq!(facts.touched, [Touch { wallet: Wallet::new("mock", "0xa"), last_trade_at: 1000 }]);
    }

    #[test]
    fn what_comes_and_goes_in_one_batch_leaves_nothing_but_the_wish_to_look() {
        let one = trade("mock", "0xa", 1);
        let events = [event(&one, Status::Observed), event(&one, Status::Reverted), event(&one, Status::Reverted)];
        let facts = fold(&Tracking::All, &Known::default(), events.iter());
        assert_eq!((nets(&facts), facts.arrived.len(), facts.gone.len()), (vec![], 0, 0));
        assert_eq!(facts.touched.len(), 1);
    }

    #[test]
    fn any_split_into_batches_gives_the_same_nets() {
        let (one, two) = (trade("mock", "0xa", 1), trade("mock", "0xa", 2));
        let history = [
            event(&one, Status::Observed),
            event(&two, Status::Observed),
            event(&one, Status::Reverted),
            event(&one, Status::Observed),
            event(&two, Status::Reverted),
            event(&two, Status::Reverted),
            event(&one, Status::Finalized),
        ];
        for split in 0..=history.len() {
            let mut known = Known::default();
            let mut sums = BTreeMap::<String, BigInt>::new();
            for part in [&history[..split], &history[split..]] {
                let facts = fold(&Tracking::All, &known, part.iter());
                known.tracked.extend(facts.touched.iter().map(|touch| touch.wallet.clone()));
                known.live.extend(facts.arrived);
                known.live.retain(|id| !facts.gone.contains(id));
                for net in facts.nets {
                    *sums.entry(net.asset).or_default() += net.delta;
                }
            }
            assert_eq!(
                sums,
                BTreeMap::from([("coin".to_owned(), 4.into()), ("usd".to_owned(), (-10).into())]),
                "{split}"
            );
            assert_eq!(known.live, HashSet::from([one.id()]), "{split}");
        }
    }

    #[test]
    fn of_the_first_by_volume_balances_are_wanted_and_nets_are_kept_of_all() {
        let worth = |trader: &str, height: u64, dollars: &str| {
            let mut one = trade("mock", trader, height);
            let notional = tape::Usd::parse(dollars).unwrap();
            one.valuation = Some(tape::Valuation { notional, fee: None, source: "test".to_owned() });
            one
        };
        let (small, large, huge) = (worth("0xa", 1, "5"), worth("0xb", 2, "7"), worth("0xc", 3, "9"));
        let events = [&small, &large, &huge].map(|trade| event(trade, Status::Observed));
        let facts = fold(&Tracking::Top(2), &Known::default(), events.iter());
        let names = |facts: &Facts| facts.touched.iter().map(|one| one.wallet.address.to_string()).collect::<Vec<_>>();
        assert_eq!((names(&facts), facts.arrived.len()), (vec!["0xb".to_owned(), "0xc".to_owned()], 3));
        assert_eq!(facts.nets.len(), 6);
        let volumes = facts.volumes.clone();
        assert_eq!(volumes.iter().map(|(_, cents)| *cents).collect::<Vec<_>>(), [500, 700, 900]);
        // One that led is taken back; the wallet behind it leads once it trades again.
        let known = Known {
            live: facts.arrived.into_iter().collect(),
            standings: Standings { volumes: volumes.iter().cloned().collect(), leaders: volumes[1..].to_vec() },
            ..Known::default()
        };
        let events = [event(&huge, Status::Reverted), event(&worth("0xa", 4, "1"), Status::Observed)];
        let facts = fold(&Tracking::Top(2), &known, events.iter());
        assert_eq!(names(&facts), ["0xa"]);
        assert_eq!(facts.volumes.iter().map(|(_, cents)| *cents).collect::<Vec<_>>(), [600, 0]);
    }

    #[test]
    fn a_wallet_counts_from_the_trade_that_admits_it() {
        let plain = trade("mock", "0xa", 1);
        let mut of_platform = trade("mock", "0xa", 2);
        of_platform.platform = Some("pad".to_owned());
        let later = trade("mock", "0xa", 3);
        let events = [&plain, &of_platform, &later].map(|trade| event(trade, Status::Observed));
        let facts = fold(&Tracking::Platform, &Known::default(), events.iter());
        assert_eq!(facts.arrived, [of_platform.id(), later.id()]);
        assert_eq!(nets(&facts), [("coin", 8), ("usd", -20)]);
        let reverted = event(&plain, Status::Reverted);
        let live = facts.arrived.into_iter().collect();
        let known = Known { tracked: HashSet::from([Wallet::of(&plain)]), live, ..Known::default() };
        assert_eq!(fold(&Tracking::Platform, &known, [reverted].iter()), Facts::default());
    }
}
