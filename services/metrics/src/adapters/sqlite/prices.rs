//! Prices and candles in SQLite: row by row, in one transaction.

use crate::adapters::columns::{partition_column, to_bigint};
use crate::adapters::price_rows::{
    fraction_columns, minute_trades_by_chain, minutes_of_notes, price_columns, read_candle, read_decoration,
    select_changed_minutes,
};
use crate::prices::{
    self, AssetKey, AssetRow, CandleKey, ChangedMinute, Decoration, EVERY_PARTITION, MAX_NOTES_AT_ONCE, MinuteTrade,
    PriceTables,
};
use metrics_domain::{BookFacts, Candle, CandlePrices, CandleSpan, MINUTES_JUDGED_BY, PriceRules, TradeKey};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use tape::Unavailable;

/// Notes which minutes these facts change.
pub(super) async fn note_changes(connection: &mut SqliteConnection, facts: &BookFacts) -> Result<(), sqlx::Error> {
    for (chain, minute) in facts.changed_minutes() {
        let note = "INSERT INTO price_changes (chain, minute, partition, changes) VALUES (?, ?, ?, 1)
                    ON CONFLICT (chain, minute, partition) DO UPDATE SET changes = changes + 1";
        let note = sqlx::query(note).bind(&**chain).bind(to_bigint(minute)).bind(partition_column(facts));
        note.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Calculates some changed minutes again; returns how many there were.
pub(super) async fn refresh_some(pool: &SqlitePool, rules: &PriceRules, max_oldest: u32) -> Result<usize, Unavailable> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let refreshed = prices::refresh_some(&mut Tables(&mut transaction), rules, max_oldest).await;
    match refreshed {
        Ok(_) => transaction.commit().await.map_err(failed)?,
        Err(_) => transaction.rollback().await.map_err(failed)?,
    }
    refreshed
}

/// Calculates, by the stored rules, what is noted of the minutes below a cut.
pub(super) async fn finish_below(pool: &SqlitePool, cut_ms: u64) -> Result<(), Unavailable> {
    let stored: Option<(String, i64)> =
        sqlx::query_as("SELECT floor_usd, band FROM price_rules").fetch_optional(pool).await.map_err(failed)?;
    let rules = prices::stored_rules(stored);
    loop {
        let is_pending = {
            let mut connection = pool.acquire().await.map_err(failed)?;
            is_pending_below(&mut connection, cut_ms).await.map_err(failed)?
        };
        if !is_pending || refresh_some(pool, &rules, MAX_NOTES_AT_ONCE).await? == 0 {
            return Ok(());
        }
    }
}

/// Whether candles are to be calculated from trades below a cut.
pub(super) async fn is_pending_below(connection: &mut SqliteConnection, cut_ms: u64) -> Result<bool, sqlx::Error> {
    let pending = "SELECT EXISTS (SELECT 1 FROM price_changes WHERE minute * 60000 < ?)
                   OR EXISTS (SELECT 1 FROM position WHERE noted <> next)";
    sqlx::query_scalar(pending).bind(to_bigint(cut_ms)).fetch_one(connection).await
}

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("calculate prices and candles", error)
}

const REPLACE_CANDLE: &str = "
    INSERT OR REPLACE INTO candles (chain, asset, span, start_minute, open_usd, open_raw, high_usd, high_raw, low_usd,
        low_raw, close_usd, close_raw, close_height, close_ms, volume_usd, trades, priced)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const UPSERT_ASSET: &str = "
    INSERT INTO assets (chain, asset, price_usd, price_raw, price_height, price_ms) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (chain, asset) DO UPDATE SET price_usd = excluded.price_usd, price_raw = excluded.price_raw,
        price_height = excluded.price_height, price_ms = excluded.price_ms";

/// The tables within one transaction.
struct Tables<'a>(&'a mut SqliteConnection);

