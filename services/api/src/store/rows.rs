//! Reads rows of text columns into the domain's types; an error names the view and the column.

mod assets;
mod worth;

pub(super) use assets::{asset_row, candle_row, pool_row, price_row, sum_of_counts};
pub(super) use worth::{balance_of_day, held_balance, price_of_day};

use super::sql::HOURS_ROW;
use api_domain::{
    BalancePrices, BalanceRow, BookRules, ConfidenceVolumes, DriftRow, FeeRow, FoldedPosition, FoldedPositions,
    HeldPosition, HistoryPoint, LeaderRow, PositionRow, PositionStep, StepKey, Totals, TotalsRow, TradeKey, TradeRow,
    Walk, WalletRow,
};
use num_bigint::BigUint;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::str::FromStr;
use tape::{Unavailable, Usd};

/// One row of an answer, column by column.
pub(super) type TextRow = Vec<Option<String>>;

/// A view holds a value that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("column {view}.{column} holds {found:?}, which cannot be read")]
struct InvalidColumn {
    view: &'static str,
    column: &'static str,
    found: Option<String>,
}

pub(super) fn folded_positions(rows: Vec<TextRow>) -> Result<FoldedPositions, Unavailable> {
    rows.into_iter()
        .map(|row| {
            let mut cells = Cells::new("metrics.read_positions_v1", row);
            let partition = cells.number("partition")?;
            Ok((partition, FoldedPosition { next: cells.number("next")?, as_of: cells.number("as_of")? }))
        })
        .collect()
}

/// A page of trades from the rows of a walk.
pub(super) fn trade_walk(rows: Vec<TextRow>) -> Result<Walk<TradeRow, TradeKey>, Unavailable> {
    read_walk(rows, trade_key, |key, cells| {
        let live = cells.text("status")? == "live";
        Ok(TradeRow { key, live, payload: cells.text("event")? })
    })
}

/// A page of a position's trades from the rows of a walk.
pub(super) fn step_walk(rows: Vec<TextRow>) -> Result<Walk<PositionStep, StepKey>, Unavailable> {
    read_walk(rows, step_key, position_step)
}

/// Keeps the rows that were asked for. Of the row at which the walk stopped, only the key may be what was asked for.
fn read_walk<T, K: Clone>(
    rows: Vec<TextRow>,
    read_key: impl Fn(&mut Cells) -> Result<K, Unavailable>,
    read_rest: impl Fn(K, &mut Cells) -> Result<T, Unavailable>,
) -> Result<Walk<T, K>, Unavailable> {
    let mut walk = Walk { rows: vec![], stopped_at: None };
    for row in rows {
        let mut cells = Cells::new("metrics.trades_v1", row);
        let (matches, last) = (cells.flag("matches")?, cells.flag("walked")?);
        let key = read_key(&mut cells)?;
        if last {
            walk.stopped_at = Some(key.clone());
        }
        if matches {
            walk.rows.push(read_rest(key, &mut cells)?);
        }
    }
    Ok(walk)
}

fn trade_key(cells: &mut Cells) -> Result<TradeKey, Unavailable> {
    Ok(TradeKey {
        block_time: cells.number("block_time_ms")?,
        chain: cells.text("chain")?,
        height: cells.number("height")?,
        index: cells.number("tx_index")?,
        ordinal: cells.number("ordinal")?,
        id: cells.text("trade_id")?,
        trader: cells.text("trader")?,
    })
}

/// Totals per chain; the rows of one chain are added up.
pub(super) fn totals_rows(view: &'static str, rows: Vec<TextRow>) -> Result<Vec<TotalsRow>, Unavailable> {
    let mut chains: Vec<TotalsRow> = vec![];
    for row in rows {
        let mut cells = Cells::new(view, row);
        let chain = cells.text("chain")?;
        let totals = read_totals(&mut cells)?;
        match chains.iter_mut().find(|known| known.chain == chain) {
            Some(known) => known.totals = known.totals.plus(&totals),
            None => chains.push(TotalsRow { chain, totals }),
        }
    }
    chains.sort_by(|a, b| a.chain.cmp(&b.chain));
    Ok(chains)
}

/// Totals of a window per chain, and what is in doubt of them in the part in which it is of all time.
pub(super) fn totals_of_window(rows: Vec<TextRow>) -> Result<Vec<TotalsRow>, Unavailable> {
    let (window, all_time) = hours_and_all_time(rows)?;
    let mut window = totals_rows("metrics.user_hours_v1", window)?;
    for row in &mut window {
        if let Some(all_time) = all_time.iter().find(|known| known.chain == row.chain) {
            row.totals.doubt_like(&all_time.totals);
        }
    }
    Ok(window)
}

