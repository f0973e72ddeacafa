//! Folds a batch of trade events: which wallets need a refresh, which trades are live now, how nets change.

use crate::ranking::{Cents, VolumeRanking, volume_of_trade};
use crate::tracking::Tracking;
use crate::wallet::{Wallet, clean_symbol};
use num_bigint::{BigInt, Sign};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tape::{Event, Raw, Status, Trade};

/// What is stored about the wallets and trades of a batch before the batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBefore {
    /// Those of the wallets that are tracked.
    pub tracked: HashSet<Wallet>,
    /// Those of the trades, by id, that are live.
    pub live: HashSet<String>,
    /// The ranking by volume; empty unless `top:N` is the tracking policy.
    pub ranking: VolumeRanking,
}

/// A tracked wallet whose balances may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedWallet {
    /// The wallet.
    pub wallet: Wallet,
    /// Block time of its newest trade in the batch, milliseconds since the Unix epoch.
    pub last_trade_at: u64,
    /// The greatest height of its trades in the batch.
    pub last_trade_height: u64,
}

/// How the net of one asset in one wallet changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetChange {
    /// The wallet.
    pub wallet: Wallet,
    /// The asset.
    pub asset: String,
    /// Decoration: the ticker.
    pub symbol: Option<String>,
    /// Decoration: how many digits are fractional.
    pub decimals: Option<u8>,
    /// The difference, in the asset's smallest unit.
    pub delta: BigInt,
}

/// What a batch changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletFacts {
    /// Wallets to refresh, each once, in order. Those that were not tracked before become tracked.
    pub touched: Vec<TouchedWallet>,
    /// Trades of tracked wallets that became live.
    pub arrived: Vec<String>,
    /// Trades of tracked wallets that ceased to be live.
    pub gone: Vec<String>,
    /// Nets that change, each once, in order.
    pub nets: Vec<NetChange>,
    /// The new volumes of wallets, each once, in order; empty unless `top:N` is the tracking policy.
    pub volumes: Vec<(Wallet, Cents)>,
}

/// Folds events in order. An event sets the state of its trade, so one that changes nothing is ignored. The trades of a
/// wallet count from the one that makes it tracked; earlier ones show as drift.
pub fn fold<'a>(tracking: &Tracking, known: &KnownBefore, events: impl Iterator<Item = &'a Event>) -> WalletFacts {
    let mut folding = Folding::default();
    for event in events {
        let wallet = Wallet::from_trade(&event.trade);
        let is_live = event.status != Status::Reverted;
        let is_tracked = known.tracked.contains(&wallet) || folding.admitted.contains(&wallet);
        // With `top:N`, nets of all wallets are kept, so reverts of wallets that are not tracked count too.
        let counts = is_tracked || matches!(tracking, Tracking::Top(_)) || (is_live && tracking.admits(&event.trade));
        if !counts {
            continue;
        }
        let id = event.trade.id();
        let was_live = known.live.contains(&id);
        if folding.live_after.get(&id).copied().unwrap_or(was_live) != is_live {
            folding.admitted.insert(wallet.clone());
            folding.apply(wallet, &event.trade, is_live);
            folding.live_after.insert(id, is_live);
        }
    }
    let traded = std::mem::take(&mut folding.traded);
    let mut facts = folding.into_facts(known);
    if let Tracking::Top(limit) = tracking {
        facts.volumes = known.ranking.volumes_after(&traded);
        let leaders = known.ranking.leaders_after(&facts.volumes, *limit as usize);
        facts.touched.retain(|touched| leaders.contains(&touched.wallet));
    }
    facts
}

#[derive(Default)]
struct Folding {
    admitted: HashSet<Wallet>,
    /// Block time and height of the newest trade.
    touched: BTreeMap<Wallet, (u64, u64)>,
    /// By trade id, whether the trade is live after the events folded so far.
    live_after: BTreeMap<String, bool>,
    traded: BTreeMap<Wallet, Cents>,
    nets: BTreeMap<(Wallet, String), NetChange>,
}

impl Folding {
    fn apply(&mut self, wallet: Wallet, trade: &Trade, is_live: bool) {
        for (side, is_bought) in [(&trade.bought, true), (&trade.sold, false)] {
            let symbol = side.symbol.as_deref().and_then(clean_symbol);
            let delta = signed_amount(side.raw, is_bought == is_live);
            self.add_to_net(&wallet, &side.asset, symbol, side.decimals, delta);
        }
        // Fees paid on top of the trade, such as the network fee, are paid by the sender of the transaction.
        if trade.transaction.from == trade.trader.address {
            for fee in trade.fees.iter().filter(|fee| !fee.included) {
                self.add_to_net(&wallet, &fee.asset, None, None, signed_amount(fee.raw, !is_live));
            }
        }
        let traded = self.traded.entry(wallet.clone()).or_default();
        *traded = traded.saturating_add(if is_live { volume_of_trade(trade) } else { -volume_of_trade(trade) });
        let newest = self.touched.entry(wallet).or_default();
        *newest = (newest.0.max(trade.block.timestamp_ms), newest.1.max(trade.block.id.height));
    }

