//! Sums over the addresses of one owner: each address is read by the statements for one, all at one instant, and added up.
//!
//! **Invariant:** the sum over several addresses is the sum of the answers for each: what is in doubt is told of each wallet
//! by itself, and only then added.

use super::sql::Statement;
use super::{Store, read_each, rows, sql, worth_sql};
use crate::store::assets::UserHoldings;
use api_domain::{BalanceTotals, HistoryPoint, TotalsRow, UserQuery, worth_of_days};
use std::collections::BTreeMap;
use tape::Unavailable;

impl Store {
    /// Totals of these addresses per chain, from an hour on or over all time.
    pub async fn user_totals(
        &self,
        users: &[UserQuery],
        first_hour: Option<u64>,
    ) -> Result<Vec<TotalsRow>, Unavailable> {
        let statement = |user: &UserQuery| match first_hour {
            None => sql::user_totals(user, self.dialect()),
            Some(_) => sql::user_hours(user, first_hour, None, self.dialect()),
        };
        let mut sums: BTreeMap<String, TotalsRow> = BTreeMap::new();
        for answer in self.fetch_each("read metrics.user_totals_v1", weighted(users, statement)).await? {
            let of_user = match first_hour {
                None => rows::totals_rows("metrics.user_totals_v1", answer)?,
                Some(_) => rows::totals_of_window(answer)?,
            };
            for row in of_user {
                let plus = |sum: &mut TotalsRow| sum.totals = sum.totals.plus(&row.totals);
                sums.entry(row.chain.clone()).and_modify(plus).or_insert(row);
            }
        }
        Ok(sums.into_values().collect())
    }

    /// What happened to these addresses in stretches of `step_hours`, oldest first, without those in which nothing happened.
    pub async fn user_history(
        &self,
        users: &[UserQuery],
        first_hour: Option<u64>,
        step_hours: u64,
    ) -> Result<Vec<HistoryPoint>, Unavailable> {
        let statement = |user: &UserQuery| sql::user_hours(user, first_hour, Some(step_hours.max(1)), self.dialect());
        let mut sums: BTreeMap<u64, HistoryPoint> = BTreeMap::new();
        for answer in self.fetch_each("read metrics.user_hours_v1", weighted(users, statement)).await? {
            for point in rows::history_in_doubt(answer)? {
                let plus = |sum: &mut HistoryPoint| sum.totals = sum.totals.plus(&point.totals);
                sums.entry(point.hour).and_modify(plus).or_insert(point);
            }
        }
        Ok(sums.into_values().collect())
    }

    /// What these addresses hold by the trades, and their totals.
    pub async fn user_holdings(&self, users: &[UserQuery]) -> Result<UserHoldings, Unavailable> {
        let dialect = self.dialect();
        let most = worth_sql::MAX_POSITIONS_SUMMED / u32::try_from(users.len()).unwrap_or(u32::MAX).max(1);
        let mut statements = vec![];
        for user in users {
            statements.push(worth_sql::open_positions(user, &sql::select_positions(dialect), most + 1));
            statements.push(sql::user_totals(user, dialect));
            statements.push(worth_sql::balances_with_prices(user, most + 1, dialect));
        }
        let mut answers = self.fetch_each("read what a user holds", statements).await?.into_iter();
        let mut holdings = UserHoldings::default();
        while let (Some(positions), Some(totals), Some(balances)) = (answers.next(), answers.next(), answers.next()) {
            holdings.truncated |= positions.len().max(balances.len()) > most as usize;
            let first = |rows: Vec<rows::TextRow>| rows.into_iter().take(most as usize).collect();
            holdings.positions.extend(read_each(first(positions), rows::position_row)?);
            holdings.totals.extend(rows::totals_rows("metrics.user_totals_v1", totals)?);
            holdings.balances.extend(read_each(first(balances), rows::held_balance)?);
        }
        Ok(holdings)
    }

    /// What the wallets of these addresses were worth at the end of each day of a span, and whether there is more than was
    /// read of any of them.
    pub async fn worth_history(
        &self,
        users: &[UserQuery],
        days: [u64; 2],
    ) -> Result<(BTreeMap<u64, BalanceTotals>, bool), Unavailable> {
        let most = worth_sql::MAX_HISTORY_ROWS / u32::try_from(users.len()).unwrap_or(u32::MAX).max(1);
        let mut statements = vec![];
        for user in users {
            statements.push(worth_sql::balance_days(user, days[1], most + 1));
            statements.push(worth_sql::tape_prices_of_days(user, days, most + 1, self.dialect()));
            statements.push(worth_sql::told_prices_of_days(user, days, most + 1));
        }
        let mut answers = self.fetch_each("read what wallets held by the day", statements).await?.into_iter();
        let (mut sums, mut truncated) = (BTreeMap::<u64, BalanceTotals>::new(), false);
        while let (Some(held), Some(tape), Some(told)) = (answers.next(), answers.next(), answers.next()) {
            truncated |= held.len().max(tape.len()).max(told.len()) > most as usize;
            let held = read_each(held, rows::balance_of_day)?;
            let prices = read_each(tape.into_iter().chain(told).collect(), rows::price_of_day)?;
            let prices: Vec<_> = prices.into_iter().flatten().collect();
            for (day, totals) in worth_of_days(&held, &prices, days[0], days[1]) {
                let sum = sums.remove(&day).unwrap_or_default().plus(&totals);
                sums.insert(day, sum);
            }
        }
        Ok((sums, truncated))
    }
}

/// A statement for each address; those for several are of the class that reads much.
pub(super) fn weighted(users: &[UserQuery], statement: impl Fn(&UserQuery) -> Statement) -> Vec<Statement> {
    let weigh = |statement: Statement| if users.len() > 1 { statement.costly() } else { statement };
    users.iter().map(|user| weigh(statement(user))).collect()
}
