//! Prices and candles in PostgreSQL: one transaction of one instance at a time, each statement for all rows at once.

use super::write::column;
use crate::adapters::columns::{partition_column, text_of, to_bigint};
use crate::adapters::price_rows::{
    PRICE_COLUMNS, fraction_columns, minute_trades_by_chain, minutes_of_notes, price_columns, read_candle,
    read_decoration, select_changed_minutes,
};
use crate::prices::{
    self, AssetKey, AssetRow, CandleKey, ChangedMinute, Decoration, EVERY_PARTITION, MAX_NOTES_AT_ONCE, MinuteTrade,
    PriceTables,
};
use metrics_domain::{BookFacts, Candle, CandlePrices, CandleSpan, MINUTES_JUDGED_BY, PriceRules, TradeKey};
use migrations::{Session as PgConnection, Sessions};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use tape::Unavailable;

/// Lets one instance at a time calculate prices.
const TRY_LOCK_PRICES: &str = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.prices'))";

const NOTE_MINUTES: &str = "
    INSERT INTO price_changes AS c (chain, minute, partition, changes)
    SELECT v.chain, v.minute, $1, 1 FROM UNNEST($2::text[], $3::bigint[]) AS v(chain, minute)
    ON CONFLICT (chain, minute, partition) DO UPDATE SET changes = c.changes + 1";

/// Notes which minutes these facts change. The rows are of this partition alone: no other commit waits for them.
pub(super) async fn note_changes(connection: &mut PgConnection, facts: &BookFacts) -> Result<(), sqlx::Error> {
    let minutes = facts.changed_minutes();
    if minutes.is_empty() {
        return Ok(());
    }
    let note =
        sqlx::query(NOTE_MINUTES).bind(partition_column(facts)).bind(column(&minutes, |(chain, _)| text_of(chain)));
    note.bind(column(&minutes, |(_, minute)| to_bigint(*minute))).execute(connection).await?;
    Ok(())
}

/// Calculates some changed minutes again; returns how many there were.
pub(super) async fn refresh_some(pool: &Sessions, rules: &PriceRules, max_oldest: u32) -> Result<usize, Unavailable> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    if !sqlx::query_scalar::<_, bool>(TRY_LOCK_PRICES).fetch_one(&mut *transaction).await.map_err(failed)? {
        transaction.rollback().await.map_err(failed)?;
        return Ok(0);
    }
    let refreshed = prices::refresh_some(&mut Tables(&mut transaction), rules, max_oldest).await;
    match refreshed {
        Ok(_) => transaction.commit().await.map_err(failed)?,
        Err(_) => transaction.rollback().await.map_err(failed)?,
    }
    refreshed
}

/// Calculates, by the stored rules, what is noted of the minutes below a cut.
pub(super) async fn finish_below(pool: &Sessions, cut_ms: u64) -> Result<(), Unavailable> {
    let stored: Option<(String, i64)> =
        sqlx::query_as("SELECT floor_usd, band FROM price_rules").fetch_optional(pool).await.map_err(failed)?;
    let rules = prices::stored_rules(stored);
    loop {
        let mut transaction = pool.begin().await.map_err(failed)?;
        let is_pending = is_pending_below(&mut transaction, cut_ms).await.map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        if !is_pending || refresh_some(pool, &rules, MAX_NOTES_AT_ONCE).await? == 0 {
            return Ok(());
        }
    }
}

/// Whether candles are to be calculated from trades below a cut.
pub(super) async fn is_pending_below(connection: &mut PgConnection, cut_ms: u64) -> Result<bool, sqlx::Error> {
    let pending = "SELECT EXISTS (SELECT 1 FROM price_changes WHERE minute * 60000 < $1)
                   OR EXISTS (SELECT 1 FROM position WHERE noted <> next)";
    sqlx::query_scalar(pending).bind(to_bigint(cut_ms)).fetch_one(connection).await
}

fn failed(error: sqlx::Error) -> Unavailable {
    Unavailable::new("calculate prices and candles", error)
}

