//! The JSON shapes of wallets and what they hold, and of what that is worth: by balance, by wallet, and by the day.

use super::worth::unit_price;
use api_domain::{BalanceRow, BalanceTotals, BalanceWorth, HOUR_MS, HeldBalance, WalletRow, balance_worth};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// A user's wallets and one page of what they hold, by chain and asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct Portfolio {
    /// The address in normalized form.
    pub(crate) address: String,
    /// Whether balances of any of the wallets are left out that the provider could not tell.
    pub(crate) incomplete: bool,
    /// The wallets that are tracked, one per chain.
    pub(crate) wallets: Vec<WalletView>,
    /// The balances.
    pub(crate) items: Vec<BalanceView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A tracked wallet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WalletView {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The provider of its balances; absent before the first snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    /// When the newest snapshot was taken, milliseconds since the Unix epoch; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taken_at: Option<u64>,
    /// The height that the balances are of; absent where the provider does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<u64>,
    /// Whether balances are left out that the provider could not tell; where one was told before, it is `kept`.
    pub(crate) incomplete: bool,
    /// How many rows of the provider's response were left out; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<u32>,
    /// Why the first of them was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incomplete_reason: Option<String>,
    /// Failed refreshes since the last that succeeded; absent where the last one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failures: Option<u32>,
    /// Why the last of them failed: `unknown-network`, `key-refused`, `wallet-rejected`, `malformed` or `unavailable`; an open
    /// list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// When the provider is asked again, milliseconds since the Unix epoch; absent where nothing failed, and where the wallet is
    /// given up until it trades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<u64>,
}

/// One balance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceView {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// Ticker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) symbol: Option<String>,
    /// Fractional digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decimals: Option<u8>,
    /// In the asset's smallest unit, decimal digits.
    pub(crate) raw: String,
    /// `raw` with the decimal point, where the decimals are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<String>,
    /// Whether a provider calls it spam; null where none has told.
    pub(crate) spam: Option<bool>,
    /// Whether a provider calls its contract verified; null where none has told.
    pub(crate) verified: Option<bool>,
    /// The provider that reported it.
    pub(crate) provider: String,
    /// When the snapshot was taken, milliseconds since the Unix epoch.
    pub(crate) taken_at: u64,
    /// The sum of the wallet's live trades at that time; negative where more was sold than bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) net: Option<String>,
    /// Balance less net: transfers and whatever else was not a trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drift: Option<String>,
    /// The provider could not tell it in the newest snapshot: the amount is the last one that was told.
    pub(crate) kept: bool,
    /// The height that it is of; absent where the provider does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<u64>,
    /// What it is worth.
    #[serde(flatten)]
    pub(crate) worth: BalanceWorthView,
}

/// What a balance is worth by the price of its asset. Without a price, no figure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceWorthView {
    /// The price that is used, of a whole unit; absent where nobody says or the decimals are not known. It is the tape's, or a
    /// provider's where that is more than a day newer or the tape has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_usd: Option<String>,
    /// The time that the price is of (of its block, where it is the tape's), milliseconds since the Unix epoch: so old it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_at: Option<u64>,
    /// Where the price is from: `tape`, by the valued trades, or a provider (`moralis`, `alchemy`); an open list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price_source: Option<String>,
    /// What the balance is worth; absent where nobody says, and where it would be more than anybody holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_usd: Option<String>,
    /// What every source says of the price, the one that is used among them; absent where none does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) prices: Vec<SaidPrice>,
}

/// What one source says of the price of an asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct SaidPrice {
    /// `tape`, or a provider.
    pub(crate) source: String,
    /// In US dollars, of a whole unit; null where the decimals are not known.
    pub(crate) usd: Option<String>,
    /// The time that it is of, milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// Sums over the balances of one wallet.
#[derive(Serialize, ToSchema)]
pub(crate) struct WalletWorth {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The sums.
    #[serde(flatten)]
    pub(crate) sums: BalanceSums,
}

/// Sums over balances.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BalanceSums {
    /// What balances with a price are worth.
    pub(crate) value_usd: String,
    /// How many these are.
    pub(crate) priced: u64,
    /// Balances without a price: in no sum.
    pub(crate) unpriced: u64,
    /// Balances that a provider calls spam: in no sum.
    pub(crate) spam: u64,
    /// Balances whose price makes them worth more than anybody holds, a trillion dollars: in no sum.
    pub(crate) implausible: u64,
    /// By whose prices the sum is made.
    pub(crate) sources: Vec<SourceWorth>,
    /// The time of the oldest price, milliseconds since the Unix epoch; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_price_at: Option<u64>,
    /// Present and true where an amount exceeds the largest that is served (1.7·10^20 dollars) and is cut to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) saturated: bool,
}

