//! Keys of pools of Uniswap V4 and PancakeSwap Infinity: where a key is asked for, and the proof that its hash is the pool's id.

use crate::hex;
use crate::model::KeyKind;
use crate::rpc;
use crate::venues::v4::V4_MANAGERS;
use alloy_primitives::{Address, B256, U256, address, keccak256};
use chain_plugin_sdk::jsonrpc::Call;

/// `Initialize(bytes32 indexed id, address indexed currency0, address indexed currency1, uint24 fee, int24 tickSpacing,
/// address hooks, uint160 sqrtPriceX96, int24 tick)`.
const INITIALIZE: &str = "0xdd466e674ea557f56295e2d0218a125ea4b4f0f6f3307b95f85e6110838d6438";

/// The same of Infinity, `Initialize(bytes32 indexed id, address indexed currency0, address indexed currency1, address hooks,
/// uint24 fee, bytes32 parameters, …)`, of its two kinds of pools.
const INFINITY_INITIALIZE: [&str; 2] = [
    "0x426cc62fe6a33a40ba2788c2c87a9c34ee4582b95bc9fa5a7bb7ae70b750b99c",
    "0xddfde5903015c0eb1671976c6c8f760f1328bec57f15286b6bdab2f955cab9c9",
];

/// `poolIdToPoolKey(bytes32)`.
const POOL_ID_TO_POOL_KEY: &str = "0x0e2d484a";

/// `poolKeys(bytes25)`.
const POOL_KEYS: &str = "0x86b6be7d";

/// The contracts that keep the keys of pools with positions, beside each of [`V4_MANAGERS`] in their order.
const V4_POSITION_MANAGERS: [Address; 16] = [
    address!("bd216513d74c8cf14cf4747e6aaa6420ff64ee9e"),
    address!("7c5f5a4bbd8fd63184577525326123b519429bdc"),
    address!("3c3ea4b57a46241e54610e5f022e5c45859a1017"),
    address!("d88f38f930b7952f2db2432cb002e7abbf3dd869"),
    address!("1ec2ebf4f37e7363fdfe3551602425af0b3ceef9"),
    address!("7a4a5c919ae2541aed11041a1aeee68f1287f95b"),
    address!("b74b1f14d2754acfcbbe1a221023a5cf50ab8acd"),
    address!("429ba70129df741b2ca2a85bc3a2a3328e5c09b4"),
    address!("4b2c77d209d3405f41a037ec6c77f7f5b8e2ca80"),
    address!("4529a01c7a0410167c5740c487a8de60232617bf"),
    address!("c585e0f504613b5fbf874f21af14c65260fb41fa"),
    address!("4ad2f4cca2682cbb5b950d660dd458a1d3f1baad"),
    address!("f66c7b99e2040f0d9b326b3b7c152e9663543d63"),
    address!("f7965f3981e4d5bc383bfbcb61501763e9068ca9"),
    address!("ddcad5775b2816a87495f207731b3571d7ee3c76"),
    address!("5b7ec4a94ff9bedb700fb82ab09d5846972f4016"),
];

/// A pool's key, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolKey {
    /// Its two currencies; zero is native coin.
    pub tokens: [Address; 2],
    /// The contract that is called around each swap; zero is none.
    pub hooks: Address,
}

/// A pool's id, and the contract that has the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyedPool {
    /// The hash of its key.
    pub id: B256,
    /// The contract that has the pool.
    pub manager: Address,
    /// How that contract is asked.
    pub kind: KeyKind,
}

