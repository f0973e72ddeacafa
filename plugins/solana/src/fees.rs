//! What a trade cost beside its price: shares of protocols and creators, the transaction itself, and what was sent to
//! platforms and to block builders.

use crate::SOL;
use crate::legs::{Cost, Leg, Scene};
use crate::net::Route;
use crate::settings::Settings;
use chain_plugin_sdk::Fee;
use chain_plugin_sdk::amount::uint256;
use ruint::aliases::U256;

/// Accounts of block builders that are tipped for a place in a block.
const TIPPED: [&str; 8] = [
    "96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5",
    "HFqU5x63VTqvQss8hp11i4wVV8bD44PvwucfZ2bU7gRe",
    "Cw8CFyM9FkoMi7K7Crf6HNQqf4uEMzpKw6QNghXLvLkY",
    "ADaUMid9yfUytqMBgopwjb2DTLSokTSzL1zt6iGPaS49",
    "DfXygSm4jCyNCybVYYK6DwvWqjKee8pbDmJGcLWNDXjh",
    "ADuUkR4vqLUMWXxW9gh6D6L8pMSawimctcNZ5pGwDcEt",
    "DttWaMuVvTiduZRnguLF7jNxTgiMBZ1hyAumKUiL2KRL",
    "3AVi9Tg9Uo68tJfuvoKvqKNWKkC5wPdSSdeBnizKZ6jT",
];

/// More fees than these are not listed.
const MOST: usize = 64;

/// What one trader sent away in a transaction, outside of the calls that are legs; each is listed once.
pub struct Beside<'x> {
    payments: Vec<Payment<'x>>,
    network: Option<u64>,
    /// The platform that the transaction belongs to.
    pub platform: Option<String>,
}

struct Payment<'x> {
    kind: &'static str,
    asset: &'x str,
    raw: u64,
    recipient: &'x str,
}

impl<'x> Beside<'x> {
    /// What `trader`, and the routers that traded for it, sent to others.
    pub fn of(
        scene: &'x Scene<'_, '_, '_>,
        covered: &[std::ops::Range<usize>],
        trader: &str,
        legs: &[Leg],
        settings: &Settings,
    ) -> Self {
        let holders = scene.holders;
        let ours = |party: &str| party == trader || legs.iter().any(|leg| leg.user == party);
        let partners = |party: &str| legs.iter().any(|leg| leg.counterparts.iter().any(|known| known == party));
        let (mut payments, mut platform) = (vec![], None);
        for moved in scene.moves.iter().filter(|moved| !covered.iter().any(|leg| leg.contains(&moved.at))) {
            let (Some(from), Some(to)) = (moved.from, moved.to) else { continue };
            let (Some(giver), Some(getter), Some(account)) = (holders.party(from), holders.party(to), holders.name(to))
            else {
                continue;
            };
            if !ours(giver) || ours(getter) || partners(getter) {
                continue;
            }
            let known = settings
                .platforms
                .iter()
                .find(|(_, platform)| platform.accounts.iter().any(|fee| fee == getter || fee == account));
            let kind = match known {
                Some((name, _)) => {
                    platform.get_or_insert_with(|| name.clone());
                    "platform"
                }
                None if TIPPED.contains(&getter) => "tip",
                None => "service",
            };
            payments.push(Payment { kind, asset: moved.asset, raw: moved.given, recipient: getter });
        }
        payments.extend(retained(scene, trader, legs));
        let by_program = || {
            let calls = |program: &String| scene.tree.calls.iter().any(|call| call.program == program);
            let mut all = settings.platforms.iter();
            all.find(|(_, platform)| platform.programs.iter().any(calls)).map(|(name, _)| name.clone())
        };
        let platform = platform.or_else(by_program);
        let network = (holders.payer() == trader).then_some(scene.transaction.meta.fee);
        Self { payments, network, platform }
    }

    /// The fees of a trade, those of its legs first. What was sent to somebody unknown counts as a fee only while it is
    /// small beside what was traded: no more than a tenth; larger sums are sent for another reason.
    pub fn take(&mut self, route: &Route<'_>, legs: &[Leg]) -> Vec<Fee> {
        let mut fees: Vec<Fee> = route.legs.iter().flat_map(|at| &legs[*at].costs).map(of_leg).collect();
        self.payments.retain(|payment| {
            let side = [route.sold, route.bought].into_iter().find(|(asset, _)| *asset == payment.asset);
            let is_small = side.is_some_and(|(_, raw)| U256::from(payment.raw) <= raw / U256::from(10));
            let is_ours = payment.kind != "service" || is_small;
            if is_ours {
                fees.push(Fee {
                    kind: payment.kind.to_owned(),
                    asset: payment.asset.to_owned(),
                    raw: uint256(U256::from(payment.raw)),
                    recipient: Some(payment.recipient.to_owned()),
                    included: false,
                });
            }
            !is_ours
        });
        if let Some(paid) = self.network.take() {
            let raw = uint256(U256::from(paid));
            fees.push(Fee { kind: "network".to_owned(), asset: SOL.to_owned(), raw, recipient: None, included: false });
        }
        fees.truncate(MOST);
        fees
    }
}

/// What a router's own accounts have more of in the end.
fn retained<'x>(scene: &'x Scene<'_, '_, '_>, trader: &str, legs: &[Leg]) -> Vec<Payment<'x>> {
    let holders = scene.holders;
    let mut kept: Vec<(&'x str, &'x str)> = vec![];
    for (_, holder) in holders.tokens() {
        let owner = holder.owner.as_ref();
        let crossed =
            legs.iter().any(|leg| leg.user == owner && (leg.sold.0 == holder.mint || leg.bought.0 == holder.mint));
        if crossed && owner != trader && !holders.signs(owner) && !kept.contains(&(owner, holder.mint)) {
            kept.push((owner, holder.mint));
        }
    }
    let payment = |(owner, mint): (&'x str, &'x str)| {
        let raw = u64::try_from(holders.change(owner, mint)).ok().filter(|raw| *raw > 0)?;
        Some(Payment { kind: "service", asset: mint, raw, recipient: owner })
    };
    kept.into_iter().filter_map(payment).collect()
}

fn of_leg(cost: &Cost) -> Fee {
    Fee {
        kind: cost.kind.to_owned(),
        asset: cost.asset.clone(),
        raw: uint256(U256::from(cost.raw)),
        recipient: cost.recipient.clone(),
        included: cost.included,
    }
}
