//! Prices and candles: the minutes whose trades changed are calculated again, then the hours and days made of them, and
//! the current prices. The rules are in `domain/src/prices.rs`; the tables of either database are behind `PriceTables`.
//!
//! A commit notes which minutes it changed, in rows of its own partition. Here the notes are read first and the trades after
//! them, and a note is forgotten only if no commit has changed it since: what is committed in between is calculated once more.

mod rhythm;

pub use rhythm::refresh_regularly;

use metrics_domain::{Candle, CandlePrices, CandleSpan, PriceRules, PricedTrade, TradeKey};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::ops::Range;
use tape::Unavailable;

/// A store of prices and candles.
pub trait Prices: Send + Sync {
    /// Calculates some of the changed minutes again; returns how many there were. None where another instance does it.
    fn refresh(&self, rules: &PriceRules) -> impl Future<Output = Result<usize, Unavailable>> + Send;
    /// The same for the newest changed minutes of each chain alone.
    fn refresh_newest(&self, rules: &PriceRules) -> impl Future<Output = Result<usize, Unavailable>> + Send;
}

/// An asset of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AssetKey {
    pub(crate) chain: String,
    pub(crate) asset: String,
}

/// A candle: of which asset, how long, and from which minute on (since 1970-01-01 00:00, UTC).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CandleKey {
    pub(crate) asset: AssetKey,
    pub(crate) span: CandleSpan,
    pub(crate) start: u64,
}

/// A minute of a chain whose trades changed, and by partition how often, when that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedMinute {
    pub(crate) chain: String,
    pub(crate) minute: u64,
    pub(crate) notes: Vec<(i32, i64)>,
}

/// A live swap of a minute.
#[derive(Clone, Debug)]
pub(crate) struct MinuteTrade {
    pub(crate) key: TradeKey,
    /// The pools that it crossed.
    pub(crate) pools: String,
    pub(crate) trade: PricedTrade,
}

/// What is shown of an asset, and the hour of the trade that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoration {
    pub(crate) symbol: Option<String>,
    pub(crate) decimals: Option<u8>,
    pub(crate) hour: i64,
}

/// The row of an asset; the decoration only where it is new.
#[derive(Clone, Debug)]
pub(crate) struct AssetRow {
    pub(crate) asset: AssetKey,
    pub(crate) price: Option<CandlePrices>,
    pub(crate) decoration: Option<Decoration>,
}

