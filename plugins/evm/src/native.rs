//! Native coin: the value of a transaction and what was wrapped and unwrapped in it, all that can be seen without traces.

use crate::attribution::rule::Confidence;
use crate::hex;
use crate::model::{MAX_FEE_DIVISOR, NATIVE_LOGS, Transfer};
use crate::rpc::{Log, SentTransaction};
use crate::rules::Rules;
use crate::topics::Role;
use alloy_primitives::{Address, U256};
use memchr::memmem;

/// `Withdrawal(address indexed src, uint256 wad)` and `Deposit(address indexed dst, uint256 wad)` of the contract that wraps
/// the native coin; `LogTransfer(address indexed token, address indexed from, address indexed to, uint256 amount, …)` of
/// Polygon's native coin, the one chain whose native transfers leave logs.
pub(crate) const NATIVE_EVENTS: &[(&str, Role)] = &[
    ("Withdrawal(address,uint256)", Role::Withdrawal),
    ("Deposit(address,uint256)", Role::Deposit),
    ("LogTransfer(address,address,address,uint256,uint256,uint256,uint256,uint256)", Role::NativeTransfer),
];

/// What is known of native coin in one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct NativeCoin<'a> {
    /// The transaction's value; zero where the node does not give it.
    pub value: U256,
    /// Unwrapped, by all accounts together.
    pub unwrapped: U256,
    /// Wrapped by the contract that was called.
    pub wrapped_by_callee: U256,
    /// Unwrapped by the contract that was called.
    pub unwrapped_by_callee: U256,
    /// Each time that some was unwrapped: by whom, how much.
    pub unwrappings: Vec<(Address, U256)>,
    input: &'a [u8],
}

impl<'a> NativeCoin<'a> {
    /// Reads what was sent, and what was wrapped and unwrapped by the transaction's logs.
    pub(crate) fn read(
        sent: &SentTransaction<'a>,
        logs: &[Log<'_>],
        wrapped: Option<Address>,
        callee: Option<Address>,
    ) -> Self {
        let value = sent.value.and_then(hex::quantity_u256).unwrap_or_default();
        let mut native = Self { value, input: sent.input.unwrap_or_default(), ..Self::default() };
        let Some(wrapped) = wrapped else { return native };
        for (who, raw, is_out) in logs.iter().filter_map(|log| wrapping(log, wrapped)) {
            let is_callee = Some(who) == callee;
            if is_out {
                native.unwrappings.push((who, raw));
            }
            let sums = [
                (&mut native.unwrapped, is_out),
                (&mut native.wrapped_by_callee, !is_out && is_callee),
                (&mut native.unwrapped_by_callee, is_out && is_callee),
            ];
            for (sum, _) in sums.into_iter().filter(|(_, counts)| *counts) {
                *sum = sum.saturating_add(raw);
            }
        }
        native
    }

    /// What the sender spent, where the pools got `used` of the native coin and gave `bought`. That is all of the value,
    /// since a router keeps its fee of it, unless the rest was paid back: the call asks for that or for the amount bought,
    /// just the rest was unwrapped, or the rest is more than a fee.
    pub(crate) fn spent(&self, used: U256, bought: U256) -> Spent {
        let Some(rest) = self.value.checked_sub(used) else { return Spent::certain(used) };
        if rest.is_zero() || self.unwrapped == rest || self.asks_for_rest() {
            Spent::certain(used)
        } else if self.was_asked_for(bought) {
            Spent { raw: used, confidence: Confidence::Assumed }
        } else if rest > self.value / U256::from(MAX_FEE_DIVISOR) {
            Spent { raw: used, confidence: Confidence::Estimated }
        } else {
            Spent { raw: self.value, confidence: Confidence::Estimated }
        }
    }

    /// Whether the call asks the router to pay back what it does not need: `refundETH()` among several calls, or
    /// `swapETHForExactTokens`.
    pub(crate) fn asks_for_rest(&self) -> bool {
        const REFUND: [u8; 32] = {
            let mut word = [0; 32];
            [word[0], word[1], word[2], word[3]] = [0x12, 0x21, 0x0e, 0x8a];
            word
        };
        const FOR_EXACT_TOKENS: [u8; 4] = [0xfb, 0x3b, 0xdb, 0x41];
        let call = self.call();
        call.starts_with(&FOR_EXACT_TOKENS) || memmem::find(&call, &REFUND).is_some()
    }

    /// The bytes of the call.
    pub(crate) fn call(&self) -> Vec<u8> {
        let mut bytes = vec![];
        hex::append(self.input, &mut bytes).map(|()| bytes).unwrap_or_default()
    }

    /// Whether an amount stands in the call, as a word.
    pub(crate) fn was_asked_for(&self, amount: U256) -> bool {
        let call = self.call();
        let words = call.get(4..).unwrap_or_default();
        memmem::find(words, &amount.to_be_bytes::<32>()).is_some()
    }
}

/// What the sender spent of the native coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// How much.
    pub(crate) raw: U256,
    /// Whether that is shown, or only a trace would tell what became of the rest.
    pub(crate) confidence: Confidence,
}