impl KeyedPool {
    /// The calls that find a key: the pool's `Initialize` event, and what a contract keeps of keys: Uniswap's position
    /// manager, Infinity's manager itself.
    pub(crate) fn calls(&self, height: u64) -> [Call; 2] {
        let id = hex::encode(self.id);
        let (to, data) = match self.kind {
            KeyKind::UniswapV4 => {
                let at = V4_MANAGERS.iter().position(|known| *known == self.manager);
                let positions = at.map_or(Address::ZERO, |at| V4_POSITION_MANAGERS[at]);
                (positions, format!("{POOL_KEYS}{}{}", &id[2..52], "0".repeat(14)))
            }
            KeyKind::PancakeInfinity => (self.manager, format!("{POOL_ID_TO_POOL_KEY}{}", &id[2..])),
        };
        let call = format!(r#"[{{"to":"{}","data":"{data}"}},"latest"]"#, hex::encode(to));
        [self.event_call(0, height), Call::new("eth_call", call)]
    }

    /// The call for the pool's `Initialize` event in a range of blocks.
    pub(crate) fn event_call(&self, first: u64, last: u64) -> Call {
        let [clmm, bins] = INFINITY_INITIALIZE;
        let event = match self.kind {
            KeyKind::UniswapV4 => format!(r#""{INITIALIZE}""#),
            KeyKind::PancakeInfinity => format!(r#"["{clmm}","{bins}"]"#),
        };
        let logs = format!(
            r#"[{{"address":"{}","fromBlock":"{}","toBlock":"{}","topics":[{event},"{}"]}}]"#,
            hex::encode(self.manager),
            rpc::encode_height(first),
            rpc::encode_height(last),
            hex::encode(self.id)
        );
        Call::new("eth_getLogs", logs)
    }
}

impl PoolKey {
    /// Reads a log of the answer about logs; none unless its key has the pool's hash.
    pub(crate) fn from_log(pool: &KeyedPool, log: &rpc::Log<'_>) -> Option<Self> {
        let &[_, _, first, second] = log.topics.as_slice() else { return None };
        let [first, second] = [hex::words::<1>(first)?[0], hex::words::<1>(second)?[0]];
        match pool.kind {
            KeyKind::UniswapV4 => {
                let [fee, spacing, hooks, ..]: [U256; 5] = hex::words(log.data)?;
                Self::of_v4(pool.id, [first, second, fee, spacing, hooks])
            }
            KeyKind::PancakeInfinity => {
                let [hooks, fee, parameters] = hex::first_words(log.data)?;
                let manager = U256::from_be_slice(pool.manager.as_slice());
                Self::of_infinity(pool.id, [first, second, hooks, manager, fee, parameters])
            }
        }
    }

    /// Reads the answer of the contract that keeps keys; none unless the key has the pool's hash.
    pub(crate) fn from_keeper(pool: &KeyedPool, answer: &str) -> Option<Self> {
        match pool.kind {
            KeyKind::UniswapV4 => Self::of_v4(pool.id, hex::words(answer)?),
            KeyKind::PancakeInfinity => Self::of_infinity(pool.id, hex::words(answer)?),
        }
    }

    /// `currency0, currency1, fee, tickSpacing, hooks`.
    fn of_v4(id: B256, words: [U256; 5]) -> Option<Self> {
        Self::proved(id, &words, 4)
    }

    /// `currency0, currency1, hooks, poolManager, fee, parameters`.
    fn of_infinity(id: B256, words: [U256; 6]) -> Option<Self> {
        Self::proved(id, &words, 2)
    }

    fn proved(id: B256, words: &[U256], hooks: usize) -> Option<Self> {
        let bytes: Vec<[u8; 32]> = words.iter().map(U256::to_be_bytes).collect();
        let address = |at: usize| Address::from_slice(&bytes[at][12..]);
        (keccak256(bytes.concat()) == id).then(|| Self { tokens: [address(0), address(1)], hooks: address(hooks) })
    }

    /// As bytes for the host to keep.
    pub(crate) fn pack(&self) -> Vec<u8> {
        [self.tokens[0], self.tokens[1], self.hooks].concat()
    }

    /// From the bytes that the host kept.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 60] = bytes.try_into().ok()?;
        let part = |at: usize| Address::from_slice(&bytes[20 * at..20 * (at + 1)]);
        Some(Self { tokens: [part(0), part(1)], hooks: part(2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    #[test]
    fn topic_and_selector_are_the_hashes_of_their_names() {
        let initialize = "Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)";
        assert_eq!(INITIALIZE, hex::encode(keccak256(initialize)));
        assert_eq!(POOL_KEYS, hex::encode(&keccak256("poolKeys(bytes25)")[..4]));
        let of_infinity = [
            "Initialize(bytes32,address,address,address,uint24,bytes32,uint160,int24)",
            "Initialize(bytes32,address,address,address,uint24,bytes32,uint24)",
        ];
        assert_eq!(INFINITY_INITIALIZE.map(str::to_owned), of_infinity.map(|event| hex::encode(keccak256(event))));
        assert_eq!(POOL_ID_TO_POOL_KEY, hex::encode(&keccak256("poolIdToPoolKey(bytes32)")[..4]));
    }

    /// The pool of native coin and USDC at 0.05 % on Ethereum: its recorded id is the hash of its key.
    #[test]
    fn a_key_is_proved_by_its_hash() {
        let id = b256!("21c67e77068de97969ba93d4aab21826d33ca12bb9f565d8496e8fda8a82ca27");
        let usdc = address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48");
        let words = [U256::ZERO, U256::from_be_slice(usdc.as_slice()), U256::from(500), U256::from(10), U256::ZERO];
        let key = PoolKey::of_v4(id, words).unwrap();
        assert_eq!(key, PoolKey { tokens: [Address::ZERO, usdc], hooks: Address::ZERO });
        assert_eq!(PoolKey::unpack(&key.pack()), Some(key));
        let mut other = words;
        other[2] = U256::from(501);
        assert_eq!(PoolKey::of_v4(id, other), None);
    }
}