/// The tables that prices are calculated from and written to, within one transaction of one instance at a time.
pub(crate) trait PriceTables: Send {
    /// Whether the rules are those that the stored candles were calculated with, and every record that was read was read
    /// by a commit that notes minutes.
    fn is_noted(&mut self, rules: &PriceRules) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Notes every minute that has trades, and stores the rules.
    fn note_everything(&mut self, rules: &PriceRules) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Some changed minutes: the newest of each chain, then so many notes of the oldest; minutes of all chains that begin together are
    /// beside each other.
    fn changed_minutes(
        &mut self,
        max_oldest: u32,
    ) -> impl Future<Output = Result<Vec<ChangedMinute>, Unavailable>> + Send;
    /// Trades of earlier block times were dropped.
    fn cut_ms(&mut self) -> impl Future<Output = Result<u64, Unavailable>> + Send;
    /// All live swaps of a minute, of each of these chains.
    fn trades_of_minute(
        &mut self,
        minute: u64,
        chains: &[&str],
    ) -> impl Future<Output = Result<HashMap<String, Vec<MinuteTrade>>, Unavailable>> + Send;
    /// The stored candles of these minutes.
    fn candles_of_minutes(
        &mut self,
        minutes: &[ChangedMinute],
    ) -> impl Future<Output = Result<BTreeMap<CandleKey, Candle>, Unavailable>> + Send;
    /// The stored candles of a span that begin within these minutes.
    fn candles_within(
        &mut self,
        within: &[(AssetKey, Range<u64>)],
        span: CandleSpan,
    ) -> impl Future<Output = Result<BTreeMap<CandleKey, Candle>, Unavailable>> + Send;
    /// Writes candles, and deletes those that are none.
    fn replace_candles(
        &mut self,
        candles: &[(CandleKey, Option<Candle>)],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// The prices of the newest minutes of each asset, newest first.
    fn newest_prices(
        &mut self,
        assets: &[AssetKey],
    ) -> impl Future<Output = Result<BTreeMap<AssetKey, Vec<CandlePrices>>, Unavailable>> + Send;
    /// What is stored of these assets.
    fn decorations(
        &mut self,
        assets: &[AssetKey],
    ) -> impl Future<Output = Result<BTreeMap<AssetKey, Decoration>, Unavailable>> + Send;
    /// The text of the event of each trade, in the order of the request; none where the trade is gone.
    fn event_texts(
        &mut self,
        trades: &[TradeKey],
    ) -> impl Future<Output = Result<Vec<Option<String>>, Unavailable>> + Send;
    /// Writes assets.
    fn write_assets(&mut self, rows: &[AssetRow]) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Writes pools, each with the hour of its newest trade.
    fn write_pools(
        &mut self,
        pools: &[(AssetKey, String, i64)],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// Forgets the notes that have not changed since they were read.
    fn forget(&mut self, minutes: &[ChangedMinute]) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// The partition under which all minutes are noted.
pub(crate) const EVERY_PARTITION: i32 = -1;
/// Notes that are read at once: each minute has one of each partition that has trades in it. Fewer would make the hours and days
/// that the minutes are part of be calculated again more often.
pub(crate) const MAX_NOTES_AT_ONCE: u32 = 20_000;
/// What is read of the past where the newest minutes alone are calculated.
pub(crate) const NO_NOTES: u32 = 0;
/// Trades that are read in one transaction, unless one minute alone has more.
const MAX_TRADES_AT_ONCE: usize = 100_000;
/// Minutes that are calculated in one transaction.
const MAX_MINUTES_AT_ONCE: usize = 500;
const MINUTE_MS: u64 = 60_000;

/// Calculates some changed minutes again, within one transaction; returns how many there were.
pub(crate) async fn refresh_some(
    tables: &mut impl PriceTables,
    rules: &PriceRules,
    max_oldest: u32,
) -> Result<usize, Unavailable> {
    if !tables.is_noted(rules).await? {
        tables.note_everything(rules).await?;
    }
    let changed = tables.changed_minutes(max_oldest).await?;
    if changed.is_empty() {
        return Ok(0);
    }
    let dropped = metrics_domain::retention::dropped_block_times(tables.cut_ms().await?);
    let mut seen = SeenAssets::default();
    let (mut candles, mut count, mut calculated, mut trades_read) = (BTreeMap::new(), 0, vec![], 0);
    let mut assets: BTreeSet<AssetKey> = BTreeSet::new();
    for together in changed.chunk_by(|one, other| one.minute == other.minute) {
        count += together.len();
        let Some(minute) = together.first().map(|first| first.minute) else { continue };
        // Of a minute whose trades were dropped, the candles stay as they are.
        if dropped.contains(&(minute * MINUTE_MS)) {
            continue;
        }
        let chains: Vec<&str> = together.iter().map(|one| one.chain.as_str()).collect();
        let mut by_chain = tables.trades_of_minute(minute, &chains).await?;
        for minute in together {
            let trades = by_chain.remove(&minute.chain).unwrap_or_default();
            trades_read += trades.len();
            let of_minute: BTreeMap<CandleKey, Candle> = candles_of_minute(minute, &trades, rules).collect();
            // Other rules may change a current price although no candle differs.
            if minute.notes.iter().any(|(partition, _)| *partition == EVERY_PARTITION) {
                assets.extend(of_minute.keys().map(|key| key.asset.clone()));
            }
            candles.extend(of_minute);
            seen.note(minute, &trades);
            calculated.push(minute.clone());
        }
        if trades_read > MAX_TRADES_AT_ONCE || calculated.len() >= MAX_MINUTES_AT_ONCE {
            break;
        }
    }
    let stored = tables.candles_of_minutes(&calculated).await?;
    let differences = differences(stored, &candles);
    let calculated: HashSet<(&str, u64)> = calculated.iter().map(|one| (one.chain.as_str(), one.minute)).collect();
    write_candles(tables, &differences, candles, &calculated).await?;
    assets.extend(differences.iter().map(|(key, _)| key.asset.clone()));
    write_assets(tables, &assets.into_iter().collect::<Vec<_>>(), &seen, rules).await?;
    tables.forget(changed.get(..count).unwrap_or_default()).await?;
    Ok(count)
}

/// The stored rules, floor and band; the default ones where none are stored, or none that can be read.
pub(crate) fn stored_rules(stored: Option<(String, i64)>) -> PriceRules {
    let rules = stored
        .and_then(|(floor, band)| Some(PriceRules { floor: floor.parse().ok()?, band: u32::try_from(band).ok()? }));
    rules.unwrap_or_default()
}

/// The prices of each asset's candles, newest first.
pub(crate) fn newest_first(candles: BTreeMap<CandleKey, Candle>) -> BTreeMap<AssetKey, Vec<CandlePrices>> {
    let mut newest: BTreeMap<AssetKey, Vec<CandlePrices>> = BTreeMap::new();
    for (key, candle) in candles.into_iter().rev() {
        newest.entry(key.asset).or_default().extend(candle.prices);
    }
    newest
}

/// Writes the candles of minutes that differ, and the hours and days that they are part of. `minutes` are all candles of the minutes
/// that were `calculated`.
async fn write_candles(
    tables: &mut impl PriceTables,
    differences: &[(CandleKey, Option<Candle>)],
    minutes: BTreeMap<CandleKey, Candle>,
    calculated: &HashSet<(&str, u64)>,
) -> Result<(), Unavailable> {
    if differences.is_empty() {
        return Ok(());
    }
    tables.replace_candles(differences).await?;
    let is_calculated = |asset: &AssetKey, minute| calculated.contains(&(asset.chain.as_str(), minute));
    let hours: BTreeSet<CandleKey> = differences.iter().map(|(key, _)| key.within(CandleSpan::Hour)).collect();
    let hours = join_candles(tables, &hours, CandleSpan::Minute, minutes, is_calculated).await?;
    tables.replace_candles(&hours).await?;
    let days: BTreeSet<CandleKey> = hours.iter().map(|(key, _)| key.within(CandleSpan::Day)).collect();
    let joined: HashSet<(&AssetKey, u64)> = hours.iter().map(|(key, _)| (&key.asset, key.start)).collect();
    let known = hours.iter().filter_map(|(key, candle)| Some((key.clone(), candle.clone()?))).collect();
    let is_joined = |asset: &AssetKey, start| joined.contains(&(asset, start));
    let days = join_candles(tables, &days, CandleSpan::Hour, known, is_joined).await?;
    tables.replace_candles(&days).await
}

/// The candles of longer spans from those of a shorter one, of which `known` are at hand and the others stored.
async fn join_candles(
    tables: &mut impl PriceTables,
    longer: &BTreeSet<CandleKey>,
    shorter: CandleSpan,
    known: BTreeMap<CandleKey, Candle>,
    is_known: impl Fn(&AssetKey, u64) -> bool,
) -> Result<Vec<(CandleKey, Option<Candle>)>, Unavailable> {
    let mut unknown: Vec<(AssetKey, Range<u64>)> = vec![];
    for key in longer {
        let starts = key.minutes().step_by(usize::try_from(shorter.minutes()).unwrap_or(usize::MAX));
        for start in starts.filter(|start| !is_known(&key.asset, *start)) {
            let end = start + shorter.minutes();
            match unknown.last_mut().filter(|(asset, minutes)| *asset == key.asset && minutes.end == start) {
                Some((_, minutes)) => minutes.end = end,
                None => unknown.push((key.asset.clone(), start..end)),
            }
        }
    }
    let mut parts = tables.candles_within(&unknown, shorter).await?;
    parts.extend(known);
    Ok(longer.iter().map(|key| (key.clone(), joined(key, shorter, &parts))).collect())
}

/// Writes the current prices of assets, and what else is known of them.
async fn write_assets(
    tables: &mut impl PriceTables,
    assets: &[AssetKey],
    seen: &SeenAssets,
    rules: &PriceRules,
) -> Result<(), Unavailable> {
    if assets.is_empty() {
        return Ok(());
    }
    let newest = tables.newest_prices(assets).await?;
    let mut decorations = new_decorations(tables, assets, seen).await?;
    let row = |asset: &AssetKey| AssetRow {
        asset: asset.clone(),
        price: newest.get(asset).and_then(|newest| rules.current_price(newest)).cloned(),
        decoration: decorations.remove(asset),
    };
    let rows: Vec<AssetRow> = assets.iter().map(row).collect();
    tables.write_assets(&rows).await?;
    let touched = |(asset, _, _): &(AssetKey, String, i64)| assets.binary_search(asset).is_ok();
    tables.write_pools(&seen.pools().filter(touched).collect::<Vec<_>>()).await
}

/// Symbol and decimals of the assets that have none yet, or had them from an earlier day.
async fn new_decorations(
    tables: &mut impl PriceTables,
    assets: &[AssetKey],
    seen: &SeenAssets,
) -> Result<BTreeMap<AssetKey, Decoration>, Unavailable> {
    let stored = tables.decorations(assets).await?;
    let wanted: Vec<(&AssetKey, &TradeKey)> = assets
        .iter()
        .filter_map(|asset| Some((asset, seen.newest.get(asset)?)))
        .filter(|(asset, trade)| stored.get(asset).is_none_or(|known| known.is_older_than(hour_of(trade))))
        .collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let keys: Vec<TradeKey> = wanted.iter().map(|(_, trade)| (*trade).clone()).collect();
    let texts = tables.event_texts(&keys).await?;
    let mut decorations = BTreeMap::new();
    for ((asset, trade), text) in wanted.into_iter().zip(texts) {
        let (mut symbol, mut decimals) = text.and_then(|text| decoration_in(text, &asset.asset)).unwrap_or_default();
        // A trade without decoration takes none away.
        if let Some(known) = stored.get(asset) {
            symbol = symbol.or_else(|| known.symbol.clone());
            decimals = decimals.or(known.decimals);
        }
        decorations.insert(asset.clone(), Decoration { symbol, decimals, hour: hour_of(trade) });
    }
    Ok(decorations)
}

/// Symbol and decimals of an asset in the text of an event.
fn decoration_in(text: String, asset: &str) -> Option<(Option<String>, Option<u8>)> {
    let record = wire::v1::trade::decode_record(0, text.into_bytes()).ok()?;
    let trade = record.event.trade;
    let side = [trade.sold, trade.bought].into_iter().find(|side| side.asset == asset)?;
    Some((side.symbol, side.decimals))
}

fn hour_of(trade: &TradeKey) -> i64 {
    (trade.time_ms / (60 * MINUTE_MS)).cast_signed()
}

fn candles_of_minute<'a>(
    minute: &'a ChangedMinute,
    trades: &[MinuteTrade],
    rules: &PriceRules,
) -> impl Iterator<Item = (CandleKey, Candle)> + use<'a> {
    let trades: Vec<PricedTrade> = trades.iter().map(|trade| trade.trade.clone()).collect();
    rules.minute_candles(&trades).into_iter().map(move |(asset, candle)| {
        let asset = AssetKey { chain: minute.chain.clone(), asset };
        (CandleKey { asset, span: CandleSpan::Minute, start: minute.minute }, candle)
    })
}

/// The candles that are to be written, and those that are to be deleted.
fn differences(
    mut stored: BTreeMap<CandleKey, Candle>,
    candles: &BTreeMap<CandleKey, Candle>,
) -> Vec<(CandleKey, Option<Candle>)> {
    let mut differences = vec![];
    for (key, candle) in candles {
        if stored.remove(key).as_ref() != Some(candle) {
            differences.push((key.clone(), Some(candle.clone())));
        }
    }
    differences.extend(stored.into_keys().map(|key| (key, None)));
    differences
}

/// The candle of a longer span, from the candles of a shorter one within it.
fn joined(key: &CandleKey, span: CandleSpan, parts: &BTreeMap<CandleKey, Candle>) -> Option<Candle> {
    let at = |start| CandleKey { asset: key.asset.clone(), span, start };
    let minutes = key.minutes();
    Candle::join(parts.range(at(minutes.start)..at(minutes.end)).map(|(_, candle)| candle))
}

impl CandleKey {
    /// The minutes that it is of.
    fn minutes(&self) -> Range<u64> {
        self.start..self.start + self.span.minutes()
    }

