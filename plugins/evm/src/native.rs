//! Native coin: what a transaction brought along and what was unwrapped in it, the two sides of it that can be seen
//! without traces.

use crate::hex;
use crate::rpc::{Log, Sent};
use alloy_primitives::{Address, U256, keccak256};
use std::sync::LazyLock;

/// `Withdrawal(address indexed src, uint256 wad)` of the contract that wraps the native coin.
static WITHDRAWAL: LazyLock<String> = LazyLock::new(|| hex::spell(keccak256("Withdrawal(address,uint256)")));

/// What is known of native coin in one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native<'a> {
    /// Brought along by the sender; zero where nobody tells.
    pub value: U256,
    /// Unwrapped, in all.
    pub unwrapped: U256,
    input: &'a [u8],
}

impl<'a> Native<'a> {
    /// Reads what was sent and the logs of the transaction.
    pub fn of(sent: &Sent<'a>, unwrapped: U256) -> Self {
        let value = sent.value.and_then(hex::big).unwrap_or_default();
        Self { value, unwrapped, input: sent.input.unwrap_or_default() }
    }

    /// What the sender spent, where the pools got `used` of the native coin and gave `bought`: all that it brought along,
    /// since a router keeps its fee of it, unless the rest went back. The rest goes back where the amount bought was
    /// asked for (it stands in the call), or where just the rest was unwrapped. More than a tenth is no fee.
    pub fn spent(&self, used: U256, bought: U256) -> U256 {
        let Some(rest) = self.value.checked_sub(used) else { return used };
        let is_fee = rest <= self.value / U256::from(10);
        if !is_fee || self.unwrapped == rest || self.was_asked_for(bought) { used } else { self.value }
    }

    /// Whether an amount stands in the call, as a word.
    pub fn was_asked_for(&self, amount: U256) -> bool {
        let word = format!("{amount:064x}");
        let digits = self.input.get(10..).unwrap_or_default();
        digits.windows(64).any(|digits| digits.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// How much native coin was unwrapped.
pub fn unwrapped(logs: &[Log<'_>], wrapped: Option<Address>) -> U256 {
    let Some(wrapped) = wrapped else { return U256::ZERO };
    let read = |log: &Log<'_>| {
        let &[topic, _] = log.topics.as_slice() else { return None };
        let is_one = topic.eq_ignore_ascii_case(WITHDRAWAL.as_bytes()) && hex::address(log.address)? == wrapped;
        is_one.then(|| hex::words::<1>(log.data))?.map(|[raw]| raw)
    };
    logs.iter().filter_map(read).fold(U256::ZERO, U256::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_plugin_sdk::json::Cursor;

    fn native(value: &str, unwrapped: u64, input: &str) -> U256 {
        let sent = Sent { hash: b"", value: Some(value.as_bytes()), input: Some(input.as_bytes()) };
        Native::of(&sent, U256::from(unwrapped)).spent(U256::from(990), U256::from(77))
    }

    #[test]
    fn the_topic_is_the_one_that_the_chain_has() {
        assert_eq!(*WITHDRAWAL, "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65");
    }

    #[test]
    fn the_rest_is_a_fee_unless_it_went_back() {
        assert_eq!(native("0x3e8", 0, "0x12345678"), U256::from(1_000));
        // The amount bought was asked for, so what was too much went back.
        assert_eq!(native("0x3e8", 0, &format!("0x12345678{:064x}", 77)), U256::from(990));
        assert_eq!(native("0x3e8", 10, "0x12345678"), U256::from(990));
        // What was brought for something else, or too little of it.
        assert_eq!(native("0x7d0", 0, "0x"), U256::from(990));
        assert_eq!(native("0x1", 0, "0x"), U256::from(990));
    }

    #[test]
    fn only_the_wrapper_unwraps() {
        let wrapper = Address::repeat_byte(7);
        let log = |emitter: Address| {
            format!(
                r#"{{"address":"{}","topics":["{}","0x{:064x}"],"data":"0x{:064x}"}}"#,
                hex::spell(emitter), *WITHDRAWAL, 1, 9
            )
        };
        let texts = [log(wrapper), log(Address::repeat_byte(8)), log(wrapper)];
        let logs: Vec<Log<'_>> = texts.iter().map(|text| Log::read(&mut Cursor::new(text)).unwrap()).collect();
        assert_eq!(unwrapped(&logs, Some(wrapper)), U256::from(18));
        assert_eq!(unwrapped(&logs, None), U256::ZERO);
    }
}