impl Spent {
    /// What tokens or logs show.
    pub(crate) fn certain(raw: U256) -> Self {
        Self { raw, confidence: Confidence::Exact }
    }
}

/// Transfers of native coin that left logs: on a chain with EIP-7708, or where the coin is a contract too. What the wrapped
/// coin's own contract gets and gives is wrapping, which is no movement between accounts.
pub(crate) fn transfers(logs: &[Log<'_>], rules: &Rules) -> Vec<Transfer> {
    let Some(wrapped) = rules.wrapped else { return vec![] };
    let read = |log: &Log<'_>| {
        let role = log.role().filter(|role| matches!(role, Role::Transfer | Role::NativeTransfer))?;
        let emitter = hex::address(log.address)?;
        let (from, to, raw) = match (role, log.topics.as_slice()) {
            (Role::Transfer, &[_, from, to]) if emitter == NATIVE_LOGS => (from, to, hex::words::<1>(log.data)?),
            (Role::NativeTransfer, &[_, _token, from, to]) if Some(emitter) == rules.native => {
                (from, to, hex::first_words::<1>(log.data)?)
            }
            _ => return None,
        };
        let (from, to) = (hex::padded_address(from)?, hex::padded_address(to)?);
        let is_wrapping = [from, to].contains(&wrapped);
        (!is_wrapping).then_some(Transfer { token: wrapped, from, to, raw: raw[0] })
    };
    logs.iter().filter_map(read).collect()
}

