//! The rows of a chain's native coin: a response may tell one balance of it several times, under several names.
//!
//! **Invariant:** the coin's balance counts once. Only what its wrapper holds is added to it.

use portfolio_domain::{Balance, Snapshot};
use tape::Raw;

/// The rows that were read of the native coin and of the contract that wraps it.
#[derive(Debug, Default)]
pub(super) struct NativeCoin {
    /// Told by the contract that is the coin.
    contract: Option<Balance>,
    /// Told by rows of the native coin.
    native: Vec<Balance>,
    wrapped: Option<Balance>,
    untold: Vec<String>,
}

impl NativeCoin {
    /// Adds a row of the coin: of its contract, or of the native coin itself.
    pub(super) fn add_told(&mut self, balance: Balance, is_contract: bool) {
        if is_contract { self.contract = Some(balance) } else { self.native.push(balance) }
    }

    /// Adds the row of the contract that wraps the coin.
    pub(super) fn add_wrapped(&mut self, balance: Balance) {
        self.wrapped = Some(balance);
    }

    /// Adds a row of the coin that cannot be told, with the reason.
    pub(super) fn add_untold(&mut self, reason: String) {
        self.untold.push(reason);
    }

    /// Adds the coin to the snapshot: as its contract tells it, whose unit is that of its trades, else as the native row does.
    pub(super) fn add_to(&mut self, snapshot: &mut Snapshot, asset: &str) {
        let native = std::mem::take(&mut self.native);
        let contradicts = self.contract.is_none() && native.windows(2).any(|rows| rows[0].raw != rows[1].raw);
        let mut coin = self.contract.take();
        for row in native {
            match &mut coin {
                Some(coin) => {
                    coin.decoration = std::mem::take(&mut coin.decoration).or(&row.decoration);
                    // The contract may count in other units than the native row: its price holds where their amounts agree.
                    let of_row = row.price.filter(|_| coin.raw == row.raw);
                    coin.price = coin.price.take().or(of_row);
                }
                None => coin = Some(row),
            }
        }
        if contradicts {
            coin = None;
            self.untold.push(format!("{asset}: two rows of the native coin have different balances"));
        }
        let wrapped = self.wrapped.take().filter(|wrapped| !coin.as_ref().is_some_and(|coin| is_same(coin, wrapped)));
        for reason in self.untold.drain(..) {
            match &coin {
                Some(coin) => snapshot.leave_out_row(Some(coin.asset.clone()), reason),
                None => snapshot.leave_out_balance(asset.to_owned(), reason),
            }
        }
        for balance in coin.into_iter().chain(wrapped).filter(|balance| balance.raw != Raw::ZERO) {
            snapshot.add(balance);
        }
    }
}

/// Whether the wrapper's row is the coin's own: a contract with the coin's ticker and the same amount does not wrap it, it is
/// the coin, on a chain whose file names no `native-token`.
fn is_same(coin: &Balance, wrapped: &Balance) -> bool {
    let (one, other) = (&coin.decoration, &wrapped.decoration);
    let has_same_ticker = one.symbol.is_some() && one.symbol == other.symbol && one.decimals == other.decimals;
    has_same_ticker && coin.raw == wrapped.raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use portfolio_domain::Decoration;

    fn row(symbol: &str, raw: u64) -> Balance {
        let symbol = Some(symbol.to_owned()).filter(|symbol| !symbol.is_empty());
        let decoration = Decoration { symbol, ..Decoration::default() };
        Balance { asset: "coin".to_owned(), raw: Raw::from(raw), decoration, kept: false, price: None }
    }

    /// The balance, and how many rows are left out.
    fn told(mut coin: NativeCoin) -> (Option<u64>, u32) {
        let mut snapshot = Snapshot::default();
        coin.add_to(&mut snapshot, "coin");
        let rows = snapshot.left_out().map_or(0, |left_out| left_out.rows);
        (snapshot.balance_of("coin").map(|balance| balance.raw.to()), rows)
    }

    #[test]
    fn the_coin_counts_once_whatever_tells_it() {
        let untold = || vec!["no answer".to_owned()];
        let cases = [
            ("nothing", NativeCoin::default(), (None, 0)),
            ("native", NativeCoin { native: vec![row("C", 7)], ..NativeCoin::default() }, (Some(7), 0)),
            (
                "native and the contract that is the coin, whose units count",
                NativeCoin { native: vec![row("C", 7_000)], contract: Some(row("C", 7)), ..NativeCoin::default() },
                (Some(7), 0),
            ),
            (
                "all three",
                NativeCoin {
                    native: vec![row("C", 7)],
                    contract: Some(row("C", 7)),
                    wrapped: Some(row("WC", 7)),
                    ..NativeCoin::default()
                },
                (Some(14), 0),
            ),
            (
                "a wrapper that has as much",
                NativeCoin { native: vec![row("C", 7)], wrapped: Some(row("WC", 7)), ..NativeCoin::default() },
                (Some(14), 0),
            ),
            (
                "a wrapper that is the coin",
                NativeCoin { native: vec![row("C", 7)], wrapped: Some(row("C", 7)), ..NativeCoin::default() },
                (Some(7), 0),
            ),
            (
                "a wrapper with the coin's ticker",
                NativeCoin { native: vec![row("C", 7)], wrapped: Some(row("C", 2)), ..NativeCoin::default() },
                (Some(9), 0),
            ),
            (
                "equal amounts without tickers",
                NativeCoin { native: vec![row("", 7)], wrapped: Some(row("", 7)), ..NativeCoin::default() },
                (Some(14), 0),
            ),
            ("twice", NativeCoin { native: vec![row("C", 7), row("C", 7)], ..NativeCoin::default() }, (Some(7), 0)),
            ("two natives", NativeCoin { native: vec![row("C", 7), row("C", 8)], ..NativeCoin::default() }, (None, 1)),
            (
                "untold beside the wrapper",
                NativeCoin { untold: untold(), wrapped: Some(row("WC", 2)), ..NativeCoin::default() },
                (None, 1),
            ),
            (
                "told by the contract alone",
                NativeCoin { untold: untold(), contract: Some(row("C", 7)), ..NativeCoin::default() },
                (Some(7), 1),
            ),
        ];
        for (name, coin, expected) in cases {
            assert_eq!(told(coin), expected, "{name}");
        }
    }
}
