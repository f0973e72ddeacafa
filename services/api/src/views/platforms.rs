//! The JSON shapes of platforms: what they are used for and what they earn.

use api_domain::{HOUR_MS, PlatformDayRow, PlatformFigures, PlatformLeaderRow, PlatformRow, UserPlatformRow};
use serde::Serialize;
use utoipa::ToSchema;

/// What a platform was used for. Amounts in US dollars are decimal texts with at most 18 fractional digits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlatformUseView {
    /// Swaps, valued or not; cycles are none.
    pub(crate) swaps: u64,
    /// Swaps without a valuation: they are in no volume.
    pub(crate) unvalued: u64,
    /// Worth of all valued swaps, each counted once.
    pub(crate) volume_usd: String,
    /// Fees that the platform earned.
    pub(crate) fees_usd: String,
    /// Present and true where an amount exceeds the largest that is served (1.7·10^20 dollars) and is cut to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) saturated: bool,
}

/// One platform, over all time and chains.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformView {
    /// Its name.
    pub(crate) platform: String,
    /// Addresses that ever traded through it.
    pub(crate) users: u64,
    /// What it was used for.
    #[serde(flatten)]
    pub(crate) used: PlatformUseView,
}

/// One page of platforms, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformPage {
    /// The platforms.
    pub(crate) items: Vec<PlatformView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A day of a platform on one chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformDayView {
    /// The day's begin, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// Id of the chain.
    pub(crate) chain: String,
    /// Addresses that traded through it on this day and chain.
    pub(crate) users: u64,
    /// What it was used for.
    #[serde(flatten)]
    pub(crate) used: PlatformUseView,
}

/// One page of a platform's days, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformDayPage {
    /// The platform.
    pub(crate) platform: String,
    /// The days by chain.
    pub(crate) items: Vec<PlatformDayView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// An asset that was traded through a platform on a day.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformAssetView {
    /// Id of the chain.
    pub(crate) chain: String,
    /// The asset.
    pub(crate) asset: String,
    /// Addresses that sold or bought it.
    pub(crate) users: u64,
    /// The swaps that sold or bought it; a swap is one of each of its two assets, so these are not to be added up.
    #[serde(flatten)]
    pub(crate) used: PlatformUseView,
}

/// One page of the assets of a platform's day, by chain and asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformAssetPage {
    /// The platform.
    pub(crate) platform: String,
    /// The day's begin, milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// The assets.
    pub(crate) items: Vec<PlatformAssetView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// What one user used a platform for on a chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPlatformView {
    /// The platform.
    pub(crate) platform: String,
    /// Id of the chain.
    pub(crate) chain: String,
    /// What it was used for.
    #[serde(flatten)]
    pub(crate) used: PlatformUseView,
}

/// What one user used platforms for.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPlatforms {
    /// The address in normalized form; several separated by commas, where the figures are of several.
    pub(crate) address: String,
    /// The span of time: `all`, `24h`, `7d` or `30d`.
    pub(crate) window: &'static str,
    /// By platform and chain.
    pub(crate) items: Vec<UserPlatformView>,
}

/// One page of a platform's leaderboard. Boards are rebuilt every half minute and hold the first thousand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlatformLeaderboard {
    /// The platform.
    pub(crate) platform: String,
    /// The span of time: `all`, `24h`, `7d` or `30d`.
    pub(crate) window: &'static str,
    /// What it is ordered by: `volume` (wash included) or `fees`.
    pub(crate) by: &'static str,
    /// When it was built, milliseconds since the Unix epoch; absent where nobody stands on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) built_at: Option<u64>,
    /// By rank.
    pub(crate) items: Vec<PlatformLeaderView>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// One place on a platform's leaderboard; figures are over all chains, and of trades of this platform only.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformLeaderView {
    /// From 1.
    pub(crate) rank: u32,
    /// The address.
    pub(crate) address: String,
    /// What it used the platform for.
    #[serde(flatten)]
    pub(crate) used: PlatformUseView,
}

impl From<PlatformFigures> for PlatformUseView {
    fn from(figures: PlatformFigures) -> Self {
        let PlatformFigures { swaps, unvalued, volume, fees, saturated, .. } = figures;
        Self { swaps, unvalued, volume_usd: volume.to_string(), fees_usd: fees.to_string(), saturated }
    }
}

impl From<PlatformRow> for PlatformView {
    fn from(row: PlatformRow) -> Self {
        Self { platform: row.platform, users: row.figures.users, used: row.figures.into() }
    }
}

impl From<PlatformDayRow> for PlatformDayView {
    fn from(row: PlatformDayRow) -> Self {
        Self { at: row.day * 24 * HOUR_MS, chain: row.chain, users: row.figures.users, used: row.figures.into() }
    }
}

impl From<PlatformDayRow> for PlatformAssetView {
    fn from(row: PlatformDayRow) -> Self {
        Self { chain: row.chain, asset: row.asset, users: row.figures.users, used: row.figures.into() }
    }
}

impl From<UserPlatformRow> for UserPlatformView {
    fn from(row: UserPlatformRow) -> Self {
        Self { platform: row.platform, chain: row.chain, used: row.figures.into() }
    }
}

impl From<PlatformLeaderRow> for PlatformLeaderView {
    fn from(row: PlatformLeaderRow) -> Self {
        Self { rank: row.rank, address: row.trader, used: row.figures.into() }
    }
}
