//! Pump.fun: the bonding curve of a new token, bought and sold for SOL or another quote token.

use crate::base58;
use crate::call_tree::{CallTree, EVENT_PREFIX};
use crate::message::Data;
use crate::model::{PoolAccount, ReportedFee, ReportedTrade, Venue};

/// The curve owns its token account and holds native SOL itself. What it pays for a sale leaves without any instruction:
/// only its event shows it.
pub(crate) const VENUE: Venue = Venue {
    name: "pump-fun",
    program: "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P",
    pool: PoolAccount::VaultOwner,
    authority: None,
    taker: None,
    // The creator's vault in `sell` and `buy`.
    creators: &[8, 9],
    read_event: Some(read_trade_event),
};

/// The discriminator of `TradeEvent`.
const TRADE_EVENT: [u8; 8] = [0xbd, 0xdb, 0x7f, 0xd3, 0x4e, 0xe6, 0x61, 0xee];

/// A shorter text of data is no trade event.
const MIN_EVENT_DATA: usize = 120;

/// The fee of the protocol while it could not be configured: one part in so many.
const EARLY_FEE_DIVISOR: u64 = 100;

/// The trade event within a call.
fn read_trade_event(tree: &CallTree<'_, '_>, at: usize) -> Option<ReportedTrade> {
    let within = tree.within(at).map(|at| &tree.calls[at]);
    let is_event_call = |data: &Data<'_>| data.len_at_most() > MIN_EVENT_DATA;
    let mut events = within.filter(|it| it.program == VENUE.program && is_event_call(&it.instruction.data));
    let prefix = [EVENT_PREFIX, TRADE_EVENT].concat();
    events.find_map(|call| decode_trade_event(call.instruction.data.bytes().strip_prefix(&prefix[..])?))
}

/// Fields stand in the order of the program's interface; newer programs append more.
fn decode_trade_event(event: &[u8]) -> Option<ReportedTrade> {
    let mut fields = EventFields(event);
    let _mint = fields.key()?;
    let (native, token) = (fields.number()?, fields.number()?);
    let is_buy = fields.take(1)? == [1];
    let user = base58::encode(fields.key()?);
    let _time_and_reserves = fields.take(40)?;
    let mut fees = vec![];
    // Since fees can be configured, the event states them.
    if let Some([protocol, creator]) = fields.fees() {
        fees.extend([("protocol", protocol), ("creator", creator)]);
        fees.extend(fields.cashback());
    } else {
        fees.push(("protocol", ReportedFee { raw: native / EARLY_FEE_DIVISOR, recipient: None }));
    }
    fees.retain(|(_, fee)| fee.raw > 0);
    Some(ReportedTrade { native, token, is_buy, user, fees })
}

/// The part of an event that is not read yet.
struct EventFields<'a>(&'a [u8]);

impl<'a> EventFields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.take(32)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Recipient, basis points and amount, of the protocol and of the creator.
    fn fees(&mut self) -> Option<[ReportedFee; 2]> {
        let mut fee = || {
            let recipient = self.key()?;
            self.number()?;
            Some(ReportedFee { raw: self.number()?, recipient: Some(base58::encode(recipient)) })
        };
        Some([fee()?, fee()?])
    }

    /// After the user's volume and the name of the instruction: the cashback, which goes to the user's own vault.
    fn cashback(&mut self) -> Option<(&'static str, ReportedFee)> {
        self.take(33)?;
        let name = usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()?;
        self.take(name.checked_add(9)?)?;
        Some(("cashback", ReportedFee { raw: self.number()?, recipient: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(is_buy: u8) -> Vec<u8> {
        let mut event = vec![7; 32];
        event.extend(1_000_u64.to_le_bytes());
        event.extend(5_u64.to_le_bytes());
        event.push(is_buy);
        event.extend([0; 32]);
        event.extend([0; 40]);
        event
    }

    #[test]
    fn without_fees_in_the_event_the_protocol_takes_one_percent() {
        let trade = decode_trade_event(&event(1)).unwrap();
        assert_eq!((trade.native, trade.token, trade.is_buy), (1_000, 5, true));
        assert_eq!(trade.user, "1".repeat(32));
        assert_eq!(trade.fees, [("protocol", ReportedFee { raw: 10, recipient: None })]);
        assert_eq!(decode_trade_event(&event(1)[..100]), None);
    }

    #[test]
    fn fees_and_cashback_of_the_event_are_read() {
        let mut event = event(0);
        for raw in [10_u64, 0] {
            event.extend([1; 32]);
            event.extend(95_u64.to_le_bytes());
            event.extend(raw.to_le_bytes());
        }
        event.extend([0; 33]);
        event.extend([4, 0, 0, 0]);
        event.extend(b"sell\0");
        event.extend(30_u64.to_le_bytes());
        event.extend(3_u64.to_le_bytes());
        let fees = decode_trade_event(&event).unwrap().fees.into_iter();
        let fees: Vec<_> = fees.map(|(kind, fee)| (kind, fee.raw)).collect();
        assert_eq!(fees, [("protocol", 10), ("cashback", 3)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(event in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = decode_trade_event(&event);
        }
    }
}