/// The part of a sum that is by the prices of one source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceWorth {
    /// `tape`, or a provider.
    pub(crate) source: String,
    /// Balances.
    pub(crate) priced: u64,
    /// What they are worth.
    pub(crate) value_usd: String,
}

/// What wallets were worth at the end of each day.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorthHistory {
    /// The address in normalized form; several separated by commas, where the figures are of several.
    pub(crate) address: String,
    /// Oldest first, from the first day on which the wallets were seen; today's stands until now.
    pub(crate) items: Vec<WorthDay>,
    /// Whether there is more than a history is made of, 50,000 balances or prices, so that something may be missing.
    pub(crate) truncated: bool,
}

/// What wallets were worth at the end of one day: what their newest snapshots until then said, at the newest prices until then.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorthDay {
    /// The day, UTC: its beginning, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// The sums.
    #[serde(flatten)]
    pub(crate) sums: BalanceSums,
}

impl From<&BalanceRow> for BalanceWorthView {
    fn from(row: &BalanceRow) -> Self {
        let raw = row.raw.parse().unwrap_or_default();
        let used = row.prices.used();
        let said = row.prices.each().map(|(price, source)| SaidPrice {
            source: source.to_owned(),
            usd: unit_price(price.usd, &price.raw, row.decimals),
            at: price.at,
        });
        Self {
            price_usd: used.and_then(|(price, _)| unit_price(price.usd, &price.raw, row.decimals)),
            price_at: used.map(|(price, _)| price.at),
            price_source: used.map(|(_, source)| source.to_owned()),
            value_usd: match balance_worth(&raw, &row.prices) {
                BalanceWorth::Known(value, ..) => Some(value.to_string()),
                BalanceWorth::Unpriced | BalanceWorth::Implausible => None,
            },
            prices: said.collect(),
        }
    }
}

impl From<BalanceTotals> for BalanceSums {
    fn from(totals: BalanceTotals) -> Self {
        let sources = totals.by_source.into_iter();
        let sources =
            sources.map(|(source, (priced, value))| SourceWorth { source, priced, value_usd: value.to_string() });
        Self {
            value_usd: totals.value.to_string(),
            priced: totals.priced,
            unpriced: totals.unpriced,
            spam: totals.spam,
            implausible: totals.implausible,
            sources: sources.collect(),
            oldest_price_at: totals.oldest_price_at,
            saturated: totals.saturated,
        }
    }
}

impl WalletWorth {
    /// The sums of each chain's balances.
    pub(crate) fn of_chains(balances: &[HeldBalance]) -> Vec<Self> {
        let chains: BTreeSet<&str> = balances.iter().map(|balance| balance.chain.as_str()).collect();
        let of_chain = |chain: &str| {
            let totals = BalanceTotals::of_balances(balances.iter().filter(|balance| balance.chain == chain));
            Self { chain: chain.to_owned(), sums: totals.into() }
        };
        chains.into_iter().map(of_chain).collect()
    }
}

impl WorthDay {
    /// The days of a history, oldest first.
    pub(crate) fn from_days(days: BTreeMap<u64, BalanceTotals>) -> Vec<Self> {
        days.into_iter().map(|(day, totals)| Self { at: day * 24 * HOUR_MS, sums: totals.into() }).collect()
    }
}

impl From<WalletRow> for WalletView {
    fn from(wallet: WalletRow) -> Self {
        Self {
            chain: wallet.chain,
            provider: wallet.provider,
            taken_at: wallet.taken_at,
            as_of: wallet.as_of,
            incomplete: wallet.left_out > 0,
            left_out: (wallet.left_out > 0).then_some(wallet.left_out),
            incomplete_reason: wallet.left_out_reason,
            failures: (wallet.failures > 0).then_some(wallet.failures),
            failure: wallet.failure,
            retry_at: wallet.retry_at,
        }
    }
}

impl From<BalanceRow> for BalanceView {
    fn from(row: BalanceRow) -> Self {
        Self {
            worth: (&row).into(),
            amount: row.decimals.map(|decimals| wire::v1::trade::with_decimal_point(&row.raw, decimals)),
            chain: row.chain,
            asset: row.asset,
            symbol: row.symbol,
            decimals: row.decimals,
            raw: row.raw,
            spam: row.spam,
            verified: row.verified,
            provider: row.provider,
            taken_at: row.taken_at,
            net: row.net,
            drift: row.drift,
            kept: row.kept,
            as_of: row.as_of,
        }
    }
}
