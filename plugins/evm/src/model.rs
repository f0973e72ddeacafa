//! The words that all modules share: venues and their swap events, what moved, legs and routes.
//!
//! A leaf: it knows how logs look, and no module that reads or judges them.

use crate::hex;
use crate::rpc::Log;
use alloy_primitives::{Address, B256, U256, address};

/// What stands for native coin in events; some venues use the zero address instead.
pub const NATIVE_COIN: Address = Address::repeat_byte(0xee);

/// Logs of this address say that native coin moved, on chains with EIP-7708.
pub const NATIVE_LOGS: Address = address!("fffffffffffffffffffffffffffffffffffffffe");

/// A fee takes at most one part in so many of an amount: the fees of routers and platforms stay below a tenth, and what
/// is missing beyond that went elsewhere.
pub const MAX_FEE_DIVISOR: u64 = 10;

/// An amount of an asset, in its smallest unit.
pub type Amount = netting::Amount<Address>;

/// What was given for what, through which legs.
pub type Route = netting::Route<Address>;

/// One movement of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The contract that emitted the event.
    pub token: Address,
    /// Who gave.
    pub from: Address,
    /// Who got.
    pub to: Address,
    /// In the token's smallest unit.
    pub raw: U256,
}

/// What came into and went out of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Received.
    pub into: U256,
    /// Sent.
    pub out: U256,
}

/// A kind of pool and its swap event.
#[derive(Clone, Copy, Debug)]
pub struct Venue {
    /// What its legs are called where the pool's factory has no name of its own.
    pub name: &'static str,
    /// The signature of its swap event; the first topic is its hash.
    pub signature: &'static str,
    /// The contracts that are believed without a transfer beside each event; all others as far as their tokens moved.
    pub emitters: &'static [Address],
    /// Reads the event; none when the log is not one, whatever its topic says.
    pub read: fn(&Log<'_>) -> Option<SwapEvent>,
    /// How the keys of its pools are looked for, where a pool is a key.
    pub keys: Option<KeyKind>,
    /// Adds to the event what only the transfers of the transaction show.
    pub complete: Option<fn(SwapEvent, &[Transfer]) -> SwapEvent>,
}

impl Venue {
    /// A venue whose event is believed from any contract, as far as tokens moved.
    pub const fn anywhere(
        name: &'static str,
        signature: &'static str,
        read: fn(&Log<'_>) -> Option<SwapEvent>,
    ) -> Self {
        Self { name, signature, emitters: &[], read, keys: None, complete: None }
    }

    /// Whether one contract, known by its address, holds the tokens of many pools.
    pub fn is_vault(&self) -> bool {
        !self.emitters.is_empty()
    }
}

/// The managers that have a pool for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// Uniswap V4.
    UniswapV4,
    /// PancakeSwap Infinity.
    PancakeInfinity,
}

/// Whose word a swap event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emitter {
    /// A pool's own: it counts as far as tokens moved.
    Pool,
    /// That of a vault or manager in the list, which is believed.
    ListedVault,
    /// That of a contract which speaks like a vault and is not in the list: it counts as far as tokens moved.
    UnlistedVault,
}

/// What names a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolId {
    /// A contract of its own.
    Contract(Address),
    /// A key in a manager that holds many.
    Key(B256),
}

impl PoolId {
    /// As hex digits in lower case, with prefix.
    pub fn encode(&self) -> String {
        match self {
            Self::Contract(address) => hex::encode(address),
            Self::Key(key) => hex::encode(key),
        }
    }
}

/// What a swap event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapEvent {
    /// Which pool.
    pub pool: PoolId,
    /// Who holds its tokens.
    pub holder: Address,
    /// Who got what was bought, where the event says so.
    pub recipient: Option<Address>,
    /// Who sent what was bought, where that is not who holds the tokens.
    pub payer: Option<Address>,
    /// What moved.
    pub claim: Claim,
}

impl SwapEvent {
    /// An event that names no recipient.
    pub fn new(pool: PoolId, holder: Address, claim: Claim) -> Self {
        Self { pool, holder, recipient: None, payer: None, claim }
    }

    /// The same event with its recipient.
    #[must_use]
    pub fn to(self, recipient: Address) -> Self {
        Self { recipient: Some(recipient), ..self }
    }
}

/// What an event says that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Of the pool's first token and of its second, from the pool's view; the pool says which tokens they are.
    Pair([Moved; 2]),
    /// The event names the tokens.
    Named {
        /// Received by the pool.
        sold: Amount,
        /// Sent by the pool.
        bought: Amount,
    },
    /// Only amounts, and maybe the numbers of the pool's coins; else the transfers show which tokens.
    Unnamed {
        /// Received by the pool.
        sold: U256,
        /// Sent by the pool.
        bought: U256,
        /// Which coins of the pool, where the event says so.
        coins: Option<CoinNumbers>,
    },
}

/// The two coins of a swap by their numbers, which the pool can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoinNumbers {
    /// How the pool is asked.
    pub getter: CoinGetter,
    /// Of the coin that the pool received.
    pub sold: u8,
    /// Of the coin that the pool sent.
    pub bought: u8,
}

impl CoinNumbers {
    /// None where a number is too large to be one.
    pub fn new(getter: CoinGetter, [sold, bought]: [U256; 2]) -> Option<Self> {
        Some(Self { getter, sold: u8::try_from(sold).ok()?, bought: u8::try_from(bought).ok()? })
    }

    /// Of a pool of two coins, by whether its first was sold.
    pub fn of_two(getter: CoinGetter, is_first_sold: bool) -> Self {
        let (sold, bought) = if is_first_sold { (0, 1) } else { (1, 0) };
        Self { getter, sold, bought }
    }
}

/// By which functions pools tell a coin's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoinGetter {
    /// `coins(uint256)`, `coins(int128)` of the first pools.
    Curve,
    /// `getToken(uint8)`.
    Saddle,
    /// `getTokenX()`, `getTokenY()`.
    LiquidityBook,
    /// `tokenA()`, `tokenB()`.
    Maverick,
}

/// A coin of a pool by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumberedCoin {
    /// The pool.
    pub pool: Address,
    /// How the pool is asked.
    pub getter: CoinGetter,
    /// Its number.
    pub number: u8,
}

/// One pool crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The venue's name.
    pub venue: String,
    /// The pool.
    pub pool: PoolId,
    /// Who holds the pool's tokens.
    pub holder: Address,
    /// What the pool received, and how much.
    pub sold: Amount,
    /// What the pool sent, and how much.
    pub bought: Amount,
    /// Who got what was bought, where the event says so.
    pub recipient: Option<Address>,
    /// The event's index among the logs of the transaction.
    pub place: u32,
    /// Whether both amounts are held by transfers or a vault's own books. Native coin leaves no log: a pool that says it
    /// moved some is believed, and nothing is valued by it.
    pub is_proved: bool,
}

impl netting::Leg for Leg {
    type Asset<'l> = Address;

    fn sold(&self) -> Amount {
        self.sold
    }

    fn bought(&self) -> Amount {
        self.bought
    }
}
