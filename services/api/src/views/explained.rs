//! The JSON shapes of a position explained by its trades.

use super::PositionView;
use api_domain::PositionStep;
use serde::Serialize;
use tape::{Unavailable, Usd};
use utoipa::ToSchema;

/// A position and one page of the trades that its figures are made of, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// The address in normalized form.
    pub(crate) address: String,
    /// How the cost of what is sold is found: `average` or `fifo`.
    pub(crate) method: String,
    /// The position as it is now.
    pub(crate) position: PositionView,
    /// The trades, each with what it did.
    pub(crate) items: Vec<StepView>,
    /// The cursor of the next page; absent on the last one. A page that is short or empty may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One trade of a position.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    /// The trade.
    pub(crate) trade_id: String,
    /// Its number among the trades of the position in folding order, from 1.
    pub(crate) number: u64,
    /// Height of its block.
    pub(crate) height: u64,
    /// Time of its block, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// `buy` or `sell`.
    pub(crate) side: &'static str,
    /// How much of the asset.
    pub(crate) quantity: String,
    /// Worth of the trade; absent where it was not valued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worth_usd: Option<String>,
    /// What a valued sale realized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) realized_pnl_usd: Option<String>,
    /// What the known part of a sale had cost: proceeds less what was realized, or what a sale without a worth handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) basis_released_usd: Option<String>,
    /// What a purchase without a worth took over from what it was paid with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) basis_taken_over_usd: Option<String>,
    /// Proceeds of the part whose basis is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proceeds_usd: Option<String>,
    /// Proceeds of the part whose basis is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proceeds_without_basis_usd: Option<String>,
    /// First in, first out: the purchases that the sale took from, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lots: Vec<LotView>,
    /// What was held afterwards.
    pub(crate) after: HeldView,
}

/// A part of a purchase.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LotView {
    /// The trade that bought it.
    pub(crate) trade_id: String,
    /// How much of it.
    pub(crate) quantity: String,
    /// What that had cost.
    pub(crate) basis_usd: String,
}

/// What was held of an asset.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldView {
    /// With a known basis.
    pub(crate) quantity: String,
    /// With an unknown basis.
    pub(crate) unknown_quantity: String,
    /// What the known part cost.
    pub(crate) basis_usd: String,
}

impl TryFrom<PositionStep> for StepView {
    type Error = Unavailable;

    fn try_from(step: PositionStep) -> Result<Self, Unavailable> {
        let taken = step.taken.as_deref().map_or(Ok(vec![]), serde_json::from_str::<Vec<(String, String, String)>>);
        let taken = taken.map_err(|e| Unavailable::new(format!("read the lots of trade {}", step.key.id), e))?;
        let lot = |(trade_id, quantity, basis_usd)| LotView { trade_id, quantity, basis_usd };
        let difference = |a: Option<Usd>, b: Option<Usd>| Some(Usd(a?.0.checked_sub(b?.0)?));
        let proceeds = difference(step.worth, step.without_basis).filter(|_| step.sale);
        let text = |usd: Option<Usd>| usd.map(|usd| usd.to_string());
        Ok(Self {
            trade_id: step.key.id,
            number: step.number,
            height: step.key.height,
            at: step.key.block_time,
            side: if step.sale { "sell" } else { "buy" },
            quantity: step.quantity,
            worth_usd: text(step.worth),
            realized_pnl_usd: text(step.realized),
            basis_released_usd: text(difference(proceeds, step.realized).or(step.released.filter(|_| step.sale))),
            basis_taken_over_usd: text(step.released.filter(|_| !step.sale)),
            proceeds_usd: text(proceeds),
            proceeds_without_basis_usd: text(step.without_basis),
            lots: taken.into_iter().map(lot).collect(),
            after: HeldView {
                quantity: step.quantity_after,
                unknown_quantity: step.unknown_after,
                basis_usd: step.basis_after.to_string(),
            },
        })
    }
}