impl PriceTables for Tables<'_> {
    async fn is_noted(&mut self, rules: &PriceRules) -> Result<bool, Unavailable> {
        let query = "SELECT EXISTS (SELECT 1 FROM price_rules WHERE floor_usd = ? AND band = ?)
                     AND NOT EXISTS (SELECT 1 FROM position WHERE noted <> next)";
        let query = sqlx::query_scalar(query).bind(rules.floor.to_string()).bind(i64::from(rules.band));
        query.fetch_one(&mut *self.0).await.map_err(failed)
    }

    async fn note_everything(&mut self, rules: &PriceRules) -> Result<(), Unavailable> {
        let note = "INSERT INTO price_changes (chain, minute, partition, changes)
            SELECT DISTINCT chain, block_time_ms / 60000, ?, 1 FROM trades WHERE TRUE
            ON CONFLICT (chain, minute, partition) DO UPDATE SET changes = changes + 1";
        sqlx::query(note).bind(EVERY_PARTITION).execute(&mut *self.0).await.map_err(failed)?;
        for statement in ["UPDATE position SET noted = next WHERE noted <> next", "DELETE FROM price_rules"] {
            sqlx::query(statement).execute(&mut *self.0).await.map_err(failed)?;
        }
        let store =
            sqlx::query("INSERT INTO price_rules (floor_usd, band) VALUES (?, ?)").bind(rules.floor.to_string());
        store.bind(i64::from(rules.band)).execute(&mut *self.0).await.map_err(failed)?;
        Ok(())
    }

    async fn changed_minutes(&mut self, max_oldest: u32) -> Result<Vec<ChangedMinute>, Unavailable> {
        let notes = sqlx::query_as(AssertSqlSafe(select_changed_minutes(max_oldest))).fetch_all(&mut *self.0).await;
        Ok(minutes_of_notes(notes.map_err(failed)?))
    }

    async fn cut_ms(&mut self) -> Result<u64, Unavailable> {
        let cut: i64 =
            sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *self.0).await.map_err(failed)?;
        Ok(cut.cast_unsigned())
    }

    async fn trades_of_minute(
        &mut self,
        minute: u64,
        chains: &[&str],
    ) -> Result<HashMap<String, Vec<MinuteTrade>>, Unavailable> {
        let query =
            "SELECT chain, block_time_ms, trade_id, trader, height, sold_asset, sold_raw, bought_asset, bought_raw,
                notional_usd, pools
            FROM trades WHERE block_time_ms >= ?2 * 60000 AND block_time_ms < (?2 + 1) * 60000
                AND chain IN (SELECT value FROM json_each(?1)) AND status = 'live' AND cycle = 0";
        let query = sqlx::query(query).bind(serde_json::json!(chains).to_string()).bind(to_bigint(minute));
        let rows = query.fetch_all(&mut *self.0).await.map_err(failed)?;
        Ok(minute_trades_by_chain(&rows)?)
    }

    async fn candles_of_minutes(
        &mut self,
        minutes: &[ChangedMinute],
    ) -> Result<BTreeMap<CandleKey, Candle>, Unavailable> {
        let mut found = BTreeMap::new();
        for minute in minutes {
            let query = sqlx::query("SELECT * FROM candles WHERE chain = ? AND start_minute = ? AND span = '1m'");
            let query = query.bind(&minute.chain).bind(to_bigint(minute.minute));
            read_candles(&mut found, &query.fetch_all(&mut *self.0).await.map_err(failed)?)?;
        }
        Ok(found)
    }

    async fn candles_within(
        &mut self,
        within: &[(AssetKey, Range<u64>)],
        span: CandleSpan,
    ) -> Result<BTreeMap<CandleKey, Candle>, Unavailable> {
        let mut found = BTreeMap::new();
        for (asset, minutes) in within {
            let query = "SELECT * FROM candles WHERE chain = ? AND asset = ? AND span = ? AND start_minute >= ?
                         AND start_minute < ?";
            let query = sqlx::query(query).bind(&asset.chain).bind(&asset.asset).bind(span.name());
            let query = query.bind(to_bigint(minutes.start)).bind(to_bigint(minutes.end));
            read_candles(&mut found, &query.fetch_all(&mut *self.0).await.map_err(failed)?)?;
        }
        Ok(found)
    }

    async fn replace_candles(&mut self, candles: &[(CandleKey, Option<Candle>)]) -> Result<(), Unavailable> {
        for (CandleKey { asset, span, start }, candle) in candles {
            let Some(candle) = candle else {
                let delete = "DELETE FROM candles WHERE chain = ? AND asset = ? AND span = ? AND start_minute = ?";
                let delete = sqlx::query(delete).bind(&asset.chain).bind(&asset.asset).bind(span.name());
                delete.bind(to_bigint(*start)).execute(&mut *self.0).await.map_err(failed)?;
                continue;
            };
            let mut query = sqlx::query(REPLACE_CANDLE).bind(&asset.chain).bind(&asset.asset).bind(span.name());
            query = query.bind(to_bigint(*start));
            for amount in price_columns(Some(candle)) {
                query = query.bind(amount);
            }
            let prices = candle.prices.as_ref();
            query = query.bind(prices.map(|prices| to_bigint(prices.close_height)));
            query = query.bind(prices.map(|prices| to_bigint(prices.close_ms))).bind(candle.volume.to_string());
            query = query.bind(to_bigint(candle.trades)).bind(to_bigint(candle.priced));
            query.execute(&mut *self.0).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn newest_prices(
        &mut self,
        assets: &[AssetKey],
    ) -> Result<BTreeMap<AssetKey, Vec<CandlePrices>>, Unavailable> {
        let mut found = BTreeMap::new();
        for key in assets {
            let query = format!(
                "SELECT * FROM candles WHERE chain = ? AND asset = ? AND span = '1m' AND close_usd IS NOT NULL
                 ORDER BY start_minute DESC LIMIT {MINUTES_JUDGED_BY}"
            );
            let query = sqlx::query(AssertSqlSafe(query)).bind(&key.chain).bind(&key.asset);
            read_candles(&mut found, &query.fetch_all(&mut *self.0).await.map_err(failed)?)?;
        }
        Ok(prices::newest_first(found))
    }

    async fn decorations(&mut self, assets: &[AssetKey]) -> Result<BTreeMap<AssetKey, Decoration>, Unavailable> {
        let mut found = BTreeMap::new();
        for key in assets {
            let query = sqlx::query("SELECT * FROM assets WHERE chain = ? AND asset = ?").bind(&key.chain);
            let row = query.bind(&key.asset).fetch_optional(&mut *self.0).await.map_err(failed)?;
            found.extend(row.as_ref().map(read_decoration).transpose()?);
        }
        Ok(found)
    }

    async fn event_texts(&mut self, trades: &[TradeKey]) -> Result<Vec<Option<String>>, Unavailable> {
        let mut texts = vec![];
        for key in trades {
            let query = "SELECT event FROM trades WHERE block_time_ms = ? AND trade_id = ? AND trader = ?";
            let query = sqlx::query_scalar(query).bind(to_bigint(key.time_ms)).bind(&*key.id).bind(&*key.trader);
            texts.push(query.fetch_optional(&mut *self.0).await.map_err(failed)?);
        }
        Ok(texts)
    }

    async fn write_assets(&mut self, rows: &[AssetRow]) -> Result<(), Unavailable> {
        for AssetRow { asset, price, decoration } in rows {
            let fraction = price.as_ref().map(|price| fraction_columns(&price.close));
            let mut upsert = sqlx::query(UPSERT_ASSET).bind(&asset.chain).bind(&asset.asset);
            upsert = upsert.bind(fraction.as_ref().map(|[usd, _]| usd.clone()));
            upsert = upsert.bind(fraction.as_ref().map(|[_, raw]| raw.clone()));
            upsert = upsert.bind(price.as_ref().map(|price| to_bigint(price.close_height)));
            upsert = upsert.bind(price.as_ref().map(|price| to_bigint(price.close_ms)));
            upsert.execute(&mut *self.0).await.map_err(failed)?;
            let Some(Decoration { symbol, decimals, hour }) = decoration else { continue };
            let update = "UPDATE assets SET symbol = ?, decimals = ?, decorated_hour = ? WHERE chain = ? AND asset = ?";
            let update = sqlx::query(update).bind(symbol).bind(*decimals).bind(hour).bind(&asset.chain);
            update.bind(&asset.asset).execute(&mut *self.0).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn write_pools(&mut self, pools: &[(AssetKey, String, i64)]) -> Result<(), Unavailable> {
        for (asset, pool, hour) in pools {
            let upsert = "INSERT INTO asset_pools (chain, asset, pool, newest_hour) VALUES (?, ?, ?, ?)
                ON CONFLICT (chain, asset, pool) DO UPDATE SET newest_hour = excluded.newest_hour
                WHERE newest_hour < excluded.newest_hour";
            let upsert = sqlx::query(upsert).bind(&asset.chain).bind(&asset.asset).bind(pool).bind(hour);
            upsert.execute(&mut *self.0).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn forget(&mut self, minutes: &[ChangedMinute]) -> Result<(), Unavailable> {
        for minute in minutes {
            for (partition, changes) in &minute.notes {
                let delete =
                    "DELETE FROM price_changes WHERE chain = ? AND minute = ? AND partition = ? AND changes = ?";
                let delete = sqlx::query(delete).bind(&minute.chain).bind(to_bigint(minute.minute));
                delete.bind(partition).bind(changes).execute(&mut *self.0).await.map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn read_candles(found: &mut BTreeMap<CandleKey, Candle>, rows: &[SqliteRow]) -> Result<(), Unavailable> {
    for row in rows {
        let (key, candle) = read_candle(row)?;
        found.insert(key, candle);
    }
    Ok(())
}
