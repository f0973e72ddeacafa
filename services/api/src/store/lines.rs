//! Lines of text into rows: what does not fit is an error that names view and column.

use api_domain::{BalanceRow, Folded, PositionRow, Totals, TotalsRow, TradeKey, TradeRow, Wallet};
use std::str::FromStr;
use tape::{Unavailable, Usd};

/// One row, column by column.
pub(super) type Line = Vec<Option<String>>;

/// A view holds what it must not.
#[derive(Debug, thiserror::Error)]
#[error("{view}.{column} holds {found:?}")]
struct Misfit {
    view: &'static str,
    column: &'static str,
    found: Option<String>,
}

pub(super) fn folded(lines: &[Line]) -> Result<Folded, Unavailable> {
    lines
        .iter()
        .map(|line| {
            let mut cells = Cells::of("metrics.read_positions_v1", line.clone());
            Ok((cells.number("partition")?, cells.number("next")?))
        })
        .collect()
}

pub(super) fn trade(line: Line) -> Result<TradeRow, Unavailable> {
    let mut cells = Cells::of("metrics.trades_v1", line);
    let key = TradeKey {
        block_time: cells.number("block_time_ms")?,
        chain: cells.text("chain")?,
        height: cells.number("height")?,
        index: cells.number("tx_index")?,
        ordinal: cells.number("ordinal")?,
        id: cells.text("trade_id")?,
        trader: cells.text("trader")?,
    };
    let live = cells.text("status")? == "live";
    Ok(TradeRow { key, live, payload: cells.text("event")? })
}

pub(super) fn totals(line: Line) -> Result<TotalsRow, Unavailable> {
    let mut cells = Cells::of("metrics.user_totals_v1", line);
    let chain = cells.text("chain")?;
    let totals = Totals {
        volume: cells.usd("volume_usd")?,
        swaps: cells.number("swaps")?,
        unvalued: cells.number("unvalued")?,
        cycles: cells.number("cycles")?,
        fees: cells.usd("fees_usd")?,
        realized: cells.usd("realized_pnl_usd")?,
        realized_net: cells.usd("realized_pnl_net_usd")?,
        without_basis: cells.usd("proceeds_without_basis_usd")?,
    };
    Ok(TotalsRow { chain, totals })
}

pub(super) fn position(line: Line) -> Result<PositionRow, Unavailable> {
    let mut cells = Cells::of("metrics.positions_v1", line);
    Ok(PositionRow {
        chain: cells.text("chain")?,
        asset: cells.text("asset")?,
        symbol: cells.optional(),
        decimals: cells.optional_number("decimals")?,
        quantity: cells.text("quantity")?,
        unknown_quantity: cells.text("unknown_quantity")?,
        basis: cells.usd("basis_usd")?,
        realized: cells.usd("realized_pnl_usd")?,
        without_basis: cells.usd("proceeds_without_basis_usd")?,
    })
}

pub(super) fn wallet(line: Line) -> Result<Wallet, Unavailable> {
    let mut cells = Cells::of("portfolio.wallets_v1", line);
    let chain = cells.text("chain")?;
    let provider = cells.optional().filter(|provider| !provider.is_empty());
    let taken_at = cells.optional_number("taken_at")?.filter(|at| *at > 0);
    Ok(Wallet { chain, provider, taken_at })
}

pub(super) fn balance(line: Line) -> Result<BalanceRow, Unavailable> {
    let mut cells = Cells::of("portfolio.balances_v1", line);
    Ok(BalanceRow {
        chain: cells.text("chain")?,
        asset: cells.text("asset")?,
        symbol: cells.optional(),
        decimals: cells.optional_number("decimals")?,
        raw: cells.text("raw")?,
        spam: cells.truth("spam")?,
        provider: cells.text("provider")?,
        taken_at: cells.number("taken_at")?,
    })
}

/// The cells of one line, from left to right.
struct Cells {
    view: &'static str,
    cells: std::vec::IntoIter<Option<String>>,
}

impl Cells {
    fn of(view: &'static str, line: Line) -> Self {
        Self { view, cells: line.into_iter() }
    }

    fn optional(&mut self) -> Option<String> {
        self.cells.next().flatten()
    }

    fn text(&mut self, column: &'static str) -> Result<String, Unavailable> {
        self.optional().ok_or_else(|| self.misfit(column, None))
    }

    fn number<T: FromStr>(&mut self, column: &'static str) -> Result<T, Unavailable> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.misfit(column, Some(text)))
    }

    fn optional_number<T: FromStr>(&mut self, column: &'static str) -> Result<Option<T>, Unavailable> {
        let Some(text) = self.optional() else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.misfit(column, Some(text)))
    }

    fn usd(&mut self, column: &'static str) -> Result<Usd, Unavailable> {
        let text = self.text(column)?;
        Usd::parse(&text).map_err(|_| self.misfit(column, Some(text)))
    }

    fn truth(&mut self, column: &'static str) -> Result<bool, Unavailable> {
        match self.text(column)?.as_str() {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            other => Err(self.misfit(column, Some(other.to_owned()))),
        }
    }

    fn misfit(&self, column: &'static str, found: Option<String>) -> Unavailable {
        Unavailable::new(format!("understand {}", self.view), Misfit { view: self.view, column, found })
    }
}
