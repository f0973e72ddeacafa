//! Reads the rows of what wallets hold in dollars.

use super::{Cells, TextRow};
use api_domain::{BalanceOfDay, BalancePrices, HOUR_MS, HeldBalance, PriceOfDay, ToldPrice};
use tape::Unavailable;

pub(in crate::store) fn held_balance(row: TextRow) -> Result<HeldBalance, Unavailable> {
    let mut cells = Cells::new("portfolio.balances_v1", row);
    let (chain, raw) = (cells.text("chain")?, cells.number("raw")?);
    let is_spam = cells.optional_flag("is_spam")? == Some(true);
    let (tape, provider) = (cells.price()?, cells.text("provider")?);
    let told = cells.told_price(&provider)?;
    Ok(HeldBalance { chain, raw, is_spam, prices: BalancePrices { tape, told } })
}

pub(in crate::store) fn balance_of_day(row: TextRow) -> Result<BalanceOfDay, Unavailable> {
    let mut cells = Cells::new("portfolio.balance_days_v1", row);
    Ok(BalanceOfDay {
        chain: cells.text("chain")?,
        asset: cells.text("asset")?,
        day: cells.number("day")?,
        raw: cells.number("raw")?,
        is_spam: cells.optional_flag("spam")? == Some(true),
    })
}

/// A price of the tape, or of a provider where the row names one; none where there was none before the span.
pub(in crate::store) fn price_of_day(row: TextRow) -> Result<Option<PriceOfDay>, Unavailable> {
    let mut cells = Cells::new("portfolio.told_prices_v1", row);
    let (chain, asset, provider) = (cells.text("chain")?, cells.text("asset")?, cells.optional());
    let price = cells.price()?;
    Ok(price.map(|price| PriceOfDay { chain, asset, day: price.at / (24 * HOUR_MS), price, provider }))
}

impl Cells {
    /// What a provider says of the price of an asset.
    pub(super) fn told_price(&mut self, provider: &str) -> Result<Option<ToldPrice>, Unavailable> {
        Ok(self.price()?.map(|price| ToldPrice { price, provider: provider.to_owned() }))
    }
}
