//! Settlement: events that name the owner of a trade where the transaction's sender only carries it out.

use crate::hex;
use crate::reports;
use crate::rpc::Log;
use crate::topics::Role;
use alloy_primitives::{Address, U256, address};

/// An order that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledOrder {
    /// Whose it is.
    pub owner: Address,
    /// Given and got, where the event has them; else the owner's transfers show them.
    pub terms: Option<OrderTerms>,
    /// The event's place among the logs of the transaction.
    pub place: u32,
    /// Who settles it.
    pub router: &'static str,
    /// Whether a listed contract says so. Anybody can emit the same event, and name whom they like.
    pub is_listed: bool,
}

/// Given and got; native coin as the venue spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// Token and amount.
    pub sold: (Address, U256),
    /// Token and amount.
    pub bought: (Address, U256),
}

/// What was done for one smart account in a bundle: everything up to its event, from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserOperation {
    /// The account.
    pub account: Address,
    /// The event's place among the logs of the transaction.
    pub place: u32,
    /// Whether a listed entry point says so. Anybody can emit the same event, and name whom they like.
    pub is_listed: bool,
}

/// CoW Protocol settles on every chain at this address.
pub const COW_SETTLEMENT: Address = address!("9008d19f58aabd9ed0d60971565aa8510560ab41");

/// Owners of CoW orders that sell native coin for somebody else, who gets what is bought.
pub const COW_ETH_FLOWS: [Address; 3] = [
    address!("40a50cf069e992aa4536211b23f286ef88752187"),
    address!("ba3cb449bd2b4adddbc894d8697f5170800eadec"),
    address!("04501b9b1d52e67f6862d157e00d13419d2d6e95"),
];

/// The entry points of ERC-4337, the same on every chain: 0.6, 0.7, 0.8, 0.9.
const ENTRY_POINTS: [Address; 4] = [
    address!("5ff137d4b0fdcd49dca30c7cf57e578a026d2789"),
    address!("0000000071727de22e5e9d8baf0edac6f37da032"),
    address!("4337084d9e255ff0702461cf8895ce9e3b5ff108"),
    address!("433709009b8330fda32311df1c2afa402ed8d009"),
];

/// The reactors that fill UniswapX orders.
const UNISWAPX_REACTORS: [Address; 4] = [
    address!("6000da47483062a0d734ba3dc7576ce6a0b645c4"), // exclusive Dutch orders
    address!("00000011f84b9aa48e5f8aa8b9897600006289be"), // Dutch orders, second version
    address!("b274d5f4b833b61b340b654d600a864fb604a87c"), // Dutch orders, third version, on Arbitrum
    address!("000000001ec5656dcdb24d90dfa42742738de729"), // priority orders, on Base
];

/// CoW: `Trade(address indexed owner, address sellToken, address buyToken, uint256 sellAmount, uint256 buyAmount,
/// uint256 feeAmount, bytes orderUid)`. UniswapX: `Fill(bytes32 indexed orderHash, address indexed filler,
/// address indexed swapper, uint256 nonce)`. ERC-4337: `UserOperationEvent(bytes32 indexed userOpHash,
/// address indexed sender, address indexed paymaster, uint256 nonce, bool success, uint256 actualGasCost,
/// uint256 actualGasUsed)`. 0x: `MetaTransactionExecuted(bytes32 hash, bytes4 indexed selector, address signer,
/// address sender)`. Safe: `ExecutionSuccess(bytes32 txHash, uint256 payment)`, whose first is a topic in some versions, and
/// `ExecutionFromModuleSuccess(address indexed module)`.
pub const SETTLEMENT_EVENTS: &[(&str, Role)] = &[
    ("Trade(address,address,address,uint256,uint256,uint256,bytes)", Role::CowTrade),
    ("Fill(bytes32,address,address,uint256)", Role::UniswapXFill),
    ("UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)", Role::UserOperation),
    ("MetaTransactionExecuted(bytes32,bytes4,address,address)", Role::MetaTransaction),
    ("ExecutionSuccess(bytes32,uint256)", Role::AccountExecution),
    ("ExecutionFromModuleSuccess(address)", Role::AccountExecution),
];

