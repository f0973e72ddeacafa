//! Pools in the manner of Uniswap V2: reserves of two tokens, their product kept.

use super::{Event, Venue};
use crate::hex;
use crate::rpc::Log;
use crate::transfers::Moved;

/// `Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out,
/// address indexed to)`.
pub const VENUE: Venue =
    Venue { name: "v2-like", topic: "0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822", read };

fn read(log: &Log<'_>) -> Option<Event> {
    let &[_, _sender, recipient] = log.topics.as_slice() else { return None };
    let [into0, into1, out0, out1] = hex::words(log.data)?;
    let moved = [Moved { into: into0, out: out0 }, Moved { into: into1, out: out1 }];
    Some(Event { recipient: hex::padded_address(recipient)?, moved })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, keccak256};

    #[test]
    fn the_topic_is_the_hash_of_the_signature() {
        let signature = "Swap(address,uint256,uint256,uint256,uint256,address)";
        assert_eq!(VENUE.topic, format!("{:#x}", keccak256(signature)));
    }

    #[test]
    fn amounts_come_in_the_order_of_the_signature() {
        let word = |value: u64| format!("{value:064x}");
        let json = format!(
            r#"{{"address":"0x00","topics":["{}","0x{}","0x{}"],"data":"0x{}{}{}{}"}}"#,
            VENUE.topic,
            word(1),
            word(2),
            word(10),
            word(0),
            word(3),
            word(20)
        );
        let event = read(&serde_json::from_str(&json).unwrap()).unwrap();
        let numbers = event.moved.map(|moved| (moved.into, moved.out));
        assert_eq!(numbers, [(10, 3), (0, 20)].map(|(into, out)| (U256::from(into), U256::from(out))));
        let short = json.replace(&word(20), "00");
        assert_eq!(read(&serde_json::from_str(&short).unwrap()), None);
    }
}
