//! Opaque tokens: page cursors and resume tokens of the stream, in base64 that a URL holds unescaped.

use api_domain::{StepKey, TradeKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A text that is not a token made here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidToken;

/// The cursor that continues a list of trades below a trade.
pub(crate) fn trade_cursor(key: &TradeKey) -> String {
    encode(&(key.block_time, &key.chain, key.height, key.index, key.ordinal, &key.id, &key.trader))
}

/// The trade a cursor continues below.
pub(crate) fn read_trade_cursor(token: &str) -> Result<TradeKey, InvalidToken> {
    let (block_time, chain, height, index, ordinal, id, trader) = decode(token)?;
    Ok(TradeKey { block_time, chain, height, index, ordinal, id, trader })
}

/// The cursor that continues a list of assets after one.
pub(crate) fn asset_cursor(chain: &str, asset: &str) -> String {
    encode(&(chain, asset))
}

/// The chain and asset a cursor continues after.
pub(crate) fn read_asset_cursor(token: &str) -> Result<(String, String), InvalidToken> {
    decode(token)
}

/// The cursor that continues the trades of a position after one.
pub(crate) fn step_cursor(key: &StepKey) -> String {
    encode(&(key.block_time, key.height, key.index, key.ordinal, &key.id))
}

/// The trade of a position that a cursor continues after.
pub(crate) fn read_step_cursor(token: &str) -> Result<StepKey, InvalidToken> {
    let (block_time, height, index, ordinal, id) = decode(token)?;
    Ok(StepKey { block_time, height, index, ordinal, id })
}

/// The cursor that continues a list below a number: a day, a rank.
pub(crate) fn number_cursor(number: u64) -> String {
    encode(&(number,))
}

/// The number a cursor continues below.
pub(crate) fn read_number_cursor(token: &str) -> Result<u64, InvalidToken> {
    decode(token).map(|(number,)| number)
}

/// The cursor that continues a list by name after one.
pub(crate) fn name_cursor(name: &str) -> String {
    encode(&(name,))
}

/// The name a cursor continues after.
pub(crate) fn read_name_cursor(token: &str) -> Result<String, InvalidToken> {
    decode(token).map(|(name,)| name)
}

/// A resume token: version, the channel's letter, and the next position of every partition.
pub(crate) fn resume_token(letter: u8, next: impl ExactSizeIterator<Item = u64>) -> String {
    let mut bytes = Vec::with_capacity(4 + next.len() * 4);
    bytes.extend([1, letter]);
    for mut position in next {
        while position >= 0x80 {
            bytes.push(position.to_le_bytes()[0] | 0x80);
            position >>= 7;
        }
        bytes.push(position.to_le_bytes()[0]);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The channel's letter and the next position of every partition in a token of [`resume_token`].
pub(crate) fn read_resume_token(token: &str) -> Result<(u8, Vec<u64>), InvalidToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidToken)?;
    let [1, letter, rest @ ..] = bytes.as_slice() else { return Err(InvalidToken) };
    let (mut positions, mut position, mut shift) = (vec![], 0_u64, 0);
    for byte in rest {
        position |= u64::from(byte & 0x7f).checked_shl(shift).ok_or(InvalidToken)?;
        shift += 7;
        if byte & 0x80 == 0 {
            positions.push(position);
            (position, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok((*letter, positions)) } else { Err(InvalidToken) }
}

fn encode(parts: &impl serde::Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(parts).unwrap_or_default())
}

fn decode<T: serde::de::DeserializeOwned>(token: &str) -> Result<T, InvalidToken> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidToken)?;
    serde_json::from_slice(&bytes).map_err(|_| InvalidToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back() {
        let key = TradeKey {
            block_time: 1_700_000_000_000,
            chain: "mock".into(),
            height: 7,
            index: 1,
            ordinal: 2,
            id: "mock/0xb/0xt/2".into(),
            trader: "0xa".into(),
        };
        assert_eq!(read_trade_cursor(&trade_cursor(&key)), Ok(key));
        assert_eq!(read_asset_cursor(&asset_cursor("mock", "0xa")), Ok(("mock".into(), "0xa".into())));
        assert_eq!(read_trade_cursor(&asset_cursor("mock", "0xa")), Err(InvalidToken));
        assert_eq!(read_trade_cursor("?"), Err(InvalidToken));
        assert_eq!(read_name_cursor(&name_cursor("shop")), Ok("shop".into()));
        assert_eq!(read_name_cursor(&number_cursor(5)), Err(InvalidToken));
        let key =
            StepKey { block_time: 1_700_000_000_000, height: 7, index: 1, ordinal: 2, id: "mock/0xb/0xt/2".into() };
        assert_eq!(read_step_cursor(&step_cursor(&key)), Ok(key));
        assert_eq!(read_number_cursor(&number_cursor(19_676)), Ok(19_676));
    }

    #[test]
    fn resume_tokens_are_read_back() {
        let positions = [0, 127, 128, 300, u64::MAX];
        assert_eq!(read_resume_token(&resume_token(b't', positions.into_iter())), Ok((b't', positions.to_vec())));
        for wrong in [
            "",
            "?",
            "AXT_",
            &URL_SAFE_NO_PAD.encode([2, b't']),
            &URL_SAFE_NO_PAD.encode([[1, b't'].as_slice(), &[0xff; 12]].concat()),
        ] {
            assert_eq!(read_resume_token(wrong), Err(InvalidToken), "{wrong}");
        }
    }

    #[test]
    fn resume_tokens_differ_where_positions_do() {
        assert_eq!(
            resume_token(b't', [0, 127, 128, 300].into_iter()),
            URL_SAFE_NO_PAD.encode([1, b't', 0, 127, 0x80, 1, 0xac, 2])
        );
        assert_ne!(resume_token(b't', [1].into_iter()), resume_token(b'm', [1].into_iter()));
    }
}