/// Who wrapped how much, and whether it was unwrapped instead.
fn wrapping(log: &Log<'_>, wrapped: Address) -> Option<(Address, U256, bool)> {
    let is_out = match log.role()? {
        Role::Withdrawal => true,
        Role::Deposit => false,
        _ => return None,
    };
    let &[_, who] = log.topics.as_slice() else { return None };
    if hex::address(log.address)? != wrapped {
        return None;
    }
    let [raw] = hex::words::<1>(log.data)?;
    Some((hex::padded_address(who)?, raw, is_out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::topics::example::topic;
    use chain_plugin_sdk::Context;
    use chain_plugin_sdk::json::Cursor;

    fn spent(value: &str, unwrapped: u64, input: &str) -> (u64, Confidence) {
        let (value, input) = (Some(value.as_bytes()), Some(input.as_bytes()));
        let sent = SentTransaction { value, input, ..SentTransaction::default() };
        let native = NativeCoin { unwrapped: U256::from(unwrapped), ..NativeCoin::read(&sent, &[], None, None) };
        let Spent { raw, confidence } = native.spent(U256::from(990), U256::from(77));
        (raw.to(), confidence)
    }

    #[test]
    fn the_topic_is_the_one_that_the_chain_has() {
        let [withdrawal, deposit, transfer] = [0, 1, 2].map(|at| topic(NATIVE_EVENTS[at]));
        assert_eq!(withdrawal, "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65");
        assert!(deposit.starts_with("0xe1fffcc4923d"), "{deposit}");
        // As Polygon's recorded receipts have it.
        assert!(transfer.starts_with("0xe6497e3ee5"), "{transfer}");
    }

    #[test]
    fn the_rest_is_a_fee_unless_it_went_back() {
        use Confidence::{Assumed, Estimated, Exact};
        assert_eq!(spent("0x3e8", 0, "0x12345678"), (1_000, Estimated));
        // The amount bought was asked for, so the rest was paid back; so it was where the rest was asked for.
        assert_eq!(spent("0x3e8", 0, &format!("0x12345678{:064x}", 77)), (990, Assumed));
        assert_eq!(spent("0x3e8", 0, &format!("0xac9650d8{:064x}12210e8a{:056x}", 4, 0)), (990, Exact));
        assert_eq!(spent("0x3e8", 0, &format!("0xfb3bdb41{:064x}", 5)), (990, Exact));
        assert_eq!(spent("0x3e8", 0, &format!("0xac9650d8{:064x}12210e8a{:056x}", 4, 1)), (1_000, Estimated));
        assert_eq!(spent("0x3e8", 10, "0x12345678"), (990, Exact));
        // All of it, a value far above what the pools got, and one below it.
        assert_eq!(spent("0x3de", 0, "0x"), (990, Exact));
        assert_eq!(spent("0x7d0", 0, "0x"), (990, Estimated));
        assert_eq!(spent("0x1", 0, "0x"), (990, Exact));
    }

    #[test]
    fn only_the_wrapper_wraps_and_unwraps() {
        let wrapper = Address::repeat_byte(7);
        let log = |emitter: Address, topic: &str, who: u64| {
            let (emitter, raw) = (hex::encode(emitter), 9);
            format!(r#"{{"address":"{emitter}","topics":["{topic}","0x{who:064x}"],"data":"0x{raw:064x}"}}"#)
        };
        let [withdrawal, deposit] = [0, 1].map(|at| topic(NATIVE_EVENTS[at]));
        let texts = [
            log(wrapper, &withdrawal, 1),
            log(Address::repeat_byte(8), &withdrawal, 1),
            log(wrapper, &withdrawal, 2),
            log(wrapper, &deposit, 2),
            log(wrapper, &deposit, 1),
        ];
        let logs: Vec<Log<'_>> =
            texts.iter().map(|text| Log::read(&mut Cursor::new(text), crate::events::table()).unwrap()).collect();
        let native =
            |wrapped| NativeCoin::read(&SentTransaction::default(), &logs, wrapped, Some(Address::with_last_byte(2)));
        let sums = |native: NativeCoin<'_>| [native.unwrapped, native.wrapped_by_callee, native.unwrapped_by_callee];
        assert_eq!(sums(native(Some(wrapper))), [18, 9, 9].map(U256::from));
        assert_eq!(sums(native(None)), [U256::ZERO; 3]);
    }

    #[test]
    fn wrapping_is_no_movement_of_native_coin() {
        let context = Context { settings: "{}".to_owned(), now_ms: 0, attributes: vec![] };
        let rules = Settings::read(&context).unwrap().rules(1).unwrap();
        let [wrapped, one, other] = [rules.wrapped.unwrap(), Address::repeat_byte(1), Address::repeat_byte(2)];
        let word = |who: Address| format!("0x{:0>64}", format!("{who:x}"));
        let transfer = topic(crate::transfers::TRANSFER_EVENTS[0]);
        let text = |from: Address, to: Address| {
            let emitter = hex::encode(NATIVE_LOGS);
            let (from, to, raw) = (word(from), word(to), 9);
            format!(r#"{{"address":"{emitter}","topics":["{transfer}","{from}","{to}"],"data":"0x{raw:064x}"}}"#)
        };
        let texts = [text(one, wrapped), text(one, other), text(wrapped, other)];
        let logs: Vec<Log<'_>> =
            texts.iter().map(|text| Log::read(&mut Cursor::new(text), crate::events::table()).unwrap()).collect();
        let moved = Transfer { token: wrapped, from: one, to: other, raw: U256::from(9) };
        assert_eq!(transfers(&logs, &rules), [moved]);
    }
}
