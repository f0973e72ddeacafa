//! Opaque tokens: cursors of pages and places in the log, as base64 that fits into an address unescaped.

use api_domain::{StepKey, TradeKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A text that is no token of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAToken;

/// The cursor that continues a list of trades below a trade.
pub(crate) fn after_trade(key: &TradeKey) -> String {
    seal(&(key.block_time, &key.chain, key.height, key.index, key.ordinal, &key.id, &key.trader))
}

/// The trade a cursor continues below.
pub(crate) fn trade(token: &str) -> Result<TradeKey, NotAToken> {
    let (block_time, chain, height, index, ordinal, id, trader) = open(token)?;
    Ok(TradeKey { block_time, chain, height, index, ordinal, id, trader })
}

/// The cursor that continues a list of assets after one.
pub(crate) fn after_asset(chain: &str, asset: &str) -> String {
    seal(&(chain, asset))
}

/// The chain and asset a cursor continues after.
pub(crate) fn asset(token: &str) -> Result<(String, String), NotAToken> {
    open(token)
}

/// The cursor that continues the trades of a position after one.
pub(crate) fn after_step(key: &StepKey) -> String {
    seal(&(key.block_time, key.height, key.index, key.ordinal, &key.id))
}

/// The trade of a position that a cursor continues after.
pub(crate) fn step(token: &str) -> Result<StepKey, NotAToken> {
    let (block_time, height, index, ordinal, id) = open(token)?;
    Ok(StepKey { block_time, height, index, ordinal, id })
}

/// The cursor that continues a list below a number: a day, a rank.
pub(crate) fn after_number(number: u64) -> String {
    seal(&(number,))
}

/// The number a cursor continues below.
pub(crate) fn number(token: &str) -> Result<u64, NotAToken> {
    open(token).map(|(number,)| number)
}

/// Where a reader stands in one log: version, the log's letter, and the next position of every partition.
pub(crate) fn at(log: u8, next: impl ExactSizeIterator<Item = u64>) -> String {
    let mut bytes = Vec::with_capacity(4 + next.len() * 4);
    bytes.extend([1, log]);
    for mut position in next {
        while position >= 0x80 {
            bytes.push(position.to_le_bytes()[0] | 0x80);
            position >>= 7;
        }
        bytes.push(position.to_le_bytes()[0]);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The log's letter and the next position of every partition that a token of [`at`] names.
pub(crate) fn place(token: &str) -> Result<(u8, Vec<u64>), NotAToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| NotAToken)?;
    let [1, log, rest @ ..] = bytes.as_slice() else { return Err(NotAToken) };
    let (mut positions, mut position, mut shift) = (vec![], 0_u64, 0);
    for byte in rest {
        position |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(NotAToken)?;
        shift += 7;
        if byte & 0x80 == 0 {
            positions.push(position);
            (position, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok((*log, positions)) } else { Err(NotAToken) }
}

fn seal(parts: &impl serde::Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(parts).unwrap_or_default())
}

fn open<T: serde::de::DeserializeOwned>(token: &str) -> Result<T, NotAToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| NotAToken)?;
    serde_json::from_slice(&bytes).map_err(|_| NotAToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_open_as_they_were_sealed() {
        let key = TradeKey {
            block_time: 1_700_000_000_000,
            chain: "mock".into(),
            height: 7,
            index: 1,
            ordinal: 2,
            id: "mock/0xb/0xt/2".into(),
            trader: "0xa".into(),
        };
        assert_eq!(trade(&after_trade(&key)), Ok(key));
        assert_eq!(asset(&after_asset("mock", "0xa")), Ok(("mock".into(), "0xa".into())));
        assert_eq!(trade(&after_asset("mock", "0xa")), Err(NotAToken));
        assert_eq!(trade("?"), Err(NotAToken));
        let key =
            StepKey { block_time: 1_700_000_000_000, height: 7, index: 1, ordinal: 2, id: "mock/0xb/0xt/2".into() };
        assert_eq!(step(&after_step(&key)), Ok(key));
        assert_eq!(number(&after_number(19_676)), Ok(19_676));
    }

    #[test]
    fn places_are_read_back() {
        let positions = [0, 127, 128, 300, u64::MAX];
        assert_eq!(place(&at(b't', positions.into_iter())), Ok((b't', positions.to_vec())));
        for wrong in [
            "",
            "?",
            "AXT_",
            &URL_SAFE_NO_PAD.encode([2, b't']),
            &URL_SAFE_NO_PAD.encode([[1, b't'].as_slice(), &[0xff; 12]].concat()),
        ] {
            assert_eq!(place(wrong), Err(NotAToken), "{wrong}");
        }
    }

    #[test]
    fn places_differ_where_positions_do() {
        assert_eq!(
            at(b't', [0, 127, 128, 300].into_iter()),
            URL_SAFE_NO_PAD.encode([1, b't', 0, 127, 0x80, 1, 0xac, 2])
        );
        assert_ne!(at(b't', [1].into_iter()), at(b'm', [1].into_iter()));
    }
}