/// The columns of a candle, amounts as text.
fn candle_columns() -> String {
    let amounts = PRICE_COLUMNS.map(|name| format!("c.{name}::text AS {name}")).join(", ");
    format!(
        "c.chain, c.asset, c.span, c.start_minute, {amounts}, c.close_height, c.close_ms,
         c.volume_usd::text AS volume_usd, c.trades, c.priced"
    )
}

const UPSERT_CANDLES: &str = "
    INSERT INTO candles (chain, asset, span, start_minute, open_usd, open_raw, high_usd, high_raw, low_usd, low_raw,
        close_usd, close_raw, close_height, close_ms, volume_usd, trades, priced)
    SELECT v.chain, v.asset, v.span, v.start, v.a::numeric, v.b::numeric, v.c::numeric, v.d::numeric, v.e::numeric,
        v.f::numeric, v.g::numeric, v.h::numeric, v.height, v.ms, v.volume::numeric, v.trades, v.priced
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[],
        $17::bigint[]) AS v(chain, asset, span, start, a, b, c, d, e, f, g, h, height, ms, volume, trades, priced)
    ON CONFLICT (chain, asset, span, start_minute) DO UPDATE SET open_usd = excluded.open_usd,
        open_raw = excluded.open_raw, high_usd = excluded.high_usd, high_raw = excluded.high_raw,
        low_usd = excluded.low_usd, low_raw = excluded.low_raw, close_usd = excluded.close_usd,
        close_raw = excluded.close_raw, close_height = excluded.close_height, close_ms = excluded.close_ms,
        volume_usd = excluded.volume_usd, trades = excluded.trades, priced = excluded.priced";

const DELETE_CANDLES: &str = "
    DELETE FROM candles c USING UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[]) AS v(chain, asset, span, start)
    WHERE c.chain = v.chain AND c.asset = v.asset AND c.span = v.span AND c.start_minute = v.start";

const UPSERT_ASSETS: &str = "
    INSERT INTO assets (chain, asset, price_usd, price_raw, price_height, price_ms)
    SELECT v.chain, v.asset, v.usd::numeric, v.raw::numeric, v.height, v.ms
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
        AS v(chain, asset, usd, raw, height, ms)
    ON CONFLICT (chain, asset) DO UPDATE SET price_usd = excluded.price_usd, price_raw = excluded.price_raw,
        price_height = excluded.price_height, price_ms = excluded.price_ms";

const DECORATE_ASSETS: &str = "
    UPDATE assets a SET symbol = v.symbol, decimals = v.decimals, decorated_hour = v.hour
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[]) AS v(chain, asset, symbol, decimals, hour)
    WHERE a.chain = v.chain AND a.asset = v.asset";

const UPSERT_POOLS: &str = "
    INSERT INTO asset_pools AS p (chain, asset, pool, newest_hour)
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT (chain, asset, pool) DO UPDATE SET newest_hour = excluded.newest_hour
    WHERE p.newest_hour < excluded.newest_hour";

/// Waits for no commit that is noting a change just now: such a minute is calculated once more.
const FORGET_MINUTES: &str = "
    WITH done AS (SELECT c.chain, c.minute, c.partition FROM price_changes c
        JOIN UNNEST($1::text[], $2::bigint[], $3::int[], $4::bigint[]) AS k(chain, minute, partition, changes)
            ON c.chain = k.chain AND c.minute = k.minute AND c.partition = k.partition AND c.changes = k.changes
        FOR UPDATE OF c SKIP LOCKED)
    DELETE FROM price_changes c USING done d
    WHERE c.chain = d.chain AND c.minute = d.minute AND c.partition = d.partition";

/// The tables within one transaction.
struct Tables<'a>(&'a mut PgConnection);

