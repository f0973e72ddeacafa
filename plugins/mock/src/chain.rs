//! The mock chain: which branch shows at which time, and which trades each block has.
//!
//! [`MockChain::swaps`] is the one source of trades, for the plugin and for the mock node alike.

use crate::node::{MockBlock, Swap};
use crate::platforms;
use crate::random::Random;
use crate::settings::Settings;
use chain_plugin_sdk::amount::{uint256, usd};
use chain_plugin_sdk::{AssetAmount, Block, BlockId, Fee, Leg, Side, Trade, Trader, Transaction, Valuation};
use ruint::aliases::U256;

/// Symbol, name and base price in cents of each asset that is traded against the dollar.
const ASSETS: [(&str, &str, u64); 4] =
    [("MOON", "moon", 125), ("TIDE", "tide", 4_200), ("FERN", "fern", 88), ("ONYX", "onyx", 310_000)];
/// The dollar token of this chain.
const DOLLAR_ASSET: &str = "mock:usd";
/// One cent in units of 10^-18 dollars.
const CENT_UNITS: u128 = 10_000_000_000_000_000;
/// A millionth of a dollar likewise.
const MILLIONTH_UNITS: u128 = CENT_UNITS / 10_000;

/// The chain as it shows at one time.
pub struct MockChain {
    pub(crate) settings: Settings,
    latest: u64,
}

impl MockChain {
    /// The chain as it shows at a time.
    pub(crate) fn at(settings: Settings, now_ms: u64) -> Self {
        let latest = now_ms.saturating_sub(settings.epoch_ms) / settings.block_ms;
        Self { settings, latest }
    }

    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    pub(crate) fn network(&self) -> String {
        format!("mock/{}", self.settings.seed)
    }

    pub(crate) fn id(&self, height: u64) -> BlockId {
        let branch = u64::from(self.is_on_losing_branch(height));
        let swaps = Self::swaps(&self.settings, height, branch);
        BlockId { height, hash: MockBlock::hash_of(self.settings.seed, height, branch, &swaps) }
    }

    /// Whether the block that shows at a height now is abandoned with the next block.
    fn is_on_losing_branch(&self, height: u64) -> bool {
        let every = self.settings.reorg_every;
        every != 0
            && self.latest != 0
            && self.latest.is_multiple_of(every)
            && height + self.settings.reorg_depth > self.latest
    }

    pub(crate) fn block(&self, height: u64) -> Block {
        let branch = u64::from(self.is_on_losing_branch(height));
        let swaps = Self::swaps(&self.settings, height, branch);
        Block {
            parent: height.checked_sub(1).map(|parent| self.id(parent)),
            height,
            hash: MockBlock::hash_of(self.settings.seed, height, branch, &swaps),
            timestamp_ms: self.settings.timestamp_ms(height),
            trades: (0..).zip(&swaps).map(|(index, swap)| contract_trade(&self.settings, index, swap)).collect(),
            attributes: vec![("proof".to_owned(), "synthetic".to_owned())],
        }
    }

    /// The trades of the block at a height on a branch.
    pub fn swaps(settings: &Settings, height: u64, branch: u64) -> Vec<Swap> {
        (0..settings.trades_per_block).map(|index| swap(settings, height, branch, index)).collect()
    }
}

/// A trade of the mock chain in the form of the contract.
pub(crate) fn contract_trade(settings: &Settings, index: u32, swap: &Swap) -> Trade {
    let (symbol, name, _) = ASSETS[swap.asset % ASSETS.len()];
    let (dollars, token) = (dollar_side(swap.cents), token_side(symbol, name, swap.units));
    let (sold, bought) = if swap.buys { (dollars, token) } else { (token, dollars) };
    let used = platforms::used(&settings.platforms, &swap.hash);
    // In millionths of a dollar, the smallest unit of the dollar token: hundredths of a percent of cents.
    let fee = used.map_or(0, |used| swap.cents * used.fee_bps);
    let mut leg = Leg {
        venue: "mock-pool".to_owned(),
        pool: format!("mock:pool:{name}"),
        sold: amount(&sold),
        bought: amount(&bought),
        ordinal: 0,
        attributes: vec![],
    };
    // The platform takes its fee before the pool is paid, or from what the pool pays.
    if swap.buys {
        leg.sold.raw = uint256(dollar_units(swap.cents) - U256::from(fee));
    } else {
        leg.bought.raw = uint256(dollar_units(swap.cents) + U256::from(fee));
    }
    let account = swap.trader.clone();
    let router = used.and_then(|used| used.router).unwrap_or("mock:router");
    Trade {
        kind: "swap".to_owned(),
        transaction: Transaction {
            hash: swap.hash.clone(),
            index,
            sender: account.clone(),
            receiver: Some(router.to_owned()),
        },
        ordinal: 0,
        trader: Trader { address: account, evidence: "tx-sender".to_owned() },
        legs: vec![leg],
        sold,
        bought,
        fees: used.filter(|_| fee > 0).map(|used| platform_fee(used.fee_recipient, fee)).into_iter().collect(),
        platform: used.map(|used| used.name.to_owned()),
        valuation: Some(Valuation {
            notional: usd(u128::from(swap.cents) * CENT_UNITS),
            fee: (fee > 0).then(|| usd(u128::from(fee) * MILLIONTH_UNITS)),
            source: "stable-leg".to_owned(),
        }),
        attributes: used
            .and_then(|used| used.code)
            .map(|code| ("code".to_owned(), code.to_owned()))
            .into_iter()
            .collect(),
    }
}

