//! From logs to legs: the swap events of a transaction, each limited to what its pool really received and sent.

use crate::facts::{ContractFacts, WantedFacts};
use crate::hex;
use crate::keys::KeyedPool;
use crate::model::{
    Amount, Claim, CoinNumbers, Emitter, Leg, Moved, NATIVE_COIN, NumberedCoin, PoolId, SwapEvent, Transfer, Venue,
};
use crate::reports::{self, Filler, Report};
use crate::rpc::Receipt;
use crate::rules::Rules;
use crate::settlement::{self, SettledOrder, UserOperation};
use crate::transfers::{self, Backing};
use crate::twins::Twins;
use crate::two_sided::{self, TwoSidedExchange, UNKNOWN_VENUE};
use crate::venues::{self, ListedVault};
use crate::wrappings::Wrapping;
use alloy_primitives::{Address, U256};
use chain_plugin_sdk::DroppedEvents;

/// Of more tokens in one transaction, only those of its pools are asked for decimals and symbols.
const MAX_TOKENS_PER_TRANSACTION: usize = 32;

/// A swap event, its venue and its index among the logs.
struct FoundSwap {
    venue: &'static Venue,
    emitter: Emitter,
    /// The contract that told it.
    contract: Address,
    event: SwapEvent,
    place: u32,
}

/// What was decoded of one transaction that took effect.
pub(crate) struct DecodedTransaction {
    /// The transaction's index among the block's receipts.
    pub receipt: usize,
    /// All token transfers in it.
    pub transfers: Vec<Transfer>,
    /// Orders settled in it.
    pub orders: Vec<SettledOrder>,
    /// Operations bundled in it.
    pub operations: Vec<UserOperation>,
    /// Accounts that signed what a relay carried out.
    pub signers: Vec<Address>,
    /// Tokens that became shares on the way, and back.
    pub wrappings: Vec<Wrapping>,
    /// What routers report that they did.
    pub reports: Vec<Report>,
    /// The listed router that was called or that filled standing orders.
    pub filler: Option<Filler>,
    /// The venue whose listed manager told swaps in pools whose keys nobody knows: they became no legs.
    pub venue_of_unknown_keys: Option<&'static str>,
    twins: Twins,
    swaps: Vec<FoundSwap>,
    backing: Backing,
    /// Where nothing known happened: what the sender exchanged with one contract.
    exchange: Option<TwoSidedExchange>,
}

/// Counted beside what becomes of it: a swap event of a vault or manager that is not in the list.
const UNLISTED: &str = "unlisted";

/// Counted where it makes no trade: an exchange of the sender with a contract that is no known venue.
const TWO_SIDED: &str = "two-sided";

/// Why a swap event became no leg.
enum NoLeg {
    /// The pool did not receive and send in this transaction what the event claims.
    Unbacked,
    /// The pool's two tokens are unknown.
    NotAPool,
}

impl NoLeg {
    fn reason(&self) -> &'static str {
        match self {
            Self::Unbacked => "unbacked",
            Self::NotAPool => "not-a-pool",
        }
    }
}