/// Points of a history, each with its part of what is in doubt.
pub(super) fn history_in_doubt(rows: Vec<TextRow>) -> Result<Vec<HistoryPoint>, Unavailable> {
    let (hours, all_time) = hours_and_all_time(rows)?;
    let all_time = sum_of_totals(&all_time);
    let mut points = history_points(hours)?;
    for point in &mut points {
        point.totals.doubt_like(&all_time);
    }
    Ok(points)
}

/// The rows of hours, and the totals over all time that stand beside them; what a row is stands in its first column.
fn hours_and_all_time(rows: Vec<TextRow>) -> Result<(Vec<TextRow>, Vec<TotalsRow>), Unavailable> {
    let is_hours = |row: &TextRow| row.first().is_some_and(|first| first.as_deref() == Some(HOURS_ROW));
    let (hours, all_time): (Vec<TextRow>, Vec<TextRow>) = rows.into_iter().partition(is_hours);
    let rest = |rows: Vec<TextRow>| rows.into_iter().map(|row| row.into_iter().skip(1).collect()).collect();
    Ok((rest(hours), totals_rows("metrics.user_totals_v1", rest(all_time))?))
}

/// Points of a history, oldest first; the rows of one stretch of hours are added up.
fn history_points(rows: Vec<TextRow>) -> Result<Vec<HistoryPoint>, Unavailable> {
    let mut points: BTreeMap<u64, Totals> = BTreeMap::new();
    for row in rows {
        let mut cells = Cells::new("metrics.user_hours_v1", row);
        let hour = cells.number("hour")?;
        let totals = read_totals(&mut cells)?;
        points.entry(hour).and_modify(|known| *known = known.plus(&totals)).or_insert(totals);
    }
    Ok(points.into_iter().map(|(hour, totals)| HistoryPoint { hour, totals }).collect())
}

fn read_totals(cells: &mut Cells) -> Result<Totals, Unavailable> {
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
        basis_without_proceeds: cells.usd("basis_without_proceeds_usd")?,
        implausible: cells.number("implausible")?,
        implausible_usd: cells.usd("implausible_usd")?,
        by_confidence: ConfidenceVolumes {
            exact: cells.usd("volume_exact_usd")?,
            reported: cells.usd("volume_reported_usd")?,
            estimated: cells.usd("volume_estimated_usd")?,
            traced: cells.usd("volume_traced_usd")?,
        },
        in_doubt: cells.in_doubt()?,
        saturated: cells.saturated,
    };
    totals.realized_net = Usd(totals.realized.0.saturating_sub(totals.fees.0));
    Ok(totals)
}

/// The totals over all chains.
fn sum_of_totals(rows: &[TotalsRow]) -> Totals {
    rows.iter().fold(Totals::default(), |sum, row| sum.plus(&row.totals))
}

/// Fees by day, newest first; the rows of one day, chain and platform are added up.
pub(super) fn fee_rows(rows: Vec<TextRow>) -> Result<Vec<FeeRow>, Unavailable> {
    let mut days: Vec<FeeRow> = vec![];
    for row in rows {
        let mut cells = Cells::new("metrics.fees_v1", row);
        let row = FeeRow {
            day: cells.number("day")?,
            chain: cells.text("chain")?,
            platform: cells.text("platform")?,
            trades: cells.number("trades")?,
            fees: cells.usd("fees_usd")?,
        };
        let same =
            |known: &&mut FeeRow| known.day == row.day && known.chain == row.chain && known.platform == row.platform;
        match days.last_mut().filter(same) {
            Some(known) => {
                known.trades += row.trades;
                known.fees = Usd(known.fees.0.saturating_add(row.fees.0));
            }
            None => days.push(row),
        }
    }
    Ok(days)
}

pub(super) fn leader_row(row: TextRow) -> Result<LeaderRow, Unavailable> {
    let mut cells = Cells::new("metrics.leaders_v1", row);
    let (rank, trader) = (cells.number("rank")?, cells.text("trader")?);
    let mut totals = Totals {
        volume: cells.usd("volume_usd")?,
        swaps: cells.number("swaps")?,
        fees: cells.usd("fees_usd")?,
        realized: cells.usd("realized_pnl_usd")?,
        proceeds: cells.usd("proceeds_usd")?,
        without_basis: cells.usd("proceeds_without_basis_usd")?,
        basis_without_proceeds: cells.usd("basis_without_proceeds_usd")?,
        implausible: cells.number("implausible")?,
        implausible_usd: cells.usd("implausible_usd")?,
        ..Totals::default()
    };
    let (net_volume, wash) = (cells.usd("net_volume_usd")?, cells.usd("wash_usd")?);
    let counterparties = cells.number("counterparties")?;
    totals.saturated = cells.saturated;
    let built_at = cells.number("built_at_ms")?;
    let mut all_time = Totals { in_doubt: cells.in_doubt()?, ..Totals::default() };
    for proceeds in cells.json_list::<String>("proceeds_usd")? {
        let proceeds = cells.parsed_usd("proceeds_usd", proceeds)?;
        all_time.proceeds = Usd(all_time.proceeds.0.saturating_add(proceeds.0));
    }
    totals.doubt_like(&all_time);
    Ok(LeaderRow { rank, trader, totals, net_volume, wash, counterparties, built_at })
}

