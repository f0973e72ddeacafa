//! Pump.fun: the bonding curve of a new token, bought and sold for SOL or another quote token.

use super::{Claim, Claimed, Pool, Venue};
use crate::base58;
use crate::tree::{EVENT, Tree};

/// The curve owns its token account and holds native SOL itself. What it pays for a sale leaves without any instruction:
/// only its event tells.
pub const VENUE: Venue = Venue {
    name: "pump-fun",
    program: "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P",
    pool: Pool::Party,
    authority: None,
    taker: None,
    // The creator's vault in `sell` and `buy`.
    creators: &[8, 9],
    claim: Some(claim),
};

/// `TradeEvent`.
const TRADE: [u8; 8] = [0xbd, 0xdb, 0x7f, 0xd3, 0x4e, 0xe6, 0x61, 0xee];

/// The trade event of a call.
fn claim(tree: &Tree<'_, '_>, at: usize) -> Option<Claim> {
    let within = tree.within(at).map(|at| &tree.calls[at]);
    let mut told = within.filter(|call| call.program == VENUE.program && call.instruction.data.len_at_most() > 120);
    told.find_map(|call| read(call.instruction.data.bytes().strip_prefix(&[EVENT, TRADE].concat()[..])?))
}

/// Fields in the order of the program's interface; newer programs tell more at the end.
fn read(event: &[u8]) -> Option<Claim> {
    let mut fields = Fields(event);
    let _mint = fields.key()?;
    let (native, token) = (fields.number()?, fields.number()?);
    let is_buy = fields.take(1)? == [1];
    let user = base58::encode(fields.key()?);
    let _time_and_reserves = fields.take(40)?;
    let mut costs = vec![];
    // Since fees are configurable they are told.
    if let Some([protocol, creator]) = fields.fees() {
        costs.extend([("protocol", protocol), ("creator", creator)]);
        costs.extend(fields.cashback());
    } else {
        // Before, it was one percent.
        costs.push(("protocol", Claimed { raw: native / 100, recipient: None }));
    }
    costs.retain(|(_, claimed)| claimed.raw > 0);
    Some(Claim { native, token, is_buy, user, costs })
}

/// What is left of an event.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
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
    fn fees(&mut self) -> Option<[Claimed; 2]> {
        let mut fee = || {
            let recipient = self.key()?;
            self.number()?;
            Some(Claimed { raw: self.number()?, recipient: Some(base58::encode(recipient)) })
        };
        Some([fee()?, fee()?])
    }

    /// After the volume of the user and the name of the instruction: what flows back to the user's own vault.
    fn cashback(&mut self) -> Option<(&'static str, Claimed)> {
        self.take(33)?;
        let name = usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()?;
        self.take(name.checked_add(9)?)?;
        Some(("cashback", Claimed { raw: self.number()?, recipient: None }))
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
    fn the_first_events_told_no_fees() {
        let claim = read(&event(1)).unwrap();
        assert_eq!((claim.native, claim.token, claim.is_buy), (1_000, 5, true));
        assert_eq!(claim.user, "1".repeat(32));
        assert_eq!(claim.costs, [("protocol", Claimed { raw: 10, recipient: None })]);
        assert_eq!(read(&event(1)[..100]), None);
    }

    #[test]
    fn later_ones_tell_three() {
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
        let costs: Vec<_> = read(&event).unwrap().costs.into_iter().map(|(kind, cost)| (kind, cost.raw)).collect();
        assert_eq!(costs, [("protocol", 10), ("cashback", 3)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(event in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = read(&event);
        }
    }
}
