//! One call of a venue as legs: what its pool took and gave, and what was paid beside.

use crate::SOL;
use crate::frame::{self, Balance, Edge, Roles, Witness};
use crate::legs::{Cost, Leg, Scene};
use crate::moves::Move;
use crate::venues::{Claim, Pool, Venue};
use ruint::aliases::U256;

/// What one call tells about its parties.
struct Outside<'x, 's, 't, 'a> {
    scene: &'x Scene<'s, 't, 'a>,
    call: std::ops::Range<usize>,
    pool: Option<&'t str>,
    authority: Option<&'static str>,
}

impl Witness for Outside<'_, '_, '_, '_> {
    fn is_pool(&self, party: &str) -> bool {
        self.authority == Some(party) || self.pool == Some(party)
    }

    fn signs(&self, party: &str) -> bool {
        self.scene.holders.signs(party)
    }

    fn acts_elsewhere(&self, party: &str) -> bool {
        let mut others = self.scene.moves.iter().filter(|moved| !self.call.contains(&moved.at));
        let is = |place: Option<usize>| place.and_then(|at| self.scene.holders.party(at)) == Some(party);
        others.any(|moved| is(moved.from) || is(moved.to))
    }
}

/// The legs of one call: usually one, two in a two-hop swap, none in what is no swap.
pub(crate) fn exchange(
    scene: &Scene<'_, '_, '_>,
    at: usize,
    venue: &Venue,
    nested: &[std::ops::Range<usize>],
    with_minting: bool,
    unbacked: &mut u64,
) -> Vec<Leg> {
    let call = &scene.tree.calls[at];
    let within = scene.tree.within(at);
    let inside = |moved: &&Move<'_>| within.contains(&moved.at) && !nested.iter().any(|part| part.contains(&moved.at));
    let moves: Vec<&Move<'_>> = scene.moves.iter().filter(inside).collect();
    if moves.is_empty() {
        return vec![];
    }
    let mut edges = frame::edges(&moves, scene.holders, with_minting);
    let account = |place: usize| call.instruction.accounts.get(place).and_then(|at| scene.holders.name(at));
    let pool = match venue.pool {
        Pool::Account(place) => account(place),
        Pool::Party => None,
    };
    let claim = venue.claim.and_then(|read| read(scene.tree, at));
    if let Some(claim) = &claim {
        edges.extend(unseen(claim, &edges));
    } else if !venue.program.is_empty() {
        edges.extend(fallen(scene, &edges));
    }
    let outside = Outside { scene, call: at..call.end, pool, authority: venue.authority };
    let taker = claim.as_ref().map(|claim| claim.user.as_str()).or_else(|| venue.taker.and_then(account));
    let Some(roles) = frame::roles(&edges, taker, &outside) else {
        *unbacked += u64::from(claim.is_some());
        return vec![];
    };
    let stage = Stage { edges: &edges, roles: &roles, venue, pool, place: at, outside: &outside };
    let mut legs = if roles.pools.is_empty() {
        stage.between_vaults().into_iter().collect()
    } else {
        roles.pools.iter().filter_map(|pool| stage.through(pool)).collect::<Vec<Leg>>()
    };
    if let Some(first) = legs.first_mut() {
        let creators: Vec<&str> = venue.creators.iter().filter_map(|place| account(*place)).collect();
        stage.costs(first, &creators);
        if let Some(claim) = claim {
            settle(first, claim);
        }
    }
    legs
}

/// What a curve pays in lamports moves without an instruction: the event tells.
fn unseen<'h>(claim: &Claim, edges: &[Edge<'h>]) -> Option<Edge<'h>> {
    let given = edges.iter().find(|edge| edge.asset != SOL)?;
    let is_seen = edges.iter().any(|edge| edge.from == given.to);
    let raw = u128::from(claim.native);
    (!claim.is_buy && raw > 0 && !is_seen).then_some(Edge {
        from: given.to,
        to: given.from,
        asset: SOL,
        given: raw,
        got: raw,
        is_native: true,
    })
}

