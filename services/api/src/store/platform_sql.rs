//! The statements about platforms: each by an index, and none over the hours of all users of one.

use super::sql::{Arg, Dialect, Statement, number_arg};
use api_domain::{AssetPage, Measure, UserQuery, Window};

const FIGURES: &str = "CAST(t.users AS text), CAST(t.swaps AS text), CAST(t.unvalued AS text), \
                       CAST(t.volume_usd AS text), CAST(t.fees_usd AS text)";

/// One page of platforms by name, or one.
pub(super) fn platforms(only: Option<&str>, after: Option<&str>, limit: u32) -> Statement {
    let mut statement = Statement::new(&format!("SELECT t.platform, {FIGURES} FROM metrics.platforms_v1 t WHERE TRUE"));
    if let Some(only) = only {
        statement.text(" AND t.platform = ?", only);
    }
    if let Some(after) = after {
        statement.text(" AND t.platform > ?", after);
    }
    statement.add(&format!(" ORDER BY t.platform LIMIT {limit}"));
    statement
}

/// The newest days of a platform, below a day where one is given.
pub(super) fn days(platform: &str, chain: Option<&str>, below: Option<u64>, limit: u32) -> Statement {
    let mut statement = begin_days();
    statement.text(" AND t.platform = ?", platform);
    statement.add(" AND t.asset = ''");
    if let Some(chain) = chain {
        statement.text(" AND t.chain = ?", chain);
    }
    if let Some(day) = below {
        statement.with(" AND t.day < ?", number_arg(day));
    }
    statement.add(&format!(" ORDER BY t.day DESC, t.chain LIMIT {limit}"));
    statement
}

/// One page of the assets of a platform's day.
pub(super) fn assets(platform: &str, day: u64, chain: Option<&str>, page: &AssetPage) -> Statement {
    let mut statement = begin_days();
    statement.text(" AND t.platform = ?", platform);
    statement.with(" AND t.day = ?", number_arg(day));
    statement.add(" AND t.asset <> ''");
    if let Some(chain) = chain {
        statement.text(" AND t.chain = ?", chain);
    }
    if let Some((chain, asset)) = &page.after {
        statement.text(" AND (t.chain, t.asset) > (?", chain);
        statement.text(", ?)", asset);
    }
    statement.add(&format!(" ORDER BY t.chain, t.asset LIMIT {}", page.limit));
    statement
}

fn begin_days() -> Statement {
    Statement::new(&format!(
        "SELECT CAST(t.day AS text), t.chain, t.asset, {FIGURES} FROM metrics.platform_days_v1 t WHERE TRUE"
    ))
}

/// One page of a platform's leaderboard, below a rank.
pub(super) fn leaders(platform: &str, window: Window, by: Measure, after: u32, limit: u32) -> Statement {
    let mut statement = Statement::new(
        "SELECT CAST(t.rank AS text), t.trader, '1', CAST(t.swaps AS text), CAST(t.unvalued AS text), \
         CAST(t.volume_usd AS text), CAST(t.fees_usd AS text), CAST(t.built_at_ms AS text) \
         FROM metrics.platform_leaders_v1 t WHERE TRUE",
    );
    statement.text(" AND t.platform = ?", platform);
    statement.text(" AND t.span = ?", window.name());
    statement.text(" AND t.measure = ?", by.name());
    statement.with(" AND t.rank > ?", Arg::Number(after.into()));
    statement.add(&format!(" ORDER BY t.rank LIMIT {limit}"));
    statement
}

/// What one user used platforms for, from an hour on; SQLite, whose amounts are text, returns hours one by one.
pub(super) fn of_user(
    user: &UserQuery,
    platform: Option<&str>,
    first_hour: Option<u64>,
    dialect: Dialect,
) -> Statement {
    let [before, after] = match dialect {
        Dialect::Postgres => ["CAST(sum(", ") AS text)"],
        Dialect::Sqlite => ["CAST(", " AS text)"],
    };
    let figures = ["swaps", "unvalued", "volume_usd", "fees_usd"].map(|column| format!("{before}t.{column}{after}"));
    let mut statement = Statement::new(&format!(
        "SELECT t.platform, t.chain, '1', {} FROM metrics.user_platforms_v1 t WHERE TRUE",
        figures.join(", ")
    ));
    statement.text(" AND t.trader = ?", &user.address);
    if let Some(chain) = &user.chain {
        statement.text(" AND t.chain = ?", chain);
    }
    if let Some(platform) = platform {
        statement.text(" AND t.platform = ?", platform);
    }
    if let Some(first) = first_hour {
        statement.with(" AND t.hour >= ?", Arg::Number(first.cast_signed()));
    }
    if dialect == Dialect::Postgres {
        statement.add(" GROUP BY t.platform, t.chain");
    }
    statement.costly()
}