fn platform_fee(recipient: &str, millionths: u64) -> Fee {
    Fee {
        kind: "platform".to_owned(),
        asset: DOLLAR_ASSET.to_owned(),
        raw: uint256(U256::from(millionths)),
        recipient: Some(recipient.to_owned()),
        included: true,
    }
}

fn swap(settings: &Settings, height: u64, branch: u64, index: u32) -> Swap {
    let mut random = Random::from_words(&[settings.seed, height, branch, 1, u64::from(index)]);
    let trader = Random::from_words(&[settings.seed, 2, random.below(settings.users)]).hex(20);
    let asset = usize::try_from(random.below(ASSETS.len() as u64)).unwrap_or(0);
    let cents = 100 + random.below(500_000);
    let price = price_at(ASSETS[asset].2, height, &mut random);
    let units = u128::from(cents) * 1_000_000_000_000_000_000 / u128::from(price);
    let buys = random.below(5) < 3;
    Swap { hash: random.hex(32), trader, asset, buys, cents, units }
}

/// A price in cents: a slow wave around the base price, with a little noise.
fn price_at(base: u64, height: u64, random: &mut Random) -> u64 {
    let phase = height % 600;
    let wave = if phase < 300 { phase } else { 600 - phase };
    let swing = base * wave / 600;
    (base * 3 / 4 + swing + random.below(base / 50 + 1)).max(1)
}

/// Cents in the smallest unit of the dollar token.
fn dollar_units(cents: u64) -> U256 {
    U256::from(cents) * U256::from(10_000)
}

fn dollar_side(cents: u64) -> Side {
    Side {
        asset: DOLLAR_ASSET.to_owned(),
        raw: uint256(dollar_units(cents)),
        decimals: Some(6),
        symbol: Some("mUSD".to_owned()),
        quote: true,
    }
}

fn token_side(symbol: &str, name: &str, units: u128) -> Side {
    Side {
        asset: format!("mock:{name}"),
        raw: uint256(U256::from(units)),
        decimals: Some(18),
        symbol: Some(symbol.to_owned()),
        quote: false,
    }
}

fn amount(side: &Side) -> AssetAmount {
    AssetAmount { asset: side.asset.clone(), raw: side.raw }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_plugin_sdk::amount::from_usd;

    fn chain(now_ms: u64) -> MockChain {
        let json = r#"{"epoch-ms": 0, "block-ms": 10, "reorg-every": 7, "reorg-depth": 3, "trades-per-block": 2}"#;
        MockChain::at(Settings::read(json).unwrap(), now_ms)
    }

    #[test]
    fn blocks_chain_up_at_every_moment() {
        for now in (0..500).step_by(10) {
            let chain = chain(now);
            for height in 1..=chain.latest() {
                assert_eq!(chain.block(height).parent, Some(chain.id(height - 1)), "block {height} at {now}");
            }
        }
    }

    #[test]
    fn a_branch_shows_and_is_abandoned() {
        let (before, during, after) = (chain(60), chain(70), chain(80));
        assert_eq!(before.id(4), during.id(4), "below the branch nothing changes");
        assert_ne!(before.id(5), during.id(5));
        assert_eq!(before.id(5), after.id(5), "the first branch shows again");
        assert_ne!(during.block(7).trades, after.block(7).trades, "with trades of its own");
    }

    #[test]
    fn platforms_charge_some_of_the_trades_and_change_no_other() {
        let shop =
            r#", "platforms": {"shop": {"routers": ["mock:shop"], "codes": ["tape"], "fee-bps": 25, "one-in": 2}}}"#;
        let json = r#"{"epoch-ms": 0, "block-ms": 10, "trades-per-block": 8"#;
        let of = |rest: &str| MockChain::at(Settings::read(&format!("{json}{rest}")).unwrap(), 1_000);
        let (plain, with_shop) = (of("}"), of(shop));
        let (mut routed, mut coded, mut others) = (0, 0, 0);
        for height in 1..=100 {
            let (before, after) = (plain.block(height), with_shop.block(height));
            assert_eq!((before.hash, before.trades.len()), (after.hash, after.trades.len()));
            for (before, after) in before.trades.into_iter().zip(after.trades) {
                let Some(platform) = &after.platform else {
                    assert_eq!(before, after);
                    others += 1;
                    continue;
                };
                assert_eq!((platform.as_str(), &before.sold, &before.bought), ("shop", &after.sold, &after.bought));
                let [fee] = &after.fees[..] else { panic!("not one fee: {after:?}") };
                let in_dollars = after.valuation.as_ref().unwrap();
                let [notional, charged] = [in_dollars.notional, in_dollars.fee.unwrap()].map(from_usd);
                assert_eq!((charged * 10_000, &*fee.asset, fee.included), (notional * 25, DOLLAR_ASSET, true));
                if after.transaction.receiver.as_deref() == Some("mock:shop") {
                    routed += 1;
                } else {
                    assert_eq!(after.attributes, [("code".to_owned(), "tape".to_owned())]);
                    coded += 1;
                }
            }
        }
        assert!([routed, coded].iter().all(|count| (150..250).contains(count)), "{routed} {coded}");
        assert_eq!(routed + coded + others, 800);
    }

    #[test]
    fn bad_settings_name_the_rule() {
        for bad in [r#"{"speed": 1}"#, r#"{"users": 0}"#, r#"{"reorg-every": 2, "reorg-depth": 2}"#, "7"] {
            assert!(matches!(Settings::read(bad), Err(chain_plugin_sdk::Failure::BadSettings(_))), "{bad}");
        }
    }
}