/// The orders settled in a transaction. Of CoW only its own contract is believed; a fill names only the owner, and
/// counts for what moved from and to that account.
pub fn read_orders(logs: &[Log<'_>]) -> Vec<SettledOrder> {
    (0..).zip(logs).filter_map(|(place, log)| cow(place, log).or_else(|| fill(place, log))).collect()
}

fn cow(place: u32, log: &Log<'_>) -> Option<SettledOrder> {
    let &[_, owner] = log.topics.as_slice() else { return None };
    if log.role() != Some(Role::CowTrade) || hex::address(log.address)? != COW_SETTLEMENT {
        return None;
    }
    let [sell, buy, sold, bought, _fee]: [U256; 5] = hex::first_words(log.data)?;
    let token = |word: U256| Address::from_slice(&word.to_be_bytes::<32>()[12..]);
    let terms = OrderTerms { sold: (token(sell), sold), bought: (token(buy), bought) };
    Some(SettledOrder {
        owner: hex::padded_address(owner)?,
        terms: Some(terms),
        place,
        router: "cow-protocol",
        is_listed: true,
    })
}

fn fill(place: u32, log: &Log<'_>) -> Option<SettledOrder> {
    let &[_, _hash, _filler, swapper] = log.topics.as_slice() else { return None };
    let owner = (log.role() == Some(Role::UniswapXFill)).then(|| hex::padded_address(swapper))??;
    let is_listed = UNISWAPX_REACTORS.contains(&hex::address(log.address)?);
    Some(SettledOrder { owner, terms: None, place, router: "uniswap-x", is_listed })
}

/// Accounts that signed what a relay carried out, as a listed router checked and says, or the account itself, a Safe: whoever
/// forges that event names no account but its own.
pub fn read_signers(logs: &[Log<'_>]) -> Vec<Address> {
    let read = |log: &Log<'_>| {
        if log.role() == Some(Role::AccountExecution) {
            return hex::address(log.address);
        }
        let is_one = log.role() == Some(Role::MetaTransaction) && reports::is_filler(hex::address(log.address)?);
        let [_hash, signer, _sender]: [U256; 3] = is_one.then(|| hex::words(log.data))??;
        Some(Address::from_slice(&signer.to_be_bytes::<32>()[12..]))
    };
    logs.iter().filter_map(read).collect()
}

/// The operations bundled in a transaction.
pub fn read_operations(logs: &[Log<'_>]) -> Vec<UserOperation> {
    let read = |(place, log): (u32, &Log<'_>)| {
        let &[_, _hash, account, _paymaster] = log.topics.as_slice() else { return None };
        let account = (log.role() == Some(Role::UserOperation)).then(|| hex::padded_address(account))??;
        Some(UserOperation { account, place, is_listed: ENTRY_POINTS.contains(&hex::address(log.address)?) })
    };
    (0..).zip(logs).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::example::topic;
    use chain_plugin_sdk::json::Cursor;

    fn log(emitter: Address, topics: &[&str], data: &str) -> String {
        let topics: Vec<String> = topics.iter().map(|topic| format!(r#""{topic}""#)).collect();
        format!(r#"{{"address":"{}","topics":[{}],"data":"0x{data}"}}"#, hex::encode(emitter), topics.join(","))
    }

    #[test]
    fn topics_are_those_that_the_chain_has() {
        let [cow, fill, operation] = [0, 1, 2].map(|at| topic(SETTLEMENT_EVENTS[at]));
        assert_eq!(cow, "0xa07a543ab8a018198e99ca0184c93fe9050a79400a0a723441f84de1d972cc17");
        assert_eq!(fill, "0x78ad7ec0e9f89e74012afa58738b6b661c024cb0fd185ee2f616c0a28924bd66");
        assert_eq!(operation, "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f");
    }

    #[test]
    fn only_cows_own_contract_is_believed() {
        let owner = format!("0x{:0>64}", "12".repeat(20));
        let words = [1_u64, 2, 30, 40, 5, 192, 0].map(|word| format!("{word:064x}")).concat();
        for (emitter, count) in [(COW_SETTLEMENT, 1), (Address::repeat_byte(9), 0)] {
            let text = log(emitter, &[&topic(SETTLEMENT_EVENTS[0]), &owner], &words);
            let orders = read_orders(&[Log::read(&mut Cursor::new(&text), crate::events::table()).unwrap()]);
            assert_eq!(orders.len(), count);
            let terms = OrderTerms {
                sold: (Address::with_last_byte(1), U256::from(30)),
                bought: (Address::with_last_byte(2), U256::from(40)),
            };
            assert!(orders.iter().all(|order| order.terms == Some(terms) && order.owner == Address::repeat_byte(0x12)));
        }
    }

    /// Whoever emits it speaks for itself alone.
    #[test]
    fn a_safe_says_that_it_carried_something_out() {
        let safe = Address::repeat_byte(7);
        let word = format!("0x{:064x}", 1);
        for topics in [vec![topic(SETTLEMENT_EVENTS[4])], vec![topic(SETTLEMENT_EVENTS[4]), word.clone()]] {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            let text = log(safe, &topics, "");
            assert_eq!(read_signers(&[Log::read(&mut Cursor::new(&text), crate::events::table()).unwrap()]), [safe]);
        }
        assert_eq!(topic(SETTLEMENT_EVENTS[4]), "0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e");
        assert_eq!(topic(SETTLEMENT_EVENTS[5]), "0x6895c13664aa4f67288b25d7a21d7aaa34916e355fb9b6fae0a139a9085becb8");
    }

    #[test]
    fn operations_come_from_entry_points() {
        let [hash, account, none] = [1, 2, 0].map(|word| format!("0x{word:064x}"));
        for (emitter, count) in [(ENTRY_POINTS[1], 1), (Address::repeat_byte(9), 0)] {
            let text = log(emitter, &[&topic(SETTLEMENT_EVENTS[2]), &hash, &account, &none], "");
            let operations = read_operations(&[Log::read(&mut Cursor::new(&text), crate::events::table()).unwrap()]);
            assert_eq!(operations.iter().filter(|of| of.is_listed).count(), count);
            assert_eq!(operations.len(), 1);
        }
    }
}
