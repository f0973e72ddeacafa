//! What a trade says of native coin is what balances say: by logs where the coin leaves some, by traces where a side needs one.

use crate::native_trades::{CoinTrade, Market};
use alloy_primitives::U256;
use chain_plugin_sdk::amount::from_uint256;
use chain_plugin_sdk::{Side, Trade};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use system::anvil;
use system::evm_node::EvmNode;
use system::geth::{self, Fork, Geth};
use system::plugin_host::{ScannedBlock, scan_block};
use system::venues::Venues;

/// The address whose logs say that native coin moved (EIP-7708).
const NATIVE_LOGS: &str = "0xfffffffffffffffffffffffffffffffffffffffe";

fn settings(venues: &Venues, traces: &str) -> Value {
    json!({"stables": {&venues.dollar: 18}, "wrapped": venues.weth, "traces": traces})
}

fn amount(side: &Side) -> (String, U256) {
    (side.asset.clone(), from_uint256(side.raw))
}

fn confidence(trade: &Trade) -> Option<&str> {
    trade.attributes.iter().find(|(name, _)| name == "confidence").map(|(_, word)| word.as_str())
}

/// Where the trade in the block differs from what balances say; nothing where it does not.
fn differences(expected: &CoinTrade, scanned: &ScannedBlock) -> Vec<String> {
    let [trade] = &scanned.block.trades[..] else {
        return vec![format!("{}: {} trades instead of one", expected.name, scanned.block.trades.len())];
    };
    let mut wrong = vec![];
    for (side, told, moved) in [("sold", &trade.sold, &expected.sold), ("bought", &trade.bought, &expected.bought)] {
        if amount(told) != *moved {
            wrong.push(format!("{}: {side} {:?} instead of {moved:?}", expected.name, amount(told)));
        }
    }
    if !trade.trader.address.eq_ignore_ascii_case(&expected.trader) {
        wrong.push(format!("{}: the trader is {:?}", expected.name, trade.trader));
    }
    let fees: Vec<(String, U256)> =
        trade.fees.iter().map(|fee| (fee.recipient.clone().unwrap_or_default(), from_uint256(fee.raw))).collect();
    let paid: Vec<(String, U256)> = expected.fee.clone().into_iter().collect();
    if fees != paid {
        wrong.push(format!("{}: fees {fees:?} instead of {paid:?}", expected.name));
    }
    wrong
}

async fn scan(node: &EvmNode, settings: &Value, expected: &CoinTrade) -> ScannedBlock {
    scan_block(node, settings.clone(), expected.height, &mut BTreeMap::new()).await.unwrap()
}

/// Every way to trade native coin on a chain.
async fn trade(node: &EvmNode) -> (Venues, Vec<CoinTrade>) {
    let venues = node.deploy_venues().await.unwrap();
    let market = Market::open(node, &venues).await;
    let mut trades = market.trade_all().await;
    if node.has_wallets() {
        trades.extend(market.trade_with_delegation().await);
    }
    (venues, trades)
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_native_coin_make_every_side_and_fee_exact() {
    let Some(installed) = geth::installed_for_test().unwrap() else { return };
    let geth = Geth::start(&installed, Fork::Amsterdam).await.unwrap();
    let (venues, trades) = trade(&geth.node).await;
    let settings = settings(&venues, "never");
    let mut wrong = vec![];
    for expected in &trades {
        let scanned = scan(&geth.node, &settings, expected).await;
        wrong.extend(differences(expected, &scanned));
        assert_eq!(scanned.attribute("proof"), Some("receipts"), "{}", expected.name);
        assert!(!scanned.methods.iter().any(|method| method.contains("trace")), "no trace is asked for");
        for trade in &scanned.block.trades {
            assert_eq!(confidence(trade), None, "{}: logs show it", expected.name);
            let assets = [&trade.sold.asset, &trade.bought.asset].into_iter();
            let crossed = trade.legs.iter().flat_map(|leg| [&leg.sold.asset, &leg.bought.asset]);
            assert!(assets.chain(crossed).all(|asset| asset != NATIVE_LOGS), "{}", expected.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_where_needed_make_every_side_and_fee_exact_on_geth() {
    let Some(installed) = geth::installed_for_test().unwrap() else { return };
    let geth = Geth::start(&installed, Fork::Osaka).await.unwrap();
    assert_exact_by_traces(&geth.node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_where_needed_make_every_side_and_fee_exact_on_anvil() {
    let Some(folder) = anvil::installed_for_test().unwrap() else { return };
    assert_exact_by_traces(&anvil::start(&folder).await.unwrap()).await;
}

async fn assert_exact_by_traces(node: &EvmNode) {
    let (venues, trades) = trade(node).await;
    let (without, with) = (settings(&venues, "never"), settings(&venues, "where-needed"));
    let (mut wrong, mut traced) = (vec![], 0);
    for expected in &trades {
        let name = expected.name;
        let scanned = scan(node, &with, expected).await;
        wrong.extend(differences(expected, &scanned));
        let is_traced = scanned.block.trades.iter().any(|trade| confidence(trade) == Some("traced"));
        assert_eq!(is_traced, scanned.methods.iter().any(|method| method == "debug_traceTransaction"), "{name}");
        traced += usize::from(is_traced);
        let untraced = scan(node, &without, expected).await;
        assert!(!untraced.methods.iter().any(|method| method.contains("trace")), "{name}");
        // What logs alone get wrong is what a trace is asked for.
        assert!(is_traced || differences(expected, &untraced).is_empty(), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(traced > 0 && traced < trades.len(), "{traced} of {} were traced", trades.len());
}
