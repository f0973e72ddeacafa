//! One call of a venue as legs: what its pool took and gave, and which fees were paid within the call.

use crate::model::{Leg, LegFee, PoolAccount, ReportedTrade, SOL, Venue};
use crate::parties::{KnownParties, PartyNet, PartyTransfer, Roles, party_transfers, roles};
use crate::transfers::Transfer;
use crate::view::TransactionView;
use chain_plugin_sdk::DroppedEvents;
use ruint::aliases::U256;
use std::ops::Range;

/// What the transaction and the venue say about the parties of one call.
struct PartiesOfCall<'x, 's, 't, 'a> {
    view: &'x TransactionView<'s, 't, 'a>,
    call: Range<usize>,
    pool: Option<&'t str>,
    authority: Option<&'static str>,
}

impl KnownParties for PartiesOfCall<'_, '_, '_, '_> {
    fn is_pool(&self, party: &str) -> bool {
        self.authority == Some(party) || self.pool == Some(party)
    }

    fn signs(&self, party: &str) -> bool {
        self.view.accounts.signs(party)
    }

    fn acts_elsewhere(&self, party: &str) -> bool {
        let mut others = self.view.transfers.iter().filter(|transfer| !self.call.contains(&transfer.call));
        others.any(|transfer| self.view.is_of_party(transfer.from, party) || self.view.is_of_party(transfer.to, party))
    }
}

/// A call that may be an exchange.
pub(crate) struct VenueCall<'x> {
    /// Its index in the call tree.
    pub(crate) at: usize,
    /// The venue that is called.
    pub(crate) venue: &'x Venue,
    /// Calls of other venues within it, which are legs of their own.
    pub(crate) nested: &'x [Range<usize>],
    /// Whether minting and burning count as giving and taking.
    pub(crate) with_minting: bool,
}

/// The legs of one call: usually one, two in a two-hop swap, none where nothing was exchanged. Counts a reported trade
/// that no transfer backs.
pub(crate) fn legs_of_call(
    view: &TransactionView<'_, '_, '_>,
    of: &VenueCall<'_>,
    dropped: &mut DroppedEvents,
) -> Vec<Leg> {
    let (at, venue) = (of.at, of.venue);
    let call = &view.tree.calls[at];
    let within = view.tree.within(at);
    let is_own = |transfer: &&Transfer<'_>| {
        within.contains(&transfer.call) && !of.nested.iter().any(|part| part.contains(&transfer.call))
    };
    let transfers: Vec<&Transfer<'_>> = view.transfers.iter().filter(is_own).collect();
    if transfers.is_empty() {
        return vec![];
    }
    let mut between = party_transfers(&transfers, view.accounts, of.with_minting);
    let account = |at: usize| call.instruction.accounts.get(at).and_then(|at| view.accounts.address(at));
    let pool = match venue.pool {
        PoolAccount::CallAccount(at) => account(at),
        PoolAccount::VaultOwner => None,
    };
    let reported = venue.read_event.and_then(|read| read(view.tree, at));
    if let Some(reported) = &reported {
        between.extend(reported_payout(reported, &between));
    } else if !venue.program.is_empty() {
        between.extend(payout_by_balance(view, &between));
    }
    let known = PartiesOfCall { view, call: at..call.end, pool, authority: venue.authority };
    let taker = reported.as_ref().map(|trade| trade.user.as_str()).or_else(|| venue.taker.and_then(account));
    let Some(roles) = roles(&between, taker, &known) else {
        if reported.is_some() {
            dropped.count("unbacked", venue.name);
        }
        return vec![];
    };
    let exchange = Exchange { transfers: &between, roles: &roles, venue, pool, call: at, known: &known };
    let mut legs = if roles.pools.is_empty() {
        exchange.leg_between_vaults().into_iter().collect()
    } else {
        roles.pools.iter().filter_map(|pool| exchange.leg_through(pool)).collect::<Vec<Leg>>()
    };
    if let Some(first) = legs.first_mut() {
        let creators: Vec<&str> = venue.creators.iter().filter_map(|at| account(*at)).collect();
        exchange.add_fees(first, &creators);
        if let Some(reported) = reported {
            apply_reported_native(first, reported);
        }
    }
    legs
}

