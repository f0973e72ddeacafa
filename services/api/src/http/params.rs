//! Parameters of a request: each must be known, given once and valid; a refusal names the parameter.

mod assets;

pub(super) use assets::asset_in_path;

use super::Problem;
use crate::{App, names, token};
use api_domain::{
    AssetPage, Coverage, Measure, PositionKey, StatusFilter, StepKey, StepPage, TimeSpan, TradeFilter, TradeKey,
    UserQuery, Window, normalized_id,
};
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use tape::Usd;
use wire::check;

/// Items of a page without `limit`, and at most.
const DEFAULT_PAGE_ITEMS: u32 = 50;
pub(super) const MAX_PAGE_ITEMS: u32 = 500;
/// Days of a history without `days`, and at most.
const DEFAULT_DAYS: u64 = 30;
const MAX_DAYS: u64 = 366;

/// The query of a request.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string in which only these names may occur.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Problem::bad_query())?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let name: String = name.chars().take(64).collect();
                return Err(Problem::bad_parameter(&name, format!("is unknown here; known are {}", known.join(", "))));
            }
            if pairs.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_parameter(name, "is given twice"));
            }
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn id(&self, name: &str) -> Result<Option<String>, Problem> {
        self.get(name).map(|text| checked_id(name, text)).transpose()
    }

    /// `chain`, `trader`, `asset`, `venue`, `pool`, `platform`, `kind` and `minUsd`.
    pub(super) fn filter(&self) -> Result<TradeFilter, Problem> {
        let normalized = |name: &str| Ok::<_, Problem>(self.id(name)?.map(|text| normalized_id(&text)));
        Ok(TradeFilter {
            chain: self.id("chain")?,
            trader: normalized("trader")?,
            asset: normalized("asset")?,
            venue: self.id("venue")?,
            pool: normalized("pool")?,
            platform: self.id("platform")?,
            kind: self.id("kind")?,
            min_usd: self
                .get("minUsd")
                .map(read_min_usd)
                .transpose()
                .map_err(|rule| Problem::bad_parameter("minUsd", rule))?,
            plausible_usd: None,
        })
    }

    /// `tx`, as it is given.
    pub(super) fn transaction(&self) -> Result<Option<String>, Problem> {
        self.id("tx")
    }

    /// `from` and `to`.
    pub(super) fn span(&self) -> Result<TimeSpan, Problem> {
        let (from, to) = (self.time("from")?, self.time("to")?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Problem::bad_parameter("from", "must be before `to`"));
        }
        Ok(TimeSpan { from, to })
    }

    /// A time by its name.
    pub(super) fn time(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|digit| digit.is_ascii_digit()));
        match number {
            Some(time) if (MIN_TIME_MS..=MAX_TIME_MS).contains(&time) => Ok(Some(time)),
            Some(seconds) if (MIN_TIME_MS / 1_000..=MAX_TIME_MS / 1_000).contains(&seconds) => {
                let rule = format!("must be in milliseconds since the Unix epoch; did you mean `{seconds}000`?");
                Err(Problem::bad_parameter(name, rule))
            }
            _ => {
                let rule = format!(
                    "must be a time in milliseconds since the Unix epoch, from {MIN_TIME_MS} (January 2009) to {MAX_TIME_MS}"
                );
                Err(Problem::bad_parameter(name, rule))
            }
        }
    }

    /// `chain` beside an address in the path.
    pub(super) fn user(&self, app: &App, path: Result<Path<String>, PathRejection>) -> Result<UserQuery, Problem> {
        let mut users = self.users(app, path)?;
        match (users.pop(), users.len()) {
            (Some(user), 0) => Ok(user),
            (_, others) => {
                let rule = format!("names {} addresses; this is told of one, and {SUMS} of several", others + 1);
                Err(Problem::bad_parameter("address", rule))
            }
        }
    }

    /// The addresses in the path, separated by commas, with `chain` beside them; one that is named twice counts once.
    pub(super) fn users(
        &self,
        app: &App,
        path: Result<Path<String>, PathRejection>,
    ) -> Result<Vec<UserQuery>, Problem> {
        let Ok(Path(text)) = path else { return Err(Problem::bad_parameter("address", "is not UTF-8")) };
        let count = text.split(',').count();
        if count > MAX_ADDRESSES {
            let rule = format!("names {count} addresses; {SUMS} are of {MAX_ADDRESSES} at most");
            return Err(Problem::bad_parameter("address", rule));
        }
        let chain = self.id("chain")?;
        let mut users: Vec<UserQuery> = vec![];
        for address in text.split(',') {
            let address = checked_id("address", address).map(|text| normalized_id(&text))?;
            let user = UserQuery { address, chain: chain.clone() };
            names::check_user(app, &user)?;
            if !users.contains(&user) {
                users.push(user);
            }
        }
        Ok(users)
    }

    /// `status`, or what it is where it is not given.
    pub(super) fn shown(&self, default: StatusFilter) -> Result<StatusFilter, Problem> {
        match self.get("status") {
            None => Ok(default),
            Some("live") => Ok(StatusFilter::Live),
            Some("all") => Ok(StatusFilter::All),
            Some(_) => Err(Problem::bad_parameter("status", "must be `live` or `all`")),
        }
    }

    /// `window`.
    pub(super) fn window(&self) -> Result<Window, Problem> {
        let Some(text) = self.get("window") else { return Ok(Window::default()) };
        Window::from_name(text).ok_or_else(|| Problem::bad_parameter("window", "must be `all`, `24h`, `7d` or `30d`"))
    }

    /// `by`.
    pub(super) fn measure(&self) -> Result<Measure, Problem> {
        let Some(text) = self.get("by") else { return Ok(Measure::default()) };
        Measure::from_name(text)
            .ok_or_else(|| Problem::bad_parameter("by", "must be `volume`, `netVolume`, `pnl` or `fees`"))
    }

    /// `by` of a platform's leaderboard.
    pub(super) fn platform_measure(&self) -> Result<Measure, Problem> {
        match self.measure() {
            Ok(by @ (Measure::Volume | Measure::Fees)) => Ok(by),
            _ => Err(Problem::bad_parameter("by", "must be `volume` or `fees` on the leaderboard of a platform")),
        }
    }

    /// Refuses `platform` where figures are of all platforms, with the path that has those of one.
    pub(super) fn refuse_platform(&self, path_of: impl Fn(&str) -> String) -> Result<(), Problem> {
        let Some(platform) = self.id("platform")? else { return Ok(()) };
        let rule =
            format!("cannot narrow these figures, some of which belong to no platform; ask {}", path_of(&platform));
        Err(Problem::bad_parameter("platform", rule))
    }

    /// `minCoverage`: a decimal from 0 to 1 with at most six fractional digits.
    pub(super) fn min_coverage(&self) -> Result<Option<Coverage>, Problem> {
        let Some(text) = self.get("minCoverage") else { return Ok(None) };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|digit| digit.is_ascii_digit());
        let millionths = format!("{fraction:0<6}").parse().ok().filter(|_| digits && matches!(whole, "0" | "1"));
        let millionths = millionths.map(|part: u32| if whole == "1" { part + Coverage::FULL.millionths } else { part });
        match millionths.filter(|millionths| *millionths <= Coverage::FULL.millionths) {
            Some(millionths) => Ok(Some(Coverage { millionths })),
            None => Err(Problem::bad_parameter("minCoverage", "must be a decimal from 0 to 1 of at most six digits")),
        }
    }

    /// `cursor` of a list that continues after a number: a day, a rank.
    pub(super) fn number_cursor<N: TryFrom<u64>>(&self) -> Result<Option<N>, Problem> {
        let number = self.get("cursor").map(token::read_number_cursor).transpose().map_err(|_| bad_cursor())?;
        let number = number.filter(|number| i64::try_from(*number).is_ok()).map(N::try_from);
        match (number, self.get("cursor")) {
            (None, None) => Ok(None),
            (Some(Ok(number)), _) => Ok(Some(number)),
            _ => Err(bad_cursor()),
        }
    }

    /// `cursor` of a list by name.
    pub(super) fn name_cursor(&self) -> Result<Option<String>, Problem> {
        let name = self.get("cursor").map(token::read_name_cursor).transpose().map_err(|_| bad_cursor())?;
        match name {
            Some(name) if check::id("cursor", &name).is_err() => Err(bad_cursor()),
            name => Ok(name),
        }
    }

    /// `cursor` and `limit` of the trades of a position.
    pub(super) fn step_page(&self) -> Result<StepPage, Problem> {
        let after = self.get("cursor").map(token::read_step_cursor).transpose().map_err(|_| bad_cursor())?;
        let number = |key: &StepKey| key.height.max(key.block_time);
        if after.iter().any(|key| key.id.chars().any(char::is_control) || i64::try_from(number(key)).is_err()) {
            return Err(bad_cursor());
        }
        Ok(StepPage { after, limit: self.limit()? })
    }

    /// `days`.
    pub(super) fn days(&self) -> Result<u64, Problem> {
        let Some(text) = self.get("days") else { return Ok(DEFAULT_DAYS) };
        match text.parse() {
            Ok(days) if (1..=MAX_DAYS).contains(&days) && text.bytes().all(|digit| digit.is_ascii_digit()) => Ok(days),
            _ => Err(Problem::bad_parameter("days", format!("must be a number from 1 to {MAX_DAYS}"))),
        }
    }

    /// `limit`.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.get("limit") else { return Ok(DEFAULT_PAGE_ITEMS) };
        match text.parse() {
            Ok(limit) if (1..=MAX_PAGE_ITEMS).contains(&limit) && text.bytes().all(|digit| digit.is_ascii_digit()) => {
                Ok(limit)
            }
            _ => Err(Problem::bad_parameter("limit", format!("must be a number from 1 to {MAX_PAGE_ITEMS}"))),
        }
    }

    /// `cursor` of a list of trades.
    pub(super) fn trade_cursor(&self) -> Result<Option<TradeKey>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let key = token::read_trade_cursor(text).map_err(|_| bad_cursor())?;
        let numbers = [key.block_time, key.height];
        if [&key.chain, &key.id, &key.trader].iter().any(|text| text.chars().any(char::is_control))
            || numbers.iter().any(|number| i64::try_from(*number).is_err())
        {
            return Err(bad_cursor());
        }
        Ok(Some(key))
    }

    /// `cursor` and `limit` of a list of assets.
    pub(super) fn asset_page(&self) -> Result<AssetPage, Problem> {
        let after = self.get("cursor").map(token::read_asset_cursor).transpose().map_err(|_| bad_cursor())?;
        if after.iter().any(|(chain, asset)| [chain, asset].iter().any(|text| check::id("cursor", text).is_err())) {
            return Err(bad_cursor());
        }
        Ok(AssetPage { after, limit: self.limit()? })
    }
}