    fn add_to_net(
        &mut self,
        wallet: &Wallet,
        asset: &str,
        symbol: Option<String>,
        decimals: Option<u8>,
        delta: BigInt,
    ) {
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

    fn into_facts(self, known: &KnownBefore) -> WalletFacts {
        let mut arrived = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for (id, is_live) in self.live_after {
            match (known.live.contains(&id), is_live) {
                (false, true) => _ = arrived.insert(id),
                (true, false) => _ = gone.insert(id),
                _ => {}
            }
        }
        WalletFacts {
            touched: self
                .touched
                .into_iter()
                .map(|(wallet, (last_trade_at, last_trade_height))| TouchedWallet {
                    wallet,
                    last_trade_at,
                    last_trade_height,
                })
                .collect(),
            arrived: arrived.into_iter().collect(),
            gone: gone.into_iter().collect(),
            nets: self.nets.into_values().filter(|net| net.delta != BigInt::ZERO).collect(),
            volumes: vec![],
        }
    }
}

fn signed_amount(raw: Raw, is_positive: bool) -> BigInt {
    BigInt::from_bytes_le(if is_positive { Sign::Plus } else { Sign::Minus }, &raw.to_le_bytes::<32>())
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

    fn nets(facts: &WalletFacts) -> Vec<(&str, i64)> {
        facts.nets.iter().map(|net| (net.asset.as_str(), i64::try_from(&net.delta).unwrap())).collect()
    }

    #[test]
    fn a_new_trade_changes_nets_once() {
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
        let facts = fold(&Tracking::All, &KnownBefore::default(), events.iter());
        assert_eq!(nets(&facts), [("coin", 4), ("gas", -1), ("usd", -10)]);
        assert_eq!(facts.arrived, [one.id()]);
        assert_eq!(
            facts.touched,
            [TouchedWallet { wallet: Wallet::new("mock", "0xa"), last_trade_at: 1000, last_trade_height: 1 }]
        );
    }

    #[test]
    fn a_trade_applied_and_reverted_in_one_batch_only_requests_a_refresh() {
        let one = trade("mock", "0xa", 1);
        let events = [event(&one, Status::Observed), event(&one, Status::Reverted), event(&one, Status::Reverted)];
        let facts = fold(&Tracking::All, &KnownBefore::default(), events.iter());
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
            let mut known = KnownBefore::default();
            let mut sums = BTreeMap::<String, BigInt>::new();
            for part in [&history[..split], &history[split..]] {
                let facts = fold(&Tracking::All, &known, part.iter());
                known.tracked.extend(facts.touched.iter().map(|touched| touched.wallet.clone()));
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
    fn with_top_n_only_leaders_are_refreshed_and_nets_of_all_are_kept() {
        let valued = |trader: &str, height: u64, dollars: &str| {
            let mut one = trade("mock", trader, height);
            let notional = tape::Usd::parse(dollars).unwrap();
            one.valuation = Some(tape::Valuation { notional, fee: None, source: "test".to_owned() });
            one
        };
        let (small, large, huge) = (valued("0xa", 1, "5"), valued("0xb", 2, "7"), valued("0xc", 3, "9"));
        let events = [&small, &large, &huge].map(|trade| event(trade, Status::Observed));
        let facts = fold(&Tracking::Top(2), &KnownBefore::default(), events.iter());
        let names =
            |facts: &WalletFacts| facts.touched.iter().map(|one| one.wallet.address.to_string()).collect::<Vec<_>>();
        assert_eq!((names(&facts), facts.arrived.len()), (vec!["0xb".to_owned(), "0xc".to_owned()], 3));
        assert_eq!(facts.nets.len(), 6);
        let volumes = facts.volumes.clone();
        assert_eq!(volumes.iter().map(|(_, cents)| *cents).collect::<Vec<_>>(), [500, 700, 900]);
        // The trade of a leader is reverted; the next wallet becomes a leader once it trades again.
        let known = KnownBefore {
            live: facts.arrived.into_iter().collect(),
            ranking: VolumeRanking { volumes: volumes.iter().cloned().collect(), leaders: volumes[1..].to_vec() },
            ..KnownBefore::default()
        };
        let events = [event(&huge, Status::Reverted), event(&valued("0xa", 4, "1"), Status::Observed)];
        let facts = fold(&Tracking::Top(2), &known, events.iter());
        assert_eq!(names(&facts), ["0xa"]);
        assert_eq!(facts.volumes.iter().map(|(_, cents)| *cents).collect::<Vec<_>>(), [600, 0]);
    }

    #[test]
    fn trades_count_from_the_one_that_makes_the_wallet_tracked() {
        let plain = trade("mock", "0xa", 1);
        let mut through_platform = trade("mock", "0xa", 2);
        through_platform.platform = Some("pad".to_owned());
        let later = trade("mock", "0xa", 3);
        let events = [&plain, &through_platform, &later].map(|trade| event(trade, Status::Observed));
        let facts = fold(&Tracking::Platform, &KnownBefore::default(), events.iter());
        assert_eq!(facts.arrived, [through_platform.id(), later.id()]);
        assert_eq!(nets(&facts), [("coin", 8), ("usd", -20)]);
        let reverted = event(&plain, Status::Reverted);
        let live = facts.arrived.into_iter().collect();
        let known =
            KnownBefore { tracked: HashSet::from([Wallet::from_trade(&plain)]), live, ..KnownBefore::default() };
        assert_eq!(fold(&Tracking::Platform, &known, [reverted].iter()), WalletFacts::default());
    }
}