/// The lamports that a bonding curve pays for tokens, by its event: no instruction shows them.
fn reported_payout<'h>(reported: &ReportedTrade, transfers: &[PartyTransfer<'h>]) -> Option<PartyTransfer<'h>> {
    let given = transfers.iter().find(|transfer| transfer.asset != SOL)?;
    let is_shown = transfers.iter().any(|transfer| transfer.from == given.to);
    let raw = u128::from(reported.native);
    (!reported.is_buy && raw > 0 && !is_shown).then_some(native_payout(given, raw))
}

/// The lamports that a pool without a known event pays: it took tokens, gave nothing, and has fewer lamports in the
/// end.
fn payout_by_balance<'h>(
    view: &TransactionView<'_, '_, '_>,
    transfers: &[PartyTransfer<'h>],
) -> Option<PartyTransfer<'h>> {
    let [given] = transfers else { return None };
    let at = view.transaction.message.keys.iter().position(|key| key == given.to)?;
    let (before, after) = view.accounts.lamports(at);
    let raw = u128::from(before.checked_sub(after).filter(|raw| *raw > 0)?);
    let is_sale = given.asset != SOL && !view.accounts.signs(given.to) && view.accounts.signs(given.from);
    is_sale.then_some(native_payout(given, raw))
}

/// Lamports in return for what was given.
fn native_payout<'h>(given: &PartyTransfer<'h>, raw: u128) -> PartyTransfer<'h> {
    PartyTransfer { from: given.to, to: given.from, asset: SOL, sent: raw, received: raw, is_native: true }
}

/// Takes the amount of native SOL from the program's event, which counts fees apart; others count it like that too.
fn apply_reported_native(leg: &mut Leg, reported: ReportedTrade) {
    let native = U256::from(reported.native);
    if native.is_zero() {
        return;
    }
    let sol_fee = |kind, raw, recipient| LegFee { kind, asset: SOL.to_owned(), raw, recipient, included: false };
    if !reported.is_buy && leg.bought.0 == SOL {
        let fees = reported.fees.into_iter();
        leg.fees.extend(fees.map(|(kind, fee)| sol_fee(kind, fee.raw.into(), fee.recipient)));
    } else if reported.is_buy && leg.sold.0 == SOL && leg.sold.1 > native {
        // The rest of what went to the curve was its fee.
        let rest = leg.sold.1 - native;
        leg.sold.1 = native;
        let rest = u128::try_from(rest).unwrap_or(u128::MAX);
        leg.fees.push(sol_fee("protocol", rest, Some(leg.pool.clone())));
    }
}

/// A call whose trader and pools are known.
struct Exchange<'x, 'h, K> {
    transfers: &'x [PartyTransfer<'h>],
    roles: &'x Roles<'h>,
    venue: &'x Venue,
    pool: Option<&'x str>,
    call: usize,
    known: &'x K,
}