/// Times that a block may have: none is older than the first chain.
pub(super) const MIN_TIME_MS: u64 = 1_231_200_000_000;
/// The end of the year 9999.
pub(super) const MAX_TIME_MS: u64 = 253_402_300_799_999;

/// Reads a worth that trades must have at least; the rule that it breaks otherwise.
pub(crate) fn read_min_usd(text: &str) -> Result<Usd, &'static str> {
    let worth = Usd::parse(text).ok().filter(|worth| (Usd::ZERO..=Usd::MAX_NOTIONAL).contains(worth));
    worth.ok_or("must be dollars as a decimal from 0 to 1000000000000000 with at most 18 fractional digits, such as `1000` or `0.5`")
}

/// The id of a trade in a path, and the chain and the hash in it.
pub(super) fn trade_in_path(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Ok(Path(text)) = path else { return Err(Problem::bad_parameter("tradeId", "is not UTF-8")) };
    if text.len() > MAX_TRADE_ID_BYTES || text.chars().any(char::is_control) {
        let rule = format!("must have at most {MAX_TRADE_ID_BYTES} bytes and no control characters");
        return Err(Problem::bad_parameter("tradeId", rule));
    }
    let ordinal = text.rsplit_once('/').map_or("", |(_, ordinal)| ordinal);
    let parts = text.split('/').filter(|part| !part.is_empty()).count();
    if parts < 4 || ordinal.parse::<u32>().is_err() {
        return Err(Problem::bad_parameter("tradeId", "must be `chain/blockHash/transactionHash/ordinal`"));
    }
    Ok(text)
}

