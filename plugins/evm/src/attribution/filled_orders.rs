//! Orders in a call: what a standing order that a listed router filled pays its maker of native coin, which leaves no log.

use crate::attribution::rule::Confidence;
use crate::attribution::transaction::{TransactionView, only};
use crate::model::{Leg, Route};
use crate::reports;
use alloy_primitives::{Address, U256, address};
use memchr::memmem;

/// 1inch's contracts that get what an order buys, take the fees of the order out of it and pay the rest to its maker: the
/// settlement of Fusion (3.0 and 3.1) and of limit orders. What they do stands in `FeeTaker.sol` of `1inch/limit-order-protocol`,
/// their addresses in several public lists of its contracts (2026-11-29).
const FEE_TAKERS: [Address; 3] = [
    address!("abd4e5fb590aa132749bbf2a04ea57efbaac399e"),
    address!("2ad5004c60e16e54d5007c80ce329adde5b51ef5"),
    address!("c0dfdb9e7a392c3dbbe7c6fbe8fbc1789c9fe05e"),
];

/// Fees are counted in hundred-thousandths of what the maker gets.
const FEE_BASE: u64 = 100_000;

/// The bytes of an address.
const ADDRESS: usize = 20;

/// Fees of an order above this are none: the bytes mean something else.
const MAX_FEE: u64 = FEE_BASE / 10;

/// The native coin that the one filled order of this maker bought, and how that is known: what the listed router unwrapped, less
/// the fees that the order in the call names. Where the order pays a contract that is not known to take fees, nothing but
/// a trace shows them.
pub(crate) fn paid_to_maker(
    transaction: &TransactionView<'_>,
    legs: &[Leg],
    maker: Address,
    route: &Route,
) -> Option<(U256, Confidence)> {
    let is_one_fill = transaction.filler.is_some_and(|filler| filler.fills == 1);
    let (_, taken) = (is_one_fill && maker != transaction.sender)
        .then(|| transaction.unwrapper(maker, legs, route))?
        .filter(|(router, raw)| reports::is_filler(*router) && *raw <= route.bought.1)?;
    let call = transaction.native.call();
    let order = Order::find(&call, maker, route.sold.0, transaction.rules.wrapped?);
    match order {
        Some(order) if order.receiver.is_zero() || order.receiver == maker => Some((taken, Confidence::Reported)),
        Some(order) if FEE_TAKERS.contains(&order.receiver) => {
            let fees = order.fees(&call);
            Some(fees.map_or((taken, Confidence::Estimated), |fees| (taken - fees.of(taken), Confidence::Reported)))
        }
        _ => Some((taken, Confidence::Estimated)),
    }
}

/// An order as it stands in a call, wherever its words begin.
struct Order {
    /// Who gets what it buys, in place of the maker.
    receiver: Address,
    /// Where the words end that were looked at.
    end: usize,
}

impl Order {
    /// The one order of a maker that sells one token for another: `maker`, `receiver`, `makerAsset`, `takerAsset` are words that
    /// follow each other; their upper bytes may be flags.
    fn find(call: &[u8], maker: Address, sold: Address, bought: Address) -> Option<Self> {
        const WORD: usize = 32;
        let address_at = |at: usize| call.get(at..at + ADDRESS).map(Address::from_slice);
        let read = |at: usize| {
            let is_one = address_at(at + 2 * WORD)? == sold && address_at(at + 3 * WORD)? == bought;
            is_one.then_some(Self { receiver: address_at(at + WORD)?, end: at + 3 * WORD })
        };
        only(memmem::find_iter(call, maker.as_slice()).filter_map(read))
    }

    /// The fees in the order's extension, whose last part is for the fee taker: its address, flags, the two that get the fees,
    /// another receiver if the first flag says so, the integrator's fee (2 bytes), its share (1), the resolver's fee (2).
    fn fees(&self, call: &[u8]) -> Option<Fees> {
        const ACCOUNTS: usize = 2 * ADDRESS;
        let at = self.end + memmem::rfind(call.get(self.end..)?, self.receiver.as_slice())? + ADDRESS;
        let flags = *call.get(at)?;
        let at = at + 1 + ACCOUNTS + if flags == 1 { ADDRESS } else { 0 };
        let &[integrator_high, integrator_low, share, resolver_high, resolver_low] = call.get(at..at + 5)? else {
            return None;
        };
        let fee = |high: u8, low: u8| u64::from(u16::from_be_bytes([high, low]));
        let fees = Fees {
            integrator: fee(integrator_high, integrator_low),
            share: u64::from(share),
            resolver: fee(resolver_high, resolver_low),
        };
        (flags <= 1 && share <= 100 && fees.integrator + fees.resolver <= MAX_FEE).then_some(fees)
    }
}

/// What an order pays to others, in hundred-thousandths beside what it pays its maker.
struct Fees {
    integrator: u64,
    /// The hundredths of its fee that the integrator keeps.
    share: u64,
    resolver: u64,
}

impl Fees {
    /// The fees of an amount, rounded as the contract does.
    fn of(&self, taken: U256) -> U256 {
        let base = U256::from(FEE_BASE + self.integrator + self.resolver);
        let part = |fee: u64| taken.saturating_mul(U256::from(fee)) / base;
        let of_integrator = part(self.integrator);
        let kept = of_integrator.saturating_mul(U256::from(self.share)) / U256::from(100);
        kept + (part(self.resolver) + of_integrator - kept)
    }
}
