//! What a trade cost beside its price: fees of protocols and creators, the fee of the transaction, and what was sent to
//! platforms, to block builders and to others.

use crate::call_tree::CallTree;
use crate::model::{Leg, LegFee, Route, SOL};
use crate::programs::SYSTEM;
use crate::settings::Settings;
use crate::view::TransactionView;
use chain_plugin_sdk::Fee;
use chain_plugin_sdk::amount::uint256;
use ruint::aliases::U256;

/// Jito's accounts, which traders tip for a place in a block.
const TIP_ACCOUNTS: [&str; 8] = [
    "96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5",
    "HFqU5x63VTqvQss8hp11i4wVV8bD44PvwucfZ2bU7gRe",
    "Cw8CFyM9FkoMi7K7Crf6HNQqf4uEMzpKw6QNghXLvLkY",
    "ADaUMid9yfUytqMBgopwjb2DTLSokTSzL1zt6iGPaS49",
    "DfXygSm4jCyNCybVYYK6DwvWqjKee8pbDmJGcLWNDXjh",
    "ADuUkR4vqLUMWXxW9gh6D6L8pMSawimctcNZ5pGwDcEt",
    "DttWaMuVvTiduZRnguLF7jNxTgiMBZ1hyAumKUiL2KRL",
    "3AVi9Tg9Uo68tJfuvoKvqKNWKkC5wPdSSdeBnizKZ6jT",
];

/// Further fees of a trade are not listed.
const MAX_FEES_PER_TRADE: usize = 64;
/// A payment to an unknown account is a fee up to one part in so many of what was traded; larger ones have another
/// reason.
const SERVICE_FEE_DIVISOR: u64 = 10;

/// What one trader paid in a transaction outside of the calls that are legs; each payment goes to one trade.
pub(crate) struct OtherPayments<'x> {
    payments: Vec<Payment<'x>>,
    network_fee: Option<u64>,
    /// The platform that the transaction belongs to.
    pub(crate) platform: Option<String>,
}

struct Payment<'x> {
    kind: &'static str,
    asset: &'x str,
    raw: u64,
    recipient: &'x str,
}

impl<'x> OtherPayments<'x> {
    /// Finds what `trader`, and the routers that traded for it, sent to others.
    pub(crate) fn of_trader(
        view: &'x TransactionView<'_, '_, '_>,
        covered: &[std::ops::Range<usize>],
        trader: &str,
        legs: &[Leg],
        settings: &Settings,
    ) -> Self {
        let accounts = view.accounts;
        let is_ours = |party: &str| party == trader || legs.iter().any(|leg| leg.user == party);
        let is_partner = |party: &str| legs.iter().any(|leg| leg.counterparts.iter().any(|known| known == party));
        let (mut payments, mut platform) = (vec![], None);
        let is_outside = |call: usize| !covered.iter().any(|leg| leg.contains(&call));
        for transfer in view.transfers.iter().filter(|transfer| is_outside(transfer.call)) {
            let (Some(from), Some(to)) = (transfer.from, transfer.to) else { continue };
            let parties = (accounts.party(from), accounts.party(to), accounts.address(to));
            let (Some(giver), Some(getter), Some(account)) = parties else { continue };
            if !is_ours(giver) || is_ours(getter) || is_partner(getter) {
                continue;
            }
            // Lamports for an account that is being made are its deposit.
            if transfer.is_native && is_made_within(view.tree, to) {
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
                None if TIP_ACCOUNTS.contains(&getter) => "tip",
                None => "service",
            };
            payments.push(Payment { kind, asset: transfer.asset, raw: transfer.sent, recipient: getter });
        }
        payments.extend(kept_by_routers(view, trader, legs));
        let by_program = || {
            let calls = |program: &String| view.tree.calls.iter().any(|call| call.program == program);
            let mut all = settings.platforms.iter();
            all.find(|(_, platform)| platform.programs.iter().any(calls)).map(|(name, _)| name.clone())
        };
        let platform = platform.or_else(by_program);
        let network_fee = (accounts.payer() == trader).then_some(view.transaction.meta.fee);
        Self { payments, network_fee, platform }
    }

    /// Takes the fees of one trade, those of its legs first. A payment to an unknown account counts only while it is
    /// small beside what was traded.
    pub(crate) fn take_fees_of(&mut self, route: &Route<'_>, legs: &[Leg]) -> Vec<Fee> {
        let mut fees: Vec<Fee> = route.legs.iter().flat_map(|at| &legs[*at].fees).map(fee_of_leg).collect();
        self.payments.retain(|payment| {
            let side = [route.sold, route.bought].into_iter().find(|(asset, _)| *asset == payment.asset);
            let is_small =
                side.is_some_and(|(_, raw)| U256::from(payment.raw) <= raw / U256::from(SERVICE_FEE_DIVISOR));
            let is_fee = payment.kind != "service" || is_small;
            if is_fee {
                fees.push(Fee {
                    kind: payment.kind.to_owned(),
                    asset: payment.asset.to_owned(),
                    raw: uint256(U256::from(payment.raw)),
                    recipient: Some(payment.recipient.to_owned()),
                    included: false,
                });
            }
            !is_fee
        });
        if let Some(paid) = self.network_fee.take() {
            let raw = uint256(U256::from(paid));
            fees.push(Fee { kind: "network".to_owned(), asset: SOL.to_owned(), raw, recipient: None, included: false });
        }
        fees.truncate(MAX_FEES_PER_TRADE);
        fees
    }
}

/// Whether the system program made an account within the transaction. A plain account needs only lamports, so who is paid for
/// the first time was not made.
fn is_made_within(tree: &CallTree<'_, '_>, account: usize) -> bool {
    tree.calls.iter().filter(|call| call.program == SYSTEM).any(|call| {
        let number = call.instruction.data.bytes().first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let made = match number {
            // `CreateAccount` and `CreateAccountWithSeed`.
            Some(0 | 3) => 1,
            // `Assign` and `Allocate`, also with a seed.
            Some(1 | 8 | 9 | 10) => 0,
            _ => return false,
        };
        call.instruction.accounts.get(made) == Some(account)
    })
}

/// What the own accounts of routers hold more of traded assets in the end.
fn kept_by_routers<'x>(view: &'x TransactionView<'_, '_, '_>, trader: &str, legs: &[Leg]) -> Vec<Payment<'x>> {
    let accounts = view.accounts;
    let mut kept: Vec<(&'x str, &'x str)> = vec![];
    for (_, account) in accounts.token_accounts() {
        let (owner, mint) = (account.owner.as_ref(), account.mint);
        let traded = legs.iter().any(|leg| leg.user == owner && (leg.sold.0 == mint || leg.bought.0 == mint));
        if traded && owner != trader && !accounts.signs(owner) && !kept.contains(&(owner, mint)) {
            kept.push((owner, mint));
        }
    }
    let payment = |(owner, mint): (&'x str, &'x str)| {
        let raw = u64::try_from(accounts.balance_change(owner, mint)).ok().filter(|raw| *raw > 0)?;
        Some(Payment { kind: "service", asset: mint, raw, recipient: owner })
    };
    kept.into_iter().filter_map(payment).collect()
}

fn fee_of_leg(fee: &LegFee) -> Fee {
    Fee {
        kind: fee.kind.to_owned(),
        asset: fee.asset.clone(),
        raw: uint256(U256::from(fee.raw)),
        recipient: fee.recipient.clone(),
        included: fee.included,
    }
}