/// The same where no event is known: what took tokens and gave nothing, but has fewer lamports in the end, gave those.
fn fallen<'h>(scene: &Scene<'_, '_, '_>, edges: &[Edge<'h>]) -> Option<Edge<'h>> {
    let [given] = edges else { return None };
    let place = scene.transaction.message.keys.iter().position(|key| key == given.to)?;
    let (before, after) = scene.holders.lamports(place);
    let raw = u128::from(before.checked_sub(after).filter(|raw| *raw > 0)?);
    let is_plain = given.asset != SOL && !scene.holders.signs(given.to) && scene.holders.signs(given.from);
    is_plain.then_some(Edge { from: given.to, to: given.from, asset: SOL, given: raw, got: raw, is_native: true })
}

/// The program's own word on native SOL: fees apart, which is what others count too.
fn settle(leg: &mut Leg, claim: Claim) {
    let native = U256::from(claim.native);
    if native.is_zero() {
        return;
    }
    let told = |claim: Claim| {
        claim.costs.into_iter().map(|(kind, cost)| Cost {
            kind,
            asset: SOL.to_owned(),
            raw: cost.raw.into(),
            recipient: cost.recipient,
            included: false,
        })
    };
    if !claim.is_buy && leg.bought.0 == SOL {
        leg.costs.extend(told(claim));
    } else if claim.is_buy && leg.sold.0 == SOL && leg.sold.1 > native {
        // Some of what went to the curve was its fee.
        let rest = leg.sold.1 - native;
        leg.sold.1 = native;
        let rest = u128::try_from(rest).unwrap_or(u128::MAX);
        let recipient = Some(leg.pool.clone());
        leg.costs.push(Cost { kind: "protocol", asset: SOL.to_owned(), raw: rest, recipient, included: false });
    }
}

/// A call whose parties are known.
struct Stage<'x, 'h, W> {
    edges: &'x [Edge<'h>],
    roles: &'x Roles<'h>,
    venue: &'x Venue,
    pool: Option<&'x str>,
    place: usize,
    outside: &'x W,
}

impl<W: Witness> Stage<'_, '_, W> {
    fn between<'e>(&'e self, asset: &'e str) -> impl Iterator<Item = &'e Edge<'e>> + Clone {
        let edges: &'e [Edge<'e>] = self.edges;
        edges.iter().filter(move |edge| edge.asset == asset)
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
            costs: vec![],
            place: self.place,
        })
    }

    /// Whether what moves there moves on the trader's side, or between pools.
    fn is_main(&self, party: &str) -> bool {
        party == self.roles.user || self.roles.pools.contains(&party) || self.outside.signs(party)
    }

    /// Through a party that took one asset and gave another.
    fn through(&self, pool: &str) -> Option<Leg> {
        let ((bought, _), (sold, _)) = Balance::of(pool, self.edges).exchange()?;
        // From the trader or from the pool before: what somebody else puts in is not sold here.
        let given = self.between(sold).filter(|edge| edge.to == pool && self.is_main(edge.from));
        let into: u128 = given.map(|edge| edge.given).sum();
        let back = self.between(sold).filter(|edge| edge.from == pool && edge.to == self.roles.user);
        let into = into.saturating_sub(back.map(|edge| edge.got).sum());
        let out = || self.between(bought).filter(|edge| edge.from == pool);
        let main: u128 = out().filter(|edge| self.is_main(edge.to)).map(|edge| edge.got).sum();
        let out = if main > 0 { main } else { out().map(|edge| edge.got).max()? };
        self.leg(pool, (sold, into), (bought, out), vec![pool.to_owned()])
    }

    /// Where every vault is its own owner, only the trader has two sides.
    fn between_vaults(&self) -> Option<Leg> {
        let user = self.roles.user;
        let ((sold, _), (bought, _)) = Balance::of(user, self.edges).exchange()?;
        let given = self.between(sold).filter(|edge| edge.from == user);
        let largest = given.clone().max_by_key(|edge| edge.given)?;
        let into: u128 = given.filter(|edge| edge.to == largest.to).map(|edge| edge.given).sum();
        let got = self.between(bought).filter(|edge| edge.to == user);
        let payer = got.clone().max_by_key(|edge| edge.got)?.from;
        let out = got.map(|edge| edge.got).sum();
        self.leg(payer, (sold, into), (bought, out), vec![largest.to.to_owned(), payer.to_owned()])
    }

    /// What else was paid in the call: by the trader beside the price, by the pool out of it.
    fn costs(&self, leg: &mut Leg, creators: &[&str]) {
        for edge in self.edges {
            let is_pool =
                |party: &str| self.roles.pools.contains(&party) || leg.counterparts.iter().any(|known| known == party);
            let traded = [leg.sold.0.as_str(), leg.bought.0.as_str()].contains(&edge.asset);
            let third = !is_pool(edge.to) && !self.is_main(edge.to);
            let (from_user, from_pool) = (edge.from == self.roles.user, is_pool(edge.from));
            if third && traded && (from_user || from_pool) {
                let is_creator = creators.contains(&edge.to);
                leg.costs.push(Cost {
                    kind: if is_creator { "creator" } else { "protocol" },
                    asset: edge.asset.to_owned(),
                    raw: edge.given,
                    recipient: Some(edge.to.to_owned()),
                    included: from_pool,
                });
            }
            let kept = edge.given - edge.got;
            if kept > 0 && traded && !third {
                let (asset, included) = (edge.asset.to_owned(), true);
                leg.costs.push(Cost { kind: "transfer", asset, raw: kept, recipient: None, included });
            }
        }
        // One who is paid by the pool without being its trader is no fee, when nobody else is paid.
        let bought = u128::try_from(leg.bought.1).unwrap_or(u128::MAX);
        leg.costs.retain(|cost| cost.kind == "transfer" || cost.asset != leg.bought.0 || cost.raw != bought);
    }
}
