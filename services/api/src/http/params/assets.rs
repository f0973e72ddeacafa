//! Parameters of requests for assets and candles.

use super::{Params, Problem, checked_id};
use api_domain::{AssetQuery, AssetSearch, CandleInterval, CandleRange, normalized_id};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;

/// The longest text that is searched for.
const MAX_SEARCH_LENGTH: usize = 128;

impl Params {
    /// `search` and `chain`.
    pub(in crate::http) fn asset_search(&self) -> Result<AssetSearch, Problem> {
        let rule = "must be the beginning of a ticker, or an asset's id; for example `search=weth`";
        let text = self.get("search").unwrap_or_default();
        let is_plain = !text.is_empty() && text.len() <= MAX_SEARCH_LENGTH && !text.chars().any(char::is_control);
        if !is_plain {
            return Err(Problem::bad_parameter("search", format!("{rule}, of 1 to {MAX_SEARCH_LENGTH} bytes")));
        }
        Ok(AssetSearch { text: text.to_owned(), chain: self.id("chain")? })
    }

    /// `interval`, `from` and `to` of candles.
    pub(in crate::http) fn candle_range(&self, now_ms: u64) -> Result<CandleRange, Problem> {
        let name = self.get("interval").unwrap_or("1h");
        let interval = CandleInterval::ALL.into_iter().find(|one| one.name() == name);
        let interval = interval.ok_or_else(|| Problem::bad_parameter("interval", "must be `1m`, `1h` or `1d`"))?;
        let (from, to) = (self.candle_time("from")?, self.candle_time("to")?);
        let range = CandleRange::between(interval, from, to, now_ms);
        if range.from_minute >= range.to_minute {
            return Err(Problem::bad_parameter("from", "must be earlier than `to`, which is now by default"));
        }
        if range.candles() > CandleRange::MAX_CANDLES {
            let most = CandleRange::MAX_CANDLES;
            let rule =
                format!("is more than {most} candles of `{name}` before `to`; ask for less, or a longer `interval`");
            return Err(Problem::bad_parameter("from", rule));
        }
        Ok(range)
    }

    /// A time in milliseconds since the Unix epoch.
    fn candle_time(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let time = text.parse::<i64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        match time.and_then(|time| u64::try_from(time).ok()) {
            Some(time) => Ok(Some(time)),
            None => Err(Problem::bad_parameter(
                name,
                "must be a time in milliseconds since the Unix epoch, such as `1700000000000`",
            )),
        }
    }
}

/// Chain and asset in a path.
pub(in crate::http) fn asset_in_path(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<AssetQuery, Problem> {
    let Ok(Path((chain, asset))) = path else { return Err(Problem::bad_parameter("asset", "is not UTF-8")) };
    Ok(AssetQuery { chain: checked_id("chain", &chain)?, asset: normalized_id(&checked_id("asset", &asset)?) })
}