/// The rules of the book; none where it has none yet.
pub(super) fn book_rules(rows: Vec<TextRow>) -> Result<Option<BookRules>, Unavailable> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut cells = Cells::new("metrics.method_v1", row);
    let (method, natives) = (cells.text("name")?, cells.text("natives")?);
    let pairs = natives.split(',').filter_map(|pair| pair.split_once('='));
    let natives = pairs.map(|(chain, asset)| (chain.to_owned(), asset.to_owned())).collect();
    Ok(Some(BookRules { method, natives, max_notional: cells.text("max_notional_usd")? }))
}

fn step_key(cells: &mut Cells) -> Result<StepKey, Unavailable> {
    Ok(StepKey {
        block_time: cells.number("block_time_ms")?,
        height: cells.number("height")?,
        index: cells.number("tx_index")?,
        ordinal: cells.number("ordinal")?,
        id: cells.text("trade_id")?,
    })
}

fn position_step(key: StepKey, cells: &mut Cells) -> Result<PositionStep, Unavailable> {
    let (number, sale) = (cells.number("trades_after")?, cells.flag("sale")?);
    let (quantity, worth) = (cells.text("raw")?, cells.optional_usd("notional_usd")?);
    let realized = cells.optional_usd("realized_pnl_usd")?;
    let without_basis = cells.optional_usd("proceeds_without_basis_usd")?;
    // A trade changes two positions and realizes on the one that is sold.
    let realizes = sale && worth.is_some();
    Ok(PositionStep {
        key,
        number,
        sale,
        quantity,
        worth,
        realized: realized.filter(|_| realizes),
        without_basis: without_basis.filter(|_| realizes),
        taken: cells.optional().filter(|_| sale),
        released: cells.optional_usd("released_usd")?,
        quantity_after: cells.text("quantity_after")?,
        unknown_after: cells.text("unknown_after")?,
        basis_after: cells.usd("basis_after")?,
    })
}

pub(super) fn drift_row(row: TextRow) -> Result<DriftRow, Unavailable> {
    let mut cells = Cells::new("portfolio.drift_v1", row);
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

pub(super) fn position_row(row: TextRow) -> Result<PositionRow, Unavailable> {
    let mut cells = Cells::new("metrics.positions_v1", row);
    let mut position = PositionRow {
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
        basis_without_proceeds: cells.usd("basis_without_proceeds_usd")?,
        held_elsewhere: None,
        price: None,
    };
    let bought = cells.text("bought_quantity")?;
    if let Some(drift) = cells.optional() {
        let held = [&bought, &position.quantity, &position.unknown_quantity, &drift].map(String::as_str);
        let elsewhere = cells.held_position(held, position.proceeds)?.elsewhere();
        position.held_elsewhere = (elsewhere != BigUint::ZERO).then(|| elsewhere.to_string());
    }
    position.price = cells.price()?;
    Ok(position)
}

pub(super) fn wallet_row(row: TextRow) -> Result<WalletRow, Unavailable> {
    let mut cells = Cells::new("portfolio.wallets_v1", row);
    let chain = cells.text("chain")?;
    let provider = cells.optional().filter(|provider| !provider.is_empty());
    let taken_at = cells.optional_number("taken_at")?.filter(|at| *at > 0);
    let (left_out, left_out_reason) = (cells.number("left_out")?, cells.optional());
    let (failures, failure) = (cells.number("failures")?, cells.optional());
    let retry_at = cells.optional_number("retry_at")?;
    let as_of = cells.optional_number("as_of")?;
    Ok(WalletRow { chain, provider, taken_at, as_of, left_out, left_out_reason, failures, failure, retry_at })
}

pub(super) fn balance_row(row: TextRow) -> Result<BalanceRow, Unavailable> {
    let mut cells = Cells::new("portfolio.balances_v1", row);
    let mut balance = BalanceRow {
        chain: cells.text("chain")?,
        asset: cells.text("asset")?,
        symbol: cells.optional(),
        decimals: cells.optional_number("decimals")?,
        raw: cells.text("raw")?,
        spam: cells.optional_flag("is_spam")?,
        verified: cells.optional_flag("is_verified")?,
        provider: cells.text("provider")?,
        taken_at: cells.number("taken_at")?,
        net: cells.optional(),
        drift: cells.optional(),
        kept: cells.flag("kept")?,
        as_of: cells.optional_number("as_of")?,
        prices: BalancePrices { tape: cells.price()?, told: None },
    };
    balance.prices.told = cells.told_price(&balance.provider)?;
    Ok(balance)
}

/// The largest amount with the sign of a decimal that is larger; none where the text is no decimal.
fn largest_usd(text: &str) -> Option<Usd> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    let is_decimal = plain(whole) && plain(fraction) && fraction.len() <= Usd::DIGITS as usize;
    is_decimal.then_some(Usd(if digits.len() < text.len() { -i128::MAX } else { i128::MAX }))
}