/// Decodes the transactions of a block that have swaps, orders or reports.
pub(crate) fn decode_transactions(receipts: &[Receipt<'_>], rules: &Rules) -> Vec<DecodedTransaction> {
    receipts
        .iter()
        .enumerate()
        .filter(|(_, receipt)| receipt.succeeded())
        .filter_map(|(at, receipt)| {
            let (mut swaps, mut orders) = (find_swaps(receipt, &rules.vaults), settlement::read_orders(&receipt.logs));
            let (mut reports, filler) = (
                reports::read_reports(&receipt.logs),
                reports::find_filler(&receipt.logs, receipt.to.and_then(hex::address)),
            );
            let is_known = !(swaps.is_empty() && orders.is_empty() && reports.is_empty() && filler.is_none());
            if !is_known && !two_sided::is_likely(receipt) {
                return None;
            }
            let mut transfers = transfers::read_all(&receipt.logs);
            let twins = rules.twins.in_transaction(&transfers);
            twins.merge(&mut transfers);
            let mut exchange = None;
            if !is_known {
                exchange = Some(two_sided::find(hex::address(receipt.from)?, &transfers)?);
            }
            twins.rename(&mut orders, &mut reports);
            let operations = settlement::read_operations(&receipt.logs);
            let signers = settlement::read_signers(&receipt.logs);
            for swap in &mut swaps {
                swap.event = twins.of_event(swap.event);
                if let Some(complete) = swap.venue.complete {
                    swap.event = complete(swap.event, &transfers);
                }
            }
            let mut holders: Vec<Address> = swaps.iter().map(|swap| swap.event.holder).collect();
            holders.extend(swaps.iter().filter_map(|swap| swap.event.payer));
            holders.sort_unstable();
            holders.dedup();
            let mut backing = Backing::from_transfers(&holders, &transfers);
            let is_unnamed = |swap: &&FoundSwap| matches!(swap.event.claim, Claim::Unnamed { .. });
            let mut unnamed: Vec<Address> = swaps.iter().filter(is_unnamed).map(|swap| swap.event.holder).collect();
            unnamed.sort_unstable();
            backing.note_single(&unnamed, &transfers);
            let wrappings = receipt.logs.iter().filter_map(|log| Wrapping::read(log, &rules.vaults)).collect();
            Some(DecodedTransaction {
                receipt: at,
                transfers,
                orders,
                operations,
                signers,
                wrappings,
                reports,
                filler,
                venue_of_unknown_keys: None,
                twins,
                swaps,
                backing,
                exchange,
            })
        })
        .collect()
}

fn find_swaps(receipt: &Receipt<'_>, listed: &[ListedVault]) -> Vec<FoundSwap> {
    (0..)
        .zip(&receipt.logs)
        .filter_map(|(place, log)| {
            let (venue, emitter) = venues::venue_of(log, listed)?;
            Some(FoundSwap { venue, emitter, contract: hex::address(log.address)?, event: (venue.read)(log)?, place })
        })
        .collect()
}

impl DecodedTransaction {
    /// Notes the facts to ask for: of pools that received and sent something, keys of a manager's pools, and the tokens that moved.
    pub(crate) fn note_wanted(&self, pin: usize, rules: &Rules, wanted: &mut WantedFacts) {
        if self.exchange.is_some() && !rules.counts_two_sided {
            return;
        }
        let of_orders = self.orders.iter().filter_map(|order| order.terms).map(|terms| [terms.sold, terms.bought]);
        let of_reports = self.reports.iter().map(|report| [report.sold, report.bought]);
        let moved = |(token, _): &(Address, U256)| self.transfers.iter().any(|transfer| transfer.token == *token);
        for (token, _) in of_orders.flatten().chain(of_reports.flatten().filter(moved)) {
            if !rules.is_native(token) {
                wanted.tokens.entry(token).or_insert(pin);
            }
        }
        // Also tokens that went through no pool; but hostile transactions must not cost a call per transfer.
        let mut moved: Vec<Address> = self.transfers.iter().map(|transfer| transfer.token).collect();
        moved.sort_unstable();
        moved.dedup();
        for token in moved.into_iter().take(MAX_TOKENS_PER_TRANSACTION) {
            wanted.tokens.entry(token).or_insert(pin);
        }
        for FoundSwap { venue, emitter, contract, event, .. } in &self.swaps {
            let SwapEvent { pool, holder, claim, .. } = event;
            match (pool, claim) {
                (PoolId::Contract(pool), Claim::Pair(_)) if self.backing.is_two_way(*holder) => {
                    wanted.pools.entry(*pool).or_insert(pin);
                }
                // A key is looked for in all logs of its manager, which nobody must cause who is not known to be one.
                (PoolId::Key(key), _) if *emitter == Emitter::ListedVault => {
                    if let Some(kind) = venue.keys {
                        let pool = KeyedPool { id: *key, manager: *contract, kind };
                        wanted.keys.entry(*key).or_insert((pool, pin));
                    }
                }
                (PoolId::Contract(_), Claim::Named { sold, bought }) if *emitter == Emitter::ListedVault => {
                    for (token, _) in [sold, bought] {
                        wanted.tokens.entry(*token).or_insert(pin);
                    }
                }
                (PoolId::Contract(pool), Claim::Unnamed { coins: Some(coins), .. })
                    if self.backing.tokens(*holder).next().is_some() =>
                {
                    for coin in numbered(*pool, *coins) {
                        wanted.coins.entry(coin).or_insert(pin);
                    }
                }
                (PoolId::Key(_), _) | (PoolId::Contract(_), Claim::Named { .. } | Claim::Unnamed { .. }) => {}
                (PoolId::Contract(_), Claim::Pair(_)) => continue,
            }
            for token in self.backing.tokens(*holder) {
                wanted.tokens.entry(token).or_insert(pin);
            }
        }
    }

    /// Whether nothing known happened, and the sender exchanged one token for another with one contract.
    pub(crate) fn is_two_sided(&self) -> bool {
        self.exchange.is_some()
    }

    /// The legs, in the order of their events.
    pub(crate) fn legs(&mut self, facts: &ContractFacts, rules: &Rules, dropped: &mut DroppedEvents) -> Vec<Leg> {
        let mut legs = Vec::with_capacity(self.swaps.len());
        let mut holders: Vec<Address> = self.swaps.iter().map(|swap| swap.event.holder).collect();
        holders.sort_unstable();
        for swap in &self.swaps {
            let holder = swap.event.holder;
            let venue = swap.venue.name;
            if swap.emitter == Emitter::UnlistedVault {
                dropped.count(UNLISTED, venue);
            }
            let first = holders.partition_point(|of| *of < holder);
            let is_alone = holders.get(first + 1) != Some(&holder);
            match leg(swap, is_alone, facts, (rules, &self.twins), &mut self.backing) {
                Ok(leg) => legs.push(leg),
                Err(why) => {
                    if swap.emitter == Emitter::ListedVault && matches!(why, NoLeg::NotAPool) {
                        self.venue_of_unknown_keys = Some(venue);
                    }
                    dropped.count(why.reason(), venue);
                }
            }
        }
        match self.exchange {
            Some(exchange) if rules.counts_two_sided => legs.push(two_sided_leg(&exchange, rules)),
            Some(_) => dropped.count(TWO_SIDED, UNKNOWN_VENUE),
            None => {}
        }
        legs
    }
}

fn two_sided_leg(exchange: &TwoSidedExchange, rules: &Rules) -> Leg {
    let asset = |(token, raw): Amount| (rules.asset(token), raw);
    Leg {
        venue: UNKNOWN_VENUE.to_owned(),
        pool: PoolId::Contract(exchange.contract),
        holder: exchange.contract,
        sold: asset(exchange.sold),
        bought: asset(exchange.bought),
        recipient: None,
        place: 0,
        is_proved: true,
    }
}

/// A leg is worth the smaller of what its event claims and what moved; what one leg used up backs no other. An event
/// may name a token on both of its sides (a tax paid back into the pool, a flash loan): the difference counts.
fn leg(
    swap: &FoundSwap,
    is_alone: bool,
    facts: &ContractFacts,
    (rules, twins): (&Rules, &Twins),
    backing: &mut Backing,
) -> Result<Leg, NoLeg> {
    let FoundSwap { venue, emitter, event: SwapEvent { pool, holder, recipient, payer, .. }, place, .. } = swap;
    let is_believed = *emitter == Emitter::ListedVault;
    let (tokens, claimed) = sides(swap, is_alone, facts, (rules, twins), backing)?;
    let tokens = tokens.map(|token| twins.asset(token));
    let is_native = tokens.map(|token| rules.is_native(token));
    let is_taken = |at: usize| is_believed || is_native[at];
    let account = |at: usize| payer.filter(|_| claimed[at].into.is_zero()).unwrap_or(*holder);
    let cap = |at: usize| if is_taken(at) { claimed[at] } else { backing.cap(account(at), tokens[at], claimed[at]) };
    let capped: [Moved; 2] = [cap(0), cap(1)];
    let gain = |at: usize| capped[at].into.checked_sub(capped[at].out).filter(|raw| !raw.is_zero());
    let loss = |at: usize| capped[at].out.checked_sub(capped[at].into).filter(|raw| !raw.is_zero());
    let assets = tokens.map(|token| rules.asset(token));
    let (sold, bought) = match (gain(0), loss(1), gain(1), loss(0)) {
        (Some(into), Some(out), _, _) => ((assets[0], into), (assets[1], out)),
        (_, _, Some(into), Some(out)) => ((assets[1], into), (assets[0], out)),
        _ => return Err(NoLeg::Unbacked),
    };
    if sold.0 == bought.0 {
        return Err(NoLeg::NotAPool);
    }
    for (at, (token, used)) in tokens.into_iter().zip(capped).enumerate() {
        if !is_taken(at) {
            backing.use_up(account(at), token, used);
        }
    }
    let factory = match pool {
        PoolId::Contract(pool) if *emitter == Emitter::Pool => facts.pools.get(pool).and_then(|pool| pool.factory),
        PoolId::Contract(_) | PoolId::Key(_) => None,
    };
    let named = || match emitter {
        Emitter::UnlistedVault => format!("{}-like", venue.name),
        Emitter::Pool | Emitter::ListedVault => venue.name.to_owned(),
    };
    Ok(Leg {
        venue: factory.and_then(|factory| rules.venue(factory, venue.name)).unwrap_or_else(named),
        pool: *pool,
        holder: *holder,
        sold,
        bought,
        recipient: *recipient,
        place: *place,
        is_proved: is_believed || is_native == [false; 2],
    })
}

/// The two tokens of a swap, and what it claims to have moved of each.
fn sides(
    swap: &FoundSwap,
    is_alone: bool,
    facts: &ContractFacts,
    (rules, twins): (&Rules, &Twins),
    backing: &Backing,
) -> Result<([Address; 2], [Moved; 2]), NoLeg> {
    let SwapEvent { pool, holder, claim, .. } = &swap.event;
    let received = |raw: U256| Moved { into: raw, out: U256::ZERO };
    let sent = |raw: U256| Moved { into: U256::ZERO, out: raw };
    match (claim, pool) {
        (Claim::Pair(moved), PoolId::Contract(pool)) => {
            if !backing.is_two_way(*holder) {
                return Err(NoLeg::Unbacked);
            }
            Ok((facts.pools.get(pool).ok_or(NoLeg::NotAPool)?.tokens, *moved))
        }
        (Claim::Pair(moved), PoolId::Key(key)) => {
            let known = facts.keys.get(key).map(|key| key.tokens);
            let by_transfers = || tokens_by_transfers(*holder, *moved, is_alone, backing);
            Ok((known.or_else(by_transfers).ok_or(NoLeg::NotAPool)?, *moved))
        }
        (Claim::Named { sold, bought }, _) => Ok(([sold.0, bought.0], [received(sold.1), sent(bought.1)])),
        (Claim::Unnamed { sold, bought, coins }, _) => {
            let named = match (coins, pool) {
                (Some(coins), PoolId::Contract(pool)) => numbered(*pool, *coins).map(|coin| facts.coins.get(&coin)),
                _ => [None; 2],
            };
            let named = named.map(|token| token.map(|token| twins.asset(*token)));
            if let [Some(token_in), Some(token_out)] = named {
                let tokens = [(token_in, true), (token_out, false)];
                let moved = tokens.map(|(token, is_in)| moved_or_native(token, is_in, *holder, rules, backing));
                let [Some(token_in), Some(token_out)] = moved else { return Err(NoLeg::Unbacked) };
                return Ok(([token_in, token_out], [received(*sold), sent(*bought)]));
            }
            let token_in = backing.nearest(*holder, *sold, true, None);
            let token_out = backing.nearest(*holder, *bought, false, token_in);
            // One of the two may be native coin, which no log shows.
            if token_in.is_none() && token_out.is_none() {
                return Err(NoLeg::Unbacked);
            }
            let tokens = [token_in, token_out].map(|token| token.unwrap_or(NATIVE_COIN));
            Ok((tokens, [received(*sold), sent(*bought)]))
        }
    }
}

fn numbered(pool: Address, CoinNumbers { getter, sold, bought }: CoinNumbers) -> [NumberedCoin; 2] {
    [sold, bought].map(|number| NumberedCoin { pool, getter, number })
}

/// The coin that a pool names, if some of it moved; native coin, which no log shows, if it is that or wraps it.
fn moved_or_native(token: Address, is_in: bool, holder: Address, rules: &Rules, backing: &Backing) -> Option<Address> {
    if !backing.left(holder, token, is_in).is_zero() {
        return Some(token);
    }
    (rules.is_native(token) || rules.wrapped == Some(token)).then_some(NATIVE_COIN)
}

/// The tokens of a manager's pool whose key is unknown: those that moved to and from the manager by exactly these
/// amounts, in the order that pools keep them; native coin, which comes first, for the one that no log shows, if it
/// cannot have stayed in the manager for another swap.
fn tokens_by_transfers(manager: Address, moved: [Moved; 2], is_alone: bool, backing: &Backing) -> Option<[Address; 2]> {
    let exact = |at: usize| {
        let is_in = !moved[at].into.is_zero();
        let amount = if is_in { moved[at].into } else { moved[at].out };
        let token = backing.nearest(manager, amount, is_in, None)?;
        (backing.cap(manager, token, moved[at]) == moved[at] && backing.left(manager, token, is_in) == amount)
            .then_some(token)
    };
    match (exact(0), exact(1)) {
        (Some(first), Some(second)) => (first < second).then_some([first, second]),
        (None, Some(second)) if is_alone => Some([Address::ZERO, second]),
        _ => None,
    }
}
