//! Lines of text into rows: what does not fit is an error that names view and column.

use api_domain::{
    BalanceRow, DriftRow, FeeRow, Folded, Leader, Point, PositionRow, Reached, Step, StepKey, Totals, TotalsRow,
    TradeKey, TradeRow, Wallet,
};
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
            let partition = cells.number("partition")?;
            Ok((partition, Reached { next: cells.number("next")?, as_of: cells.number("as_of")? }))
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

/// Totals per chain; hours of one chain that were not added up yet are added up here.
pub(super) fn totals(view: &'static str, lines: Vec<Line>) -> Result<Vec<TotalsRow>, Unavailable> {
    let mut rows: Vec<TotalsRow> = vec![];
    for line in lines {
        let mut cells = Cells::of(view, line);
        let chain = cells.text("chain")?;
        let totals = figures(&mut cells)?;
        match rows.iter_mut().find(|row| row.chain == chain) {
            Some(row) => row.totals = sum(&row.totals, &totals)?,
            None => rows.push(TotalsRow { chain, totals }),
        }
    }
    rows.sort_by(|a, b| a.chain.cmp(&b.chain));
    Ok(rows)
}

/// Points of a curve, oldest first.
pub(super) fn curve(lines: Vec<Line>) -> Result<Vec<Point>, Unavailable> {
    let mut points: Vec<Point> = vec![];
    for line in lines {
        let mut cells = Cells::of("metrics.user_hours_v1", line);
        let hour = cells.number("hour")?;
        let totals = figures(&mut cells)?;
        match points.last_mut().filter(|point| point.hour == hour) {
            Some(point) => point.totals = sum(&point.totals, &totals)?,
            None => points.push(Point { hour, totals }),
        }
    }
    points.reverse();
    Ok(points)
}

fn figures(cells: &mut Cells) -> Result<Totals, Unavailable> {
    let mut totals = Totals {
        volume: cells.usd("volume_usd")?,
        swaps: cells.number("swaps")?,
        unvalued: cells.number("unvalued")?,
        cycles: cells.number("cycles")?,
        fees: cells.usd("fees_usd")?,
        realized: cells.usd("realized_pnl_usd")?,
        realized_net: Usd::ZERO,
        proceeds: cells.usd("proceeds_usd")?,
        without_basis: cells.usd("proceeds_without_basis_usd")?,
    };
    let net = totals.realized.0.checked_sub(totals.fees.0).map(Usd);
    totals.realized_net = net.ok_or_else(|| too_much("metrics.user_hours_v1"))?;
    Ok(totals)
}

fn sum(one: &Totals, other: &Totals) -> Result<Totals, Unavailable> {
    one.plus(other).ok_or_else(|| too_much("metrics.user_hours_v1"))
}

fn too_much(view: &str) -> Unavailable {
    Unavailable::new(format!("add up {view}"), "the sum exceeds what dollars are kept in")
}

/// Days of fees, newest first; those of one day, chain and platform are added up.
pub(super) fn fees(lines: Vec<Line>) -> Result<Vec<FeeRow>, Unavailable> {
    let mut rows: Vec<FeeRow> = vec![];
    for line in lines {
        let mut cells = Cells::of("metrics.fees_v1", line);
        let row = FeeRow {
            day: cells.number("day")?,
            chain: cells.text("chain")?,
            platform: cells.text("platform")?,
            trades: cells.number("trades")?,
            fees: cells.usd("fees_usd")?,
        };
        let same =
            |known: &&mut FeeRow| known.day == row.day && known.chain == row.chain && known.platform == row.platform;
        match rows.last_mut().filter(same) {
            Some(known) => {
                known.trades += row.trades;
                let fees = known.fees.0.checked_add(row.fees.0).map(Usd);
                known.fees = fees.ok_or_else(|| too_much("metrics.fees_v1"))?;
            }
            None => rows.push(row),
        }
    }
    Ok(rows)
}

pub(super) fn leader(line: Line) -> Result<Leader, Unavailable> {
    let mut cells = Cells::of("metrics.leaders_v1", line);
    Ok(Leader {
        rank: cells.number("rank")?,
        trader: cells.text("trader")?,
        volume: cells.usd("volume_usd")?,
        swaps: cells.number("swaps")?,
        fees: cells.usd("fees_usd")?,
        realized: cells.usd("realized_pnl_usd")?,
        built_at: cells.number("built_at_ms")?,
    })
}

pub(super) fn method(lines: Vec<Line>) -> Result<String, Unavailable> {
    let line = lines.into_iter().next().unwrap_or_default();
    Cells::of("metrics.method_v1", line).text("name")
}

pub(super) fn step(line: Line) -> Result<Step, Unavailable> {
    let mut cells = Cells::of("metrics.trades_v1", line);
    let key = StepKey {
        block_time: cells.number("block_time_ms")?,
        height: cells.number("height")?,
        index: cells.number("tx_index")?,
        ordinal: cells.number("ordinal")?,
        id: cells.text("trade_id")?,
    };
    let (number, sale) = (cells.number("trades_after")?, cells.truth("sale")?);
    let (quantity, worth) = (cells.text("raw")?, cells.optional_usd("notional_usd")?);
    let realized = cells.optional_usd("realized_pnl_usd")?;
    let without_basis = cells.optional_usd("proceeds_without_basis_usd")?;
    // A trade of two positions realizes on the one that is sold.
    let told = sale && worth.is_some();
    Ok(Step {
        key,
        number,
        sale,
        quantity,
        worth,
        realized: realized.filter(|_| told),
        without_basis: without_basis.filter(|_| told),
        taken: cells.optional().filter(|_| sale),
        quantity_after: cells.text("quantity_after")?,
        unknown_after: cells.text("unknown_after")?,
        basis_after: cells.usd("basis_after")?,
    })
}

pub(super) fn drift(line: Line) -> Result<DriftRow, Unavailable> {
    let mut cells = Cells::of("portfolio.drift_v1", line);
    Ok(DriftRow {
        chain: cells.text("chain")?,
        asset: cells.text("asset")?,
        symbol: cells.optional(),
        decimals: cells.optional_number("decimals")?,
        balance: cells.text("balance")?,
        net: cells.text("net")?,
        drift: cells.text("drift")?,
        taken_at: cells.number("taken_at")?,
    })
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
        proceeds: cells.usd("proceeds_usd")?,
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
        net: cells.optional(),
        drift: cells.optional(),
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

    fn optional_usd(&mut self, column: &'static str) -> Result<Option<Usd>, Unavailable> {
        let Some(text) = self.optional() else { return Ok(None) };
        Usd::parse(&text).map(Some).map_err(|_| self.misfit(column, Some(text)))
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
