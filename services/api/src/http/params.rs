//! Parameters of a request: named, known, given once, and refused by name when they are wrong.

use super::Problem;
use crate::token;
use api_domain::{AssetPage, Book, Filter, Measure, Shown, StepPage, TradeKey, Who, Window, lowered};
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use wire::check;

/// Items of a page when nothing is said, and at most.
const LIMIT: u32 = 50;
const MOST: u32 = 500;

/// The query of a request.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query in which only these names may occur.
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

    fn identity(&self, name: &str) -> Result<Option<String>, Problem> {
        self.get(name).map(|text| identity(name, text)).transpose()
    }

    /// `chain`, `trader`, `asset` and `venue`.
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        Ok(Filter {
            chain: self.identity("chain")?,
            trader: self.identity("trader")?.map(|trader| lowered(&trader)),
            asset: self.identity("asset")?.map(|asset| lowered(&asset)),
            venue: self.identity("venue")?,
        })
    }

    /// `chain` beside an address.
    pub(super) fn who(&self, address: String) -> Result<Who, Problem> {
        Ok(Who { address, chain: self.identity("chain")? })
    }

    /// `status`.
    pub(super) fn shown(&self) -> Result<Shown, Problem> {
        match self.get("status") {
            None | Some("live") => Ok(Shown::Live),
            Some("all") => Ok(Shown::All),
            Some(_) => Err(Problem::bad_parameter("status", "must be `live` or `all`")),
        }
    }

    /// `window`.
    pub(super) fn window(&self) -> Result<Window, Problem> {
        let Some(text) = self.get("window") else { return Ok(Window::default()) };
        Window::named(text).ok_or_else(|| Problem::bad_parameter("window", "must be `all`, `24h`, `7d` or `30d`"))
    }

    /// `by`.
    pub(super) fn measure(&self) -> Result<Measure, Problem> {
        let Some(text) = self.get("by") else { return Ok(Measure::default()) };
        Measure::named(text).ok_or_else(|| Problem::bad_parameter("by", "must be `volume`, `pnl` or `fees`"))
    }

    /// `cursor` of a list that continues below a number.
    pub(super) fn below<N: TryFrom<u64>>(&self) -> Result<Option<N>, Problem> {
        let number = self.get("cursor").map(token::number).transpose().map_err(|_| bad_cursor())?;
        let number = number.filter(|number| i64::try_from(*number).is_ok()).map(N::try_from);
        match (number, self.get("cursor")) {
            (None, None) => Ok(None),
            (Some(Ok(number)), _) => Ok(Some(number)),
            _ => Err(bad_cursor()),
        }
    }

    /// `cursor` and `limit` of the trades of a position.
    pub(super) fn step_page(&self) -> Result<StepPage, Problem> {
        let after = self.get("cursor").map(token::step).transpose().map_err(|_| bad_cursor())?;
        if after.iter().any(|key| key.id.chars().any(char::is_control) || i64::try_from(key.height).is_err()) {
            return Err(bad_cursor());
        }
        Ok(StepPage { after, limit: self.limit()? })
    }

    /// `limit`.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.get("limit") else { return Ok(LIMIT) };
        match text.parse() {
            Ok(limit) if (1..=MOST).contains(&limit) && text.bytes().all(|digit| digit.is_ascii_digit()) => Ok(limit),
            _ => Err(Problem::bad_parameter("limit", format!("must be a number from 1 to {MOST}"))),
        }
    }

    /// `cursor` of a list of trades.
    pub(super) fn after_trade(&self) -> Result<Option<TradeKey>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let key = token::trade(text).map_err(|_| bad_cursor())?;
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
        let after = self.get("cursor").map(token::asset).transpose().map_err(|_| bad_cursor())?;
        if after.iter().any(|(chain, asset)| [chain, asset].iter().any(|text| check::id("cursor", text).is_err())) {
            return Err(bad_cursor());
        }
        Ok(AssetPage { after, limit: self.limit()? })
    }
}

/// The address in a path.
pub(super) fn address(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Ok(Path(text)) = path else { return Err(Problem::bad_parameter("address", "is not UTF-8")) };
    identity("address", &text).map(|text| lowered(&text))
}

/// Address, chain and asset in a path.
pub(super) fn book(path: Result<Path<(String, String, String)>, PathRejection>) -> Result<Book, Problem> {
    let Ok(Path((address, chain, asset))) = path else { return Err(Problem::bad_parameter("address", "is not UTF-8")) };
    Ok(Book {
        address: identity("address", &address).map(|text| lowered(&text))?,
        chain: identity("chain", &chain)?,
        asset: identity("asset", &asset).map(|text| lowered(&text))?,
    })
}

/// The platform in a path.
pub(super) fn platform(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Ok(Path(text)) = path else { return Err(Problem::bad_parameter("platform", "is not UTF-8")) };
    identity("platform", &text)
}

fn identity(name: &str, text: &str) -> Result<String, Problem> {
    match check::id(name, text) {
        Ok(()) => Ok(text.to_owned()),
        Err(wire::Invalid::Field { field, rule }) => Err(Problem::bad_parameter(&field, rule)),
        Err(wire::Invalid::Shape(shape)) => Err(Problem::bad_parameter(name, shape)),
    }
}

fn bad_cursor() -> Problem {
    Problem::bad_parameter("cursor", "is none that was given out")
}
