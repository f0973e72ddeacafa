//! Ekubo: one core contract holds the tokens of all pools; a pool is a key, and its swaps leave logs without any topic.
//!
//! As with Uniswap V4, between two pools of the core nothing moves. The core's `PoolInitialized` names no pool in a topic, so
//! keys are not looked for: amounts that moved exactly tell the tokens, else the swap is one of an unknown key.

use crate::hex;
use crate::model::{Claim, PoolId, SwapEvent, Venue};
use crate::rpc::Log;
use alloy_primitives::{Address, B256, I256, address};

/// `Core.sol` of `EkuboProtocol/evm-contracts`: `log0` of 20 bytes of the locker, 32 of the pool's id, 16 of each of the two
/// amounts, positive as the pool received it, 32 of the pool's state. Its cores on Ethereum are the second and third version,
/// as its indexer reads them both.
pub const EKUBO: Venue = Venue {
    emitters: &[
        address!("e0e0e08a6a4b9dc7bd67bcb7aade5cf48157d444"),
        address!("00000000000014aa86c5d3c41765bb24e11bd701"),
    ],
    ..Venue::anywhere("ekubo", ANONYMOUS, read)
};

/// What a venue has in place of a signature whose logs have no topic.
pub const ANONYMOUS: &str = "";

/// The bytes of such a log; other logs without a topic are none of it.
pub const LOG_BYTES: usize = 20 + 32 + 2 * 16 + 32;

fn read(log: &Log<'_>) -> Option<SwapEvent> {
    let bytes = hex::fixed::<LOG_BYTES>(log.data).filter(|_| log.topics.as_slice().is_empty())?;
    let part = |at: usize| {
        let amount = i128::from_be_bytes(bytes.get(at..at + 16)?.try_into().ok()?);
        Some(super::v3::moved(I256::try_from(amount).ok()?.into_raw()))
    };
    let core: Address = hex::address(log.address)?;
    let claim = Claim::Pair([part(52)?, part(68)?]);
    Some(SwapEvent::new(PoolId::Key(B256::from_slice(&bytes[20..52])), core, claim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::table;
    use crate::model::{Emitter, Moved};
    use crate::venues::venue_of;
    use alloy_primitives::{U256, b256};
    use chain_plugin_sdk::json::Cursor;

    /// As Ekubo's indexer tests it: native coin for USDC.
    const SWAP: &str = "0x9995855c00494d039ab6792f18e368e530dff93112f9571ed354b82e74b3b03938d2d7d26c61897be74024a7170b8052743de8b900\
        0000000000000000b1a2bc2ec50000fffffffffffffffffffffffff86e62730000000000000000000004114007e32b4000a01a8f32a3986eab505efec988\
        25";

    fn log(emitter: Address, topics: &str, data: &str) -> String {
        format!(r#"{{"address":"{}","topics":[{topics}],"data":"{data}"}}"#, hex::encode(emitter))
    }

    #[test]
    fn a_log_without_topics_is_read_by_its_length() {
        let data = SWAP.replace([' ', '\n'], "");
        let [core, other] = [EKUBO.emitters[0], Address::repeat_byte(7)];
        let venue = |emitter, topics: &str, data: &str| {
            let text = log(emitter, topics, data);
            let log = Log::read(&mut Cursor::new(&text), table()).unwrap();
            let (venue, emitter) = venue_of(&log, &[])?;
            Some((venue.name, emitter, (venue.read)(&log)))
        };
        let (name, emitter, event) = venue(core, "", &data).unwrap();
        let event = event.unwrap();
        assert_eq!((name, emitter), ("ekubo", Emitter::ListedVault));
        let id = b256!("12f9571ed354b82e74b3b03938d2d7d26c61897be74024a7170b8052743de8b9");
        assert_eq!((event.pool, event.holder), (PoolId::Key(id), core));
        let moved = [
            Moved { into: U256::from(50_000_000_000_000_000_u64), out: U256::ZERO },
            Moved { into: U256::ZERO, out: U256::from(126_983_565) },
        ];
        assert_eq!(event.claim, Claim::Pair(moved));
        // Another contract's is counted as that of an unlisted core; other lengths, or a topic, are something else.
        assert_eq!(venue(other, "", &data).unwrap().1, Emitter::UnlistedVault);
        assert_eq!(venue(core, "", &data[..data.len() - 2]), None);
        assert_eq!(venue(core, &format!(r#""0x{:064x}""#, 1), &data), None);
    }
}