impl PriceTables for Tables<'_> {
    async fn is_noted(&mut self, rules: &PriceRules) -> Result<bool, Unavailable> {
        let query = "SELECT EXISTS (SELECT 1 FROM price_rules WHERE floor_usd = $1 AND band = $2)
                     AND NOT EXISTS (SELECT 1 FROM position WHERE noted <> next)";
        let query = sqlx::query_scalar(query).bind(rules.floor.to_string()).bind(i64::from(rules.band));
        query.fetch_one(&mut *self.0).await.map_err(failed)
    }

    /// What is read by others is counted before the trades are looked at, so a trade that is not seen here is counted later.
    async fn note_everything(&mut self, rules: &PriceRules) -> Result<(), Unavailable> {
        let unnoted = "SELECT log, partition, next - noted FROM position WHERE noted <> next";
        let unnoted: Vec<(String, i32, i64)> = sqlx::query_as(unnoted).fetch_all(&mut *self.0).await.map_err(failed)?;
        // All trades are read here, so a sequential scan is allowed.
        sqlx::raw_sql("SET LOCAL enable_seqscan = on").execute(&mut *self.0).await.map_err(failed)?;
        let note = "INSERT INTO price_changes AS c (chain, minute, partition, changes)
            SELECT DISTINCT chain, block_time_ms / 60000, $1::int, 1 FROM trades
            ON CONFLICT (chain, minute, partition) DO UPDATE SET changes = c.changes + 1";
        sqlx::query(note).bind(EVERY_PARTITION).execute(&mut *self.0).await.map_err(failed)?;
        sqlx::raw_sql("SET LOCAL enable_seqscan = off").execute(&mut *self.0).await.map_err(failed)?;
        let close = "UPDATE position p SET noted = p.noted + k.gap
            FROM UNNEST($1::text[], $2::int[], $3::bigint[]) AS k(log, partition, gap)
            WHERE p.log = k.log AND p.partition = k.partition";
        sqlx::query(close)
            .bind(column(&unnoted, |(log, _, _)| log.clone()))
            .bind(column(&unnoted, |(_, partition, _)| *partition))
            .bind(column(&unnoted, |(_, _, gap)| *gap))
            .execute(&mut *self.0)
            .await
            .map_err(failed)?;
        sqlx::query("DELETE FROM price_rules").execute(&mut *self.0).await.map_err(failed)?;
        let store =
            sqlx::query("INSERT INTO price_rules (floor_usd, band) VALUES ($1, $2)").bind(rules.floor.to_string());
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
            "SELECT chain, block_time_ms, trade_id, trader, height, sold_asset, sold_raw::text AS sold_raw, bought_asset,
                bought_raw::text AS bought_raw, notional_usd::text AS notional_usd, pools
            FROM trades WHERE block_time_ms >= $2 * 60000 AND block_time_ms < ($2 + 1) * 60000
                AND chain = ANY($1) AND status = 'live' AND NOT cycle";
        let query = sqlx::query(query).bind(chains).bind(to_bigint(minute));
        let rows = query.fetch_all(&mut *self.0).await.map_err(failed)?;
        Ok(minute_trades_by_chain(&rows)?)
    }

    async fn candles_of_minutes(
        &mut self,
        minutes: &[ChangedMinute],
    ) -> Result<BTreeMap<CandleKey, Candle>, Unavailable> {
        let query = format!(
            "SELECT {} FROM UNNEST($1::text[], $2::bigint[]) AS k(chain, minute)
             JOIN candles c ON c.chain = k.chain AND c.start_minute = k.minute AND c.span = '1m'",
            candle_columns()
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(column(minutes, |one| one.chain.clone()));
        let query = query.bind(column(minutes, |one| to_bigint(one.minute)));
        candles(&query.fetch_all(&mut *self.0).await.map_err(failed)?)
    }

    async fn candles_within(
        &mut self,
        within: &[(AssetKey, Range<u64>)],
        span: CandleSpan,
    ) -> Result<BTreeMap<CandleKey, Candle>, Unavailable> {
        let query = format!(
            "SELECT {} FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k(chain, asset, first, past)
             JOIN candles c ON c.chain = k.chain AND c.asset = k.asset AND c.span = $5 AND c.start_minute >= k.first
                AND c.start_minute < k.past",
            candle_columns()
        );
        let [chains, assets] = keys_of(within, |(asset, _)| asset);
        let query = sqlx::query(AssertSqlSafe(query)).bind(chains).bind(assets);
        let query = query.bind(column(within, |(_, minutes)| to_bigint(minutes.start)));
        let query = query.bind(column(within, |(_, minutes)| to_bigint(minutes.end))).bind(span.name());
        candles(&query.fetch_all(&mut *self.0).await.map_err(failed)?)
    }

    async fn replace_candles(&mut self, candles: &[(CandleKey, Option<Candle>)]) -> Result<(), Unavailable> {
        let written: Vec<(&CandleKey, &Candle)> =
            candles.iter().filter_map(|(key, candle)| Some((key, candle.as_ref()?))).collect();
        if !written.is_empty() {
            let [chains, assets] = keys_of(&written, |(key, _)| &key.asset);
            let mut query = sqlx::query(UPSERT_CANDLES).bind(chains).bind(assets);
            query = query.bind(column(&written, |(key, _)| key.span.name()));
            query = query.bind(column(&written, |(key, _)| to_bigint(key.start)));
            let mut amounts: [Vec<Option<String>>; 8] = Default::default();
            for (_, candle) in &written {
                for (column, amount) in amounts.iter_mut().zip(price_columns(Some(candle))) {
                    column.push(amount);
                }
            }
            for amounts in amounts {
                query = query.bind(amounts);
            }
            let closed = |of: fn(&CandlePrices) -> u64| {
                column(&written, |(_, candle)| candle.prices.as_ref().map(|prices| to_bigint(of(prices))))
            };
            query = query.bind(closed(|prices| prices.close_height)).bind(closed(|prices| prices.close_ms));
            query = query.bind(column(&written, |(_, candle)| candle.volume.to_string()));
            query = query.bind(column(&written, |(_, candle)| to_bigint(candle.trades)));
            query = query.bind(column(&written, |(_, candle)| to_bigint(candle.priced)));
            query.execute(&mut *self.0).await.map_err(failed)?;
        }
        let gone: Vec<&CandleKey> = candles.iter().filter(|(_, candle)| candle.is_none()).map(|(key, _)| key).collect();
        if !gone.is_empty() {
            let [chains, assets] = keys_of(&gone, |key| &key.asset);
            let delete = sqlx::query(DELETE_CANDLES).bind(chains).bind(assets);
            let delete = delete.bind(column(&gone, |key| key.span.name()));
            delete.bind(column(&gone, |key| to_bigint(key.start))).execute(&mut *self.0).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn newest_prices(
        &mut self,
        assets: &[AssetKey],
    ) -> Result<BTreeMap<AssetKey, Vec<CandlePrices>>, Unavailable> {
        let query = format!(
            "SELECT {} FROM UNNEST($1::text[], $2::text[]) WITH ORDINALITY AS k(chain, asset, n)
             CROSS JOIN LATERAL (SELECT * FROM candles c WHERE c.chain = k.chain AND c.asset = k.asset AND c.span = '1m'
                AND c.close_usd IS NOT NULL ORDER BY c.start_minute DESC LIMIT {MINUTES_JUDGED_BY}) c",
            candle_columns()
        );
        let [chains, names] = keys_of(assets, |asset| asset);
        let query = sqlx::query(AssertSqlSafe(query)).bind(chains).bind(names);
        let found = candles(&query.fetch_all(&mut *self.0).await.map_err(failed)?)?;
        Ok(prices::newest_first(found))
    }

    async fn decorations(&mut self, assets: &[AssetKey]) -> Result<BTreeMap<AssetKey, Decoration>, Unavailable> {
        let query = "SELECT a.chain, a.asset, a.symbol, a.decimals::bigint AS decimals, a.decorated_hour
            FROM UNNEST($1::text[], $2::text[]) AS k(chain, asset)
            JOIN assets a ON a.chain = k.chain AND a.asset = k.asset";
        let [chains, names] = keys_of(assets, |asset| asset);
        let rows = sqlx::query(query).bind(chains).bind(names).fetch_all(&mut *self.0).await.map_err(failed)?;
        Ok(rows.iter().map(read_decoration).collect::<Result<_, _>>()?)
    }

    async fn event_texts(&mut self, trades: &[TradeKey]) -> Result<Vec<Option<String>>, Unavailable> {
        let query = "SELECT k.n, t.event FROM UNNEST($1::bigint[], $2::text[], $3::text[])
                WITH ORDINALITY AS k(block_time_ms, trade_id, trader, n)
            JOIN trades t ON t.trader = k.trader AND t.block_time_ms = k.block_time_ms AND t.trade_id = k.trade_id";
        let rows = sqlx::query(query)
            .bind(column(trades, |key| to_bigint(key.time_ms)))
            .bind(column(trades, |key| text_of(&key.id)))
            .bind(column(trades, |key| text_of(&key.trader)))
            .fetch_all(&mut *self.0)
            .await
            .map_err(failed)?;
        let mut texts: HashMap<i64, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok((1..).take(trades.len()).map(|number| texts.remove(&number)).collect())
    }

    async fn write_assets(&mut self, rows: &[AssetRow]) -> Result<(), Unavailable> {
        let [chains, assets] = keys_of(rows, |row| &row.asset);
        let fraction =
            |at: usize| column(rows, |row| row.price.as_ref().map(|price| fraction_columns(&price.close)[at].clone()));
        let closed =
            |of: fn(&CandlePrices) -> u64| column(rows, |row| row.price.as_ref().map(|price| to_bigint(of(price))));
        let upsert = sqlx::query(UPSERT_ASSETS).bind(chains).bind(assets).bind(fraction(0)).bind(fraction(1));
        let upsert = upsert.bind(closed(|price| price.close_height)).bind(closed(|price| price.close_ms));
        upsert.execute(&mut *self.0).await.map_err(failed)?;
        let decorated: Vec<(&AssetKey, &Decoration)> =
            rows.iter().filter_map(|row| Some((&row.asset, row.decoration.as_ref()?))).collect();
        if !decorated.is_empty() {
            let [chains, assets] = keys_of(&decorated, |(asset, _)| *asset);
            let update = sqlx::query(DECORATE_ASSETS).bind(chains).bind(assets);
            let update = update.bind(column(&decorated, |(_, decoration)| decoration.symbol.clone()));
            let update = update.bind(column(&decorated, |(_, decoration)| decoration.decimals.map(i16::from)));
            let update = update.bind(column(&decorated, |(_, decoration)| decoration.hour));
            update.execute(&mut *self.0).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn write_pools(&mut self, pools: &[(AssetKey, String, i64)]) -> Result<(), Unavailable> {
        let [chains, assets] = keys_of(pools, |(asset, _, _)| asset);
        let upsert = sqlx::query(UPSERT_POOLS).bind(chains).bind(assets);
        let upsert = upsert.bind(column(pools, |(_, pool, _)| pool.clone()));
        upsert.bind(column(pools, |(_, _, hour)| *hour)).execute(&mut *self.0).await.map_err(failed)?;
        Ok(())
    }

    async fn forget(&mut self, minutes: &[ChangedMinute]) -> Result<(), Unavailable> {
        let notes: Vec<(&ChangedMinute, &(i32, i64))> =
            minutes.iter().flat_map(|minute| minute.notes.iter().map(move |note| (minute, note))).collect();
        sqlx::query(FORGET_MINUTES)
            .bind(column(&notes, |(minute, _)| minute.chain.clone()))
            .bind(column(&notes, |(minute, _)| to_bigint(minute.minute)))
            .bind(column(&notes, |(_, (partition, _))| *partition))
            .bind(column(&notes, |(_, (_, changes))| *changes))
            .execute(&mut *self.0)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

fn candles(rows: &[PgRow]) -> Result<BTreeMap<CandleKey, Candle>, Unavailable> {
    Ok(rows.iter().map(read_candle).collect::<Result<_, _>>()?)
}

/// Chains and assets of rows, a column each.
fn keys_of<T>(rows: &[T], asset: impl Fn(&T) -> &AssetKey) -> [Vec<String>; 2] {
    [column(rows, |row| asset(row).chain.clone()), column(rows, |row| asset(row).asset.clone())]
}
