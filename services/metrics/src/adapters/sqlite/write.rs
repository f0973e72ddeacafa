//! One commit. The read position moves first, and only from where it was; then rows and messages are written.

use super::{flows, prices};
use crate::adapters::columns::{
    changed_effects_of, holding_columns, open_parcels_column, parcels_after_column, parcels_taken_column,
    partition_column, released_columns, sale_columns, to_bigint, trades_after_column,
};
use crate::messages::messages_about;
use metrics_domain::{
    Book, BookFacts, BookKey, ChangedEffect, CommitOutcome, Dollars, FeeDelta, FeeKey, HourDelta, HourKey, Method,
    TradeRow, TradeSide, User, UserKey,
};
use sqlx::{Row, SqliteConnection, SqlitePool};
use tape::Unavailable;

type Done = Result<(), sqlx::Error>;

pub(super) async fn commit(pool: &SqlitePool, method: Method, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
    let failed = |e| Unavailable::new("commit a batch", e);
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    if !move_position(&mut transaction, facts).await.map_err(failed)? {
        transaction.rollback().await.map_err(failed)?;
        return Ok(CommitOutcome::Moved);
    }
    write(&mut transaction, method, facts).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(CommitOutcome::Committed)
}

/// Moves the read position and counts late events, if the retention cut and all read positions of the partition index
/// are what the facts say.
async fn move_position(connection: &mut SqliteConnection, facts: &BookFacts) -> Result<bool, sqlx::Error> {
    let cut: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut.cast_unsigned() != facts.cut_ms {
        return Ok(false);
    }
    let committed: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM position WHERE partition = ?")
        .bind(partition_column(facts))
        .fetch_all(&mut *connection)
        .await?;
    if !facts.rests_on_positions(committed.into_iter().map(|(log, next)| (log, next.cast_unsigned())).collect()) {
        return Ok(false);
    }
    let upsert_position = "INSERT INTO position (log, partition, next, noted) VALUES (?1, ?2, ?3, ?3)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next,
                       noted = position.noted + excluded.next - position.next";
    let update = sqlx::query(upsert_position)
        .bind(&*facts.partition.topic)
        .bind(partition_column(facts))
        .bind(facts.next.cast_signed());
    update.execute(&mut *connection).await?;
    for (chain, count) in &facts.late_events {
        let count_late = sqlx::query("UPDATE floors SET late = late + ? WHERE chain = ?");
        count_late.bind(to_bigint(*count)).bind(&**chain).execute(&mut *connection).await?;
    }
    Ok(true)
}

