//! Opaque tokens: cursors of pages and places in the log, as base64 that fits into an address unescaped.

use api_domain::TradeKey;
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