    /// The longer candle that this one is part of.
    fn within(&self, span: CandleSpan) -> Self {
        Self { asset: self.asset.clone(), span, start: self.start / span.minutes() * span.minutes() }
    }
}

impl Decoration {
    /// Whether a trade of an hour should be asked again: the next hour where something is missing, else the next day.
    fn is_older_than(&self, hour: i64) -> bool {
        let is_missing = self.symbol.is_none() || self.decimals.is_none();
        if is_missing { hour > self.hour } else { hour / 24 > self.hour / 24 }
    }
}

/// Of each asset that was met the newest trade, and the hour of the newest trade through each pool.
#[derive(Debug, Default)]
struct SeenAssets {
    newest: BTreeMap<AssetKey, TradeKey>,
    pools: BTreeMap<(AssetKey, String), i64>,
}

impl SeenAssets {
    fn note(&mut self, minute: &ChangedMinute, trades: &[MinuteTrade]) {
        for MinuteTrade { key, pools, trade } in trades {
            for (asset, _) in [&trade.sold, &trade.bought] {
                let asset = AssetKey { chain: minute.chain.clone(), asset: asset.clone() };
                // A swap through several pools does not say which of them holds which asset.
                if !pools.is_empty() && !pools.contains('\n') {
                    let hour = self.pools.entry((asset.clone(), pools.clone())).or_insert(hour_of(key));
                    *hour = (*hour).max(hour_of(key));
                }
                let newest = self.newest.entry(asset).or_insert_with(|| key.clone());
                if *key > *newest {
                    *newest = key.clone();
                }
            }
        }
    }

    fn pools(&self) -> impl Iterator<Item = (AssetKey, String, i64)> {
        self.pools.iter().map(|((asset, pool), hour)| (asset.clone(), pool.clone(), *hour))
    }
}