impl<K: KnownParties> Exchange<'_, '_, K> {
    fn transfers_in<'e>(&'e self, asset: &'e str) -> impl Iterator<Item = &'e PartyTransfer<'e>> + Clone {
        let transfers: &'e [PartyTransfer<'e>] = self.transfers;
        transfers.iter().filter(move |transfer| transfer.asset == asset)
    }

    fn leg(&self, pool: &str, sold: (&str, u128), bought: (&str, u128), counterparts: Vec<String>) -> Option<Leg> {
        if sold.0 == bought.0 || sold.1 == 0 || bought.1 == 0 {
            return None;
        }
        Some(Leg {
            venue: self.venue.name.to_owned(),
            pool: self.pool.unwrap_or(pool).to_owned(),
            sold: (sold.0.to_owned(), U256::from(sold.1)),
            bought: (bought.0.to_owned(), U256::from(bought.1)),
            user: self.roles.user.to_owned(),
            counterparts,
            fees: vec![],
            call: self.call,
        })
    }

    /// Whether a party is the trader, a pool, or a signer: what moves among these is traded, not paid as a fee.
    fn is_principal(&self, party: &str) -> bool {
        party == self.roles.user || self.roles.pools.contains(&party) || self.known.signs(party)
    }

    /// The leg through a pool that took one asset and gave another.
    fn leg_through(&self, pool: &str) -> Option<Leg> {
        let ((bought, _), (sold, _)) = PartyNet::of_party(pool, self.transfers).one_for_one()?;
        // Only what comes from the trader or from the pool before is sold here, not what somebody else puts in.
        let given = self.transfers_in(sold).filter(|it| it.to == pool && self.is_principal(it.from));
        let into: u128 = given.map(|it| it.sent).sum();
        let returned = self.transfers_in(sold).filter(|it| it.from == pool && it.to == self.roles.user);
        let into = into.saturating_sub(returned.map(|it| it.received).sum());
        let out = || self.transfers_in(bought).filter(|it| it.from == pool);
        let to_principals: u128 = out().filter(|it| self.is_principal(it.to)).map(|it| it.received).sum();
        let out = if to_principals > 0 { to_principals } else { out().map(|it| it.received).max()? };
        self.leg(pool, (sold, into), (bought, out), vec![pool.to_owned()])
    }

    /// The leg of a trader between two vaults that are their own owners: only the trader has two sides.
    fn leg_between_vaults(&self) -> Option<Leg> {
        let user = self.roles.user;
        let ((sold, _), (bought, _)) = PartyNet::of_party(user, self.transfers).one_for_one()?;
        let given = self.transfers_in(sold).filter(|it| it.from == user);
        let largest = given.clone().max_by_key(|it| it.sent)?;
        let into: u128 = given.filter(|it| it.to == largest.to).map(|it| it.sent).sum();
        let got = self.transfers_in(bought).filter(|it| it.to == user);
        let payer = got.clone().max_by_key(|it| it.received)?.from;
        let out = got.map(|it| it.received).sum();
        self.leg(payer, (sold, into), (bought, out), vec![largest.to.to_owned(), payer.to_owned()])
    }

    /// Adds what else was paid in the call: by the trader beside the price, by the pool out of it, and what tokens
    /// keep.
    fn add_fees(&self, leg: &mut Leg, creators: &[&str]) {
        for transfer in self.transfers {
            let is_pool =
                |party: &str| self.roles.pools.contains(&party) || leg.counterparts.iter().any(|known| known == party);
            let is_traded = [leg.sold.0.as_str(), leg.bought.0.as_str()].contains(&transfer.asset);
            let is_to_third = !is_pool(transfer.to) && !self.is_principal(transfer.to);
            let (from_user, from_pool) = (transfer.from == self.roles.user, is_pool(transfer.from));
            if is_to_third && is_traded && (from_user || from_pool) {
                let is_creator = creators.contains(&transfer.to);
                leg.fees.push(LegFee {
                    kind: if is_creator { "creator" } else { "protocol" },
                    asset: transfer.asset.to_owned(),
                    raw: transfer.sent,
                    recipient: Some(transfer.to.to_owned()),
                    included: from_pool,
                });
            }
            let withheld = transfer.sent - transfer.received;
            if withheld > 0 && is_traded && !is_to_third {
                let (asset, included) = (transfer.asset.to_owned(), true);
                leg.fees.push(LegFee { kind: "transfer", asset, raw: withheld, recipient: None, included });
            }
        }
        // Where the pool pays a third party all that was bought, that is the trade's payout and no fee.
        let bought = u128::try_from(leg.bought.1).unwrap_or(u128::MAX);
        leg.fees.retain(|fee| fee.kind == "transfer" || fee.asset != leg.bought.0 || fee.raw != bought);
    }
}