/// Bytes of a trade's id at most: three ids and a number.
const MAX_TRADE_ID_BYTES: usize = 800;

/// Addresses whose sums are told in one answer at most.
pub(super) const MAX_ADDRESSES: usize = 20;
/// Of what sums are told, in words.
const SUMS: &str = "sums (metrics, history, worth, worth/history, platforms)";

/// The addresses as a path names them.
pub(super) fn joined_addresses(users: &[UserQuery]) -> String {
    let addresses: Vec<&str> = users.iter().map(|user| user.address.as_str()).collect();
    addresses.join(",")
}

/// Address, chain and asset in a path.
pub(super) fn position_in_path(
    app: &App,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<PositionKey, Problem> {
    let Ok(Path((address, chain, asset))) = path else { return Err(Problem::bad_parameter("address", "is not UTF-8")) };
    let key = PositionKey {
        address: checked_id("address", &address).map(|text| normalized_id(&text))?,
        chain: checked_id("chain", &chain)?,
        asset: checked_id("asset", &asset).map(|text| normalized_id(&text))?,
    };
    names::check_position(app, &key)?;
    Ok(key)
}

/// Chain and hash of a transaction in a path.
pub(super) fn transaction_in_path(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(String, String), Problem> {
    let Ok(Path((chain, hash))) = path else { return Err(Problem::bad_parameter("hash", "is not UTF-8")) };
    Ok((checked_id("chain", &chain)?, checked_id("hash", &hash)?))
}

/// The platform in a path.
pub(super) fn platform_in_path(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Ok(Path(text)) = path else { return Err(Problem::bad_parameter("platform", "is not UTF-8")) };
    checked_id("platform", &text)
}

fn checked_id(name: &str, text: &str) -> Result<String, Problem> {
    match check::id(name, text) {
        Ok(()) => Ok(text.to_owned()),
        Err(wire::Invalid::Field { field, rule }) => Err(Problem::bad_parameter(&field, rule)),
        Err(wire::Invalid::Shape(shape)) => Err(Problem::bad_parameter(name, shape)),
    }
}

fn bad_cursor() -> Problem {
    Problem::bad_parameter("cursor", "is none that was given out")
}