/// The columns of one row, from left to right.
pub(super) struct Cells {
    view: &'static str,
    rest: std::vec::IntoIter<Option<String>>,
    /// Whether an amount was too large and is cut to the largest.
    pub(super) saturated: bool,
}

impl Cells {
    pub(super) fn new(view: &'static str, row: TextRow) -> Self {
        Self { view, rest: row.into_iter(), saturated: false }
    }

    fn optional(&mut self) -> Option<String> {
        self.rest.next().flatten()
    }

    pub(super) fn text(&mut self, column: &'static str) -> Result<String, Unavailable> {
        self.optional().ok_or_else(|| self.invalid_column(column, None))
    }

    pub(super) fn number<T: FromStr>(&mut self, column: &'static str) -> Result<T, Unavailable> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.invalid_column(column, Some(text)))
    }

    fn optional_number<T: FromStr>(&mut self, column: &'static str) -> Result<Option<T>, Unavailable> {
        let Some(text) = self.optional() else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.invalid_column(column, Some(text)))
    }

    pub(super) fn usd(&mut self, column: &'static str) -> Result<Usd, Unavailable> {
        let text = self.text(column)?;
        self.parsed_usd(column, text)
    }

    /// Parses a text of dollars. What is too large is cut to the largest, and said.
    fn parsed_usd(&mut self, column: &'static str, text: String) -> Result<Usd, Unavailable> {
        if let Ok(usd) = Usd::parse(&text) {
            return Ok(usd);
        }
        let Some(usd) = largest_usd(&text) else { return Err(self.invalid_column(column, Some(text))) };
        self.saturated = true;
        tracing::warn!(
            event = "sum.saturated",
            view = self.view,
            column,
            "an amount of dollars is too large and is cut"
        );
        Ok(usd)
    }

    /// A text of JSON that is a list; empty where there is none.
    fn json_list<T: DeserializeOwned>(&mut self, column: &'static str) -> Result<Vec<T>, Unavailable> {
        let Some(text) = self.optional() else { return Ok(vec![]) };
        serde_json::from_str(&text).map_err(|_| self.invalid_column(column, Some(text)))
    }

    /// The proceeds in doubt of a list of positions that a snapshot says less of than their trades.
    fn in_doubt(&mut self) -> Result<Usd, Unavailable> {
        let mut sum = Usd::ZERO;
        for [bought, quantity, unknown, drift, proceeds] in self.json_list::<[String; 5]>("drift")? {
            let proceeds = self.parsed_usd("proceeds_usd", proceeds)?;
            let position = self.held_position([&bought, &quantity, &unknown, &drift], proceeds)?;
            sum = Usd(sum.0.saturating_add(position.proceeds_in_doubt().0));
        }
        Ok(sum)
    }

    fn held_position(
        &self,
        [bought, quantity, unknown, drift]: [&str; 4],
        proceeds: Usd,
    ) -> Result<HeldPosition, Unavailable> {
        let invalid = |column, text: &str| self.invalid_column(column, Some(text.to_owned()));
        Ok(HeldPosition {
            bought: bought.parse().map_err(|_| invalid("bought_quantity", bought))?,
            quantity: quantity.parse().map_err(|_| invalid("quantity", quantity))?,
            unknown: unknown.parse().map_err(|_| invalid("unknown_quantity", unknown))?,
            drift: drift.parse().map_err(|_| invalid("drift", drift))?,
            proceeds,
        })
    }

    fn optional_usd(&mut self, column: &'static str) -> Result<Option<Usd>, Unavailable> {
        let Some(text) = self.optional() else { return Ok(None) };
        self.parsed_usd(column, text).map(Some)
    }

    fn flag(&mut self, column: &'static str) -> Result<bool, Unavailable> {
        self.optional_flag(column)?.ok_or_else(|| self.invalid_column(column, None))
    }

    fn optional_flag(&mut self, column: &'static str) -> Result<Option<bool>, Unavailable> {
        match self.optional().as_deref() {
            None => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(other) => Err(self.invalid_column(column, Some(other.to_owned()))),
        }
    }

    fn invalid_column(&self, column: &'static str, found: Option<String>) -> Unavailable {
        Unavailable::new(format!("read {}", self.view), InvalidColumn { view: self.view, column, found })
    }
}
