//! Whose is which part of a transaction: what a token's contract sells inside a user's sale, and what routers keep of native
//! coin.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/node.rs"]
mod node;

use chain_plugin_sdk::{Plugin, Side, Span, Trade};
use evm_plugin::Evm;
use node::{RecordedNode, context};

/// The trades of a transaction in a recorded block of Ethereum.
fn trades(height: u64, transaction: &str) -> Vec<Trade> {
    let mut node = RecordedNode::of_chain(1);
    let scanned = Evm::scan(&mut node, &context("{}"), Span { first: height, last: height }).unwrap();
    let trades = scanned.blocks.into_iter().flat_map(|block| block.trades);
    trades.filter(|trade| trade.transaction.hash == transaction).collect()
}

fn raw(side: &Side) -> u128 {
    u128::from(side.raw.limb1) << 64 | u128::from(side.raw.limb0)
}

#[test]
fn what_a_token_sells_of_its_taxes_is_not_the_users() {
    let found = trades(18_000_000, "0x5a94e8fce346dd22a995992bba49ae456cd873f475d58e475e0489de338f93eb");
    let traded: Vec<(&str, u128, u128)> =
        found.iter().map(|trade| (trade.trader.address.as_str(), raw(&trade.sold), raw(&trade.bought))).collect();
    let (token, user) = ("0xce8d3c1a8edaa545072d5a4dfdc202f199d67090", "0xb6184813bca9d644dfc7add7dd59a1bca6c93bbe");
    assert_eq!(
        traded,
        [
            (token, 6_000_000_000_000_000_000_000, 115_134_456_785_721_169),
            (user, 2_313_014_764_940_631_691_000, 41_963_362_219_395_985)
        ]
    );
}

#[test]
fn what_a_router_paid_on_before_it_unwrapped_is_a_fee() {
    let found = trades(22_431_083, "0xfe322b3a0886323e5f9c2cc465cf89eb0cda0a1493854a2ecf810b9b9738e552");
    assert_eq!(found.len(), 1);
    assert_eq!(raw(&found[0].bought), 120_135_454_670_938_223);
    let [fee] = &found[0].fees[..] else { panic!("{:?}", found[0].fees) };
    assert_eq!((fee.kind.as_str(), fee.raw.limb0, fee.included), ("service", 301_091_365_090_070, true));
    assert_eq!(fee.recipient.as_deref(), Some("0x000000fee13a103a10d593b9ae06b3e05f2e7e1c"));
}
