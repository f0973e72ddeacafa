//! The queries about platforms.

use super::rows::{Cells, TextRow};
use super::sums::weighted;
use super::{Store, platform_sql};
use api_domain::{
    AssetPage, Measure, PlatformDayRow, PlatformFigures, PlatformLeaderRow, PlatformRow, UserPlatformRow, UserQuery,
    Window,
};
use std::collections::BTreeMap;
use tape::Unavailable;

impl Store {
    /// One page of platforms, by name.
    pub async fn platforms(&self, after: Option<&str>, limit: u32) -> Result<Vec<PlatformRow>, Unavailable> {
        let rows = self.fetch("read metrics.platforms_v1", platform_sql::platforms(None, after, limit)).await?;
        rows.into_iter().map(platform_row).collect()
    }

    /// One platform; none where no trade is its.
    pub async fn platform(&self, platform: &str) -> Result<Option<PlatformRow>, Unavailable> {
        let statement = platform_sql::platforms(Some(platform), None, 1);
        self.fetch("read metrics.platforms_v1", statement).await?.pop().map(platform_row).transpose()
    }

    /// The newest days of a platform, below a day where one is given.
    pub async fn platform_days(
        &self,
        platform: &str,
        chain: Option<&str>,
        below_day: Option<u64>,
        limit: u32,
    ) -> Result<Vec<PlatformDayRow>, Unavailable> {
        let statement = platform_sql::days(platform, chain, below_day, limit);
        let rows = self.fetch("read metrics.platform_days_v1", statement).await?;
        rows.into_iter().map(day_row).collect()
    }

    /// One page of the assets of a platform's day.
    pub async fn platform_assets(
        &self,
        platform: &str,
        day: u64,
        chain: Option<&str>,
        page: &AssetPage,
    ) -> Result<Vec<PlatformDayRow>, Unavailable> {
        let statement = platform_sql::assets(platform, day, chain, page);
        let rows = self.fetch("read metrics.platform_days_v1", statement).await?;
        rows.into_iter().map(day_row).collect()
    }

    /// One page of a platform's leaderboard, below a rank.
    pub async fn platform_leaders(
        &self,
        platform: &str,
        window: Window,
        by: Measure,
        after_rank: u32,
        limit: u32,
    ) -> Result<Vec<PlatformLeaderRow>, Unavailable> {
        let statement = platform_sql::leaders(platform, window, by, after_rank, limit);
        let rows = self.fetch("read metrics.platform_leaders_v1", statement).await?;
        rows.into_iter().map(leader_row).collect()
    }

    /// What these addresses used platforms for, by platform and chain.
    pub async fn user_platforms(
        &self,
        users: &[UserQuery],
        platform: Option<&str>,
        first_hour: Option<u64>,
    ) -> Result<Vec<UserPlatformRow>, Unavailable> {
        let statement = |user: &UserQuery| platform_sql::of_user(user, platform, first_hour, self.dialect());
        let answers = self.fetch_each("read metrics.user_platforms_v1", weighted(users, statement)).await?;
        let mut sums: BTreeMap<(String, String), PlatformFigures> = BTreeMap::new();
        for row in answers.into_iter().flatten() {
            let mut cells = Cells::new("metrics.user_platforms_v1", row);
            let key = (cells.text("platform")?, cells.text("chain")?);
            let sum = sums.entry(key).or_default();
            *sum = sum.plus(&figures(&mut cells)?);
        }
        let row = |((platform, chain), figures)| UserPlatformRow { platform, chain, figures };
        Ok(sums.into_iter().map(row).collect())
    }
}

fn platform_row(row: TextRow) -> Result<PlatformRow, Unavailable> {
    let mut cells = Cells::new("metrics.platforms_v1", row);
    Ok(PlatformRow { platform: cells.text("platform")?, figures: figures(&mut cells)? })
}

fn day_row(row: TextRow) -> Result<PlatformDayRow, Unavailable> {
    let mut cells = Cells::new("metrics.platform_days_v1", row);
    Ok(PlatformDayRow {
        day: cells.number("day")?,
        chain: cells.text("chain")?,
        asset: cells.text("asset")?,
        figures: figures(&mut cells)?,
    })
}

fn leader_row(row: TextRow) -> Result<PlatformLeaderRow, Unavailable> {
    let mut cells = Cells::new("metrics.platform_leaders_v1", row);
    let (rank, trader) = (cells.number("rank")?, cells.text("trader")?);
    let figures = figures(&mut cells)?;
    Ok(PlatformLeaderRow { rank, trader, figures, built_at: cells.number("built_at_ms")? })
}

fn figures(cells: &mut Cells) -> Result<PlatformFigures, Unavailable> {
    let (users, swaps, unvalued) = (cells.number("users")?, cells.number("swaps")?, cells.number("unvalued")?);
    let (volume, fees) = (cells.usd("volume_usd")?, cells.usd("fees_usd")?);
    Ok(PlatformFigures { users, swaps, unvalued, volume, fees, saturated: cells.saturated })
}