async fn write(connection: &mut SqliteConnection, method: Method, facts: &BookFacts) -> Done {
    for row in &facts.trade_rows {
        replace_trade(connection, method, row).await?;
    }
    for side in TradeSide::BOTH {
        for row in changed_effects_of(facts, side) {
            update_effect(connection, method, row).await?;
        }
    }
    for user in &facts.users {
        replace_user(connection, facts, user).await?;
    }
    for book in &facts.books {
        replace_book(connection, method, facts, book).await?;
    }
    for hour in &facts.hours {
        add_hour(connection, facts, hour).await?;
    }
    for fee in &facts.fees {
        add_fee(connection, facts, fee).await?;
    }
    flows::note_changes(connection, facts).await?;
    prices::note_changes(connection, facts).await?;
    for message in messages_about(facts) {
        let insert = sqlx::query("INSERT INTO outbox (event_id, key, payload, trace) VALUES (?, ?, ?, ?)");
        let insert = insert.bind(message.event_id).bind(message.key).bind(message.payload).bind(message.trace);
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

const REPLACE_TRADE: &str = "
    INSERT OR REPLACE INTO trades (block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status,
        cycle, sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, fee_usd,
        platform, venues, pools, event, realized_pnl_usd, proceeds_without_basis_usd, sold_taken, released_quantity, released_usd,
        implausible_usd, confidence,
        sold_quantity_after, sold_unknown_after, sold_basis_after, sold_parcels_after, sold_trades_after,
        bought_quantity_after, bought_unknown_after, bought_basis_after, bought_parcels_after, bought_trades_after)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        ?)";

async fn replace_trade(connection: &mut SqliteConnection, method: Method, row: &TradeRow) -> Done {
    let (entry, effects) = (&row.entry, &row.effects);
    let mut query = sqlx::query(REPLACE_TRADE)
        .bind(to_bigint(entry.time_ms))
        .bind(&*entry.order.id)
        .bind(&*entry.user.chain)
        .bind(&*entry.user.trader)
        .bind(to_bigint(entry.order.place.height))
        .bind(entry.order.place.index)
        .bind(entry.order.place.ordinal)
        .bind(&row.details.kind)
        .bind(if row.live { "live" } else { "reverted" })
        .bind(entry.cycle)
        .bind(&*entry.sold.asset)
        .bind(entry.sold.raw.to_string())
        .bind(entry.sold.quote)
        .bind(&*entry.bought.asset)
        .bind(entry.bought.raw.to_string())
        .bind(entry.bought.quote)
        .bind(entry.notional.as_ref().map(ToString::to_string))
        .bind(entry.fee.as_ref().map(ToString::to_string))
        .bind(&entry.platform)
        .bind(serde_json::Value::from(row.details.venues.as_slice()).to_string())
        .bind(&row.details.pools)
        .bind(&row.details.raw_text);
    for amount in sale_columns(effects.sold.as_ref()) {
        query = query.bind(amount);
    }
    query = query.bind(parcels_taken_column(effects.sold.as_ref()));
    for amount in released_columns(effects.sold.as_ref()) {
        query = query.bind(amount);
    }
    query = query.bind(entry.implausible.as_ref().map(ToString::to_string)).bind(entry.confidence.word());
    for side in TradeSide::BOTH {
        let effect = effects.on_side(side);
        for amount in holding_columns(effect.map(|effect| &effect.after)) {
            query = query.bind(amount);
        }
        query = query.bind(parcels_after_column(effect, method)).bind(trades_after_column(effect));
    }
    query.execute(connection).await?;
    Ok(())
}

async fn update_effect(connection: &mut SqliteConnection, method: Method, row: &ChangedEffect) -> Done {
    let query = match row.side {
        TradeSide::Sold => {
            "UPDATE trades SET sold_quantity_after = ?4, sold_unknown_after = ?5, sold_basis_after = ?6,
                 sold_parcels_after = ?7, sold_trades_after = ?8, realized_pnl_usd = ?9,
                 proceeds_without_basis_usd = ?10, sold_taken = ?11, released_quantity = ?12, released_usd = ?13
             WHERE block_time_ms = ?1 AND trade_id = ?2 AND trader = ?3"
        }
        TradeSide::Bought => {
            "UPDATE trades SET bought_quantity_after = ?4, bought_unknown_after = ?5, bought_basis_after = ?6,
                 bought_parcels_after = ?7, bought_trades_after = ?8
             WHERE block_time_ms = ?1 AND trade_id = ?2 AND trader = ?3"
        }
    };
    let mut query = sqlx::query(query).bind(to_bigint(row.key.time_ms)).bind(&*row.key.id).bind(&*row.key.trader);
    for amount in holding_columns(Some(&row.effect.after)) {
        query = query.bind(amount);
    }
    query = query.bind(parcels_after_column(Some(&row.effect), method)).bind(trades_after_column(Some(&row.effect)));
    if row.side == TradeSide::Sold {
        for amount in sale_columns(Some(&row.effect)) {
            query = query.bind(amount);
        }
        query = query.bind(parcels_taken_column(Some(&row.effect)));
        for amount in released_columns(Some(&row.effect)) {
            query = query.bind(amount);
        }
    }
    query.execute(connection).await?;
    Ok(())
}

const REPLACE_USER: &str = "
    INSERT OR REPLACE INTO user_totals (trader, chain, partition, volume_usd, swaps, unvalued, cycles, fees_usd,
        realized_pnl_usd, realized_pnl_net_usd, proceeds_usd, proceeds_without_basis_usd, basis_without_proceeds_usd,
        implausible, implausible_usd, seen_height, seen_index, seen_ordinal, volume_exact_usd, volume_reported_usd,
        volume_estimated_usd, volume_traced_usd)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn replace_user(connection: &mut SqliteConnection, facts: &BookFacts, (key, user): &(UserKey, User)) -> Done {
    let totals = &user.totals;
    let mut query = sqlx::query(REPLACE_USER)
        .bind(&*key.trader)
        .bind(&*key.chain)
        .bind(partition_column(facts))
        .bind(totals.volume.to_string())
        .bind(to_bigint(totals.swaps))
        .bind(to_bigint(totals.unvalued))
        .bind(to_bigint(totals.cycles))
        .bind(totals.fees.to_string())
        .bind(totals.realized.pnl.to_string())
        .bind(totals.net().to_string())
        .bind(totals.realized.proceeds.to_string())
        .bind(totals.realized.without_basis.to_string())
        .bind(totals.realized.basis_without_proceeds.to_string())
        .bind(to_bigint(totals.implausible))
        .bind(totals.implausible_usd.to_string())
        .bind(user.seen.map_or(0, |place| to_bigint(place.height)))
        .bind(user.seen.map_or(0, |place| place.index))
        .bind(user.seen.map_or(0, |place| place.ordinal));
    for amount in totals.by_confidence.amounts() {
        query = query.bind(amount.to_string());
    }
    query.execute(connection).await?;
    Ok(())
}

const REPLACE_BOOK: &str = "
    INSERT OR REPLACE INTO positions (trader, chain, asset, partition, symbol, decimals, decorated_height,
        decorated_index, decorated_ordinal, trades, quantity, unknown_quantity, basis_usd, parcels, realized_pnl_usd,
        proceeds_usd, proceeds_without_basis_usd, basis_without_proceeds_usd, bought_quantity)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn replace_book(
    connection: &mut SqliteConnection,
    method: Method,
    facts: &BookFacts,
    (key, book): &(BookKey, Book),
) -> Done {
    sqlx::query(REPLACE_BOOK)
        .bind(&*key.user.trader)
        .bind(&*key.user.chain)
        .bind(&*key.asset)
        .bind(partition_column(facts))
        .bind(&book.symbol)
        .bind(book.decimals)
        .bind(book.decorated.map(|place| to_bigint(place.height)))
        .bind(book.decorated.map(|place| place.index))
        .bind(book.decorated.map(|place| place.ordinal))
        .bind(to_bigint(book.trades))
        .bind(book.holding.quantity.to_string())
        .bind(book.holding.unknown.to_string())
        .bind(book.holding.basis.to_string())
        .bind(open_parcels_column(&book.holding, method))
        .bind(book.realized.pnl.to_string())
        .bind(book.realized.proceeds.to_string())
        .bind(book.realized.without_basis.to_string())
        .bind(book.realized.basis_without_proceeds.to_string())
        .bind(book.bought.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

const DELETE_HOUR: &str = "
    DELETE FROM user_hours WHERE trader = ? AND chain = ? AND hour = ?
    RETURNING swaps, unvalued, cycles, implausible, implausible_usd, volume_usd, fees_usd, realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd,
        basis_without_proceeds_usd, volume_exact_usd, volume_reported_usd, volume_estimated_usd, volume_traced_usd";
const INSERT_HOUR: &str = "
    INSERT INTO user_hours (trader, chain, hour, partition, swaps, unvalued, cycles, volume_usd, fees_usd,
        realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd, basis_without_proceeds_usd, implausible,
        implausible_usd, volume_exact_usd, volume_reported_usd, volume_estimated_usd, volume_traced_usd)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Adds to an hour; an hour that has no trades afterwards is deleted.
async fn add_hour(connection: &mut SqliteConnection, facts: &BookFacts, (key, delta): &(HourKey, HourDelta)) -> Done {
    let (trader, chain, hour) = (&*key.user.trader, &*key.user.chain, to_bigint(key.hour));
    let existing =
        sqlx::query(DELETE_HOUR).bind(trader).bind(chain).bind(hour).fetch_optional(&mut *connection).await?;
    let mut sum = delta.clone();
    if let Some(row) = existing {
        sum.swaps += row.get::<i64, _>(0);
        sum.unvalued += row.get::<i64, _>(1);
        sum.cycles += row.get::<i64, _>(2);
        sum.implausible += row.get::<i64, _>(3);
        let realized = &mut sum.realized;
        let amounts = [
            &mut sum.implausible_usd,
            &mut sum.volume,
            &mut sum.fees,
            &mut realized.pnl,
            &mut realized.proceeds,
            &mut realized.without_basis,
            &mut realized.basis_without_proceeds,
        ];
        for (at, amount) in amounts.into_iter().chain(sum.by_confidence.amounts_mut()).enumerate() {
            *amount += &dollars(row.get(at + 4))?;
        }
    }
    if sum.is_empty() {
        return Ok(());
    }
    let insert = sqlx::query(INSERT_HOUR).bind(trader).bind(chain).bind(hour).bind(partition_column(facts));
    let insert = insert.bind(sum.swaps).bind(sum.unvalued).bind(sum.cycles).bind(sum.volume.to_string());
    let insert = insert.bind(sum.fees.to_string()).bind(sum.realized.pnl.to_string());
    let insert = insert.bind(sum.realized.proceeds.to_string()).bind(sum.realized.without_basis.to_string());
    let insert = insert.bind(sum.realized.basis_without_proceeds.to_string());
    let mut insert = insert.bind(sum.implausible).bind(sum.implausible_usd.to_string());
    for amount in sum.by_confidence.amounts() {
        insert = insert.bind(amount.to_string());
    }
    insert.execute(connection).await?;
    Ok(())
}

fn dollars(text: &str) -> Result<Dollars, sqlx::Error> {
    text.parse().map_err(|e: metrics_domain::NotDollars| sqlx::Error::Decode(e.into()))
}

/// Adds to a day's fees; a day that has no trades afterwards is deleted.
async fn add_fee(connection: &mut SqliteConnection, facts: &BookFacts, (key, delta): &(FeeKey, FeeDelta)) -> Done {
    let (trader, chain, day) = (&*key.user.trader, &*key.user.chain, to_bigint(key.day));
    let existing = sqlx::query(
        "DELETE FROM fees WHERE trader = ? AND chain = ? AND platform = ? AND day = ? RETURNING trades, fees_usd",
    );
    let existing =
        existing.bind(trader).bind(chain).bind(&key.platform).bind(day).fetch_optional(&mut *connection).await?;
    let (mut trades, mut usd) = (delta.trades, delta.usd.clone());
    if let Some(row) = existing {
        trades += row.get::<i64, _>(0);
        usd += &dollars(row.get(1))?;
    }
    if trades != 0 {
        let insert = sqlx::query(
            "INSERT INTO fees (trader, chain, platform, day, partition, trades, fees_usd) VALUES (?, ?, ?, ?, ?, ?, ?)",
        );
        let insert = insert.bind(trader).bind(chain).bind(&key.platform).bind(day).bind(partition_column(facts));
        insert.bind(trades).bind(usd.to_string()).execute(connection).await?;
    }
    Ok(())
}
