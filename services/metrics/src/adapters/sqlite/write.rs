//! One commit: the read position moves first, or nothing happens; then rows and messages.

use crate::adapters::columns::{
    changed, held, open_parcels, parcels_after, parcels_taken, partition, sale, to_int, trades_after,
};
use crate::messages::messages;
use metrics_domain::{
    Book, BookKey, Changed, Dollars, Facts, FeeKey, FeeMove, HourKey, HourMove, Method, Outcome, Put, SideOf, User,
    UserKey,
};
use sqlx::{Row, SqliteConnection, SqlitePool};
use tape::Unavailable;

type Done = Result<(), sqlx::Error>;

pub(super) async fn commit(pool: &SqlitePool, method: Method, facts: &Facts) -> Result<Outcome, Unavailable> {
    let failed = |e| Unavailable::new("commit a batch", e);
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    if !advance(&mut transaction, facts).await.map_err(failed)? {
        transaction.rollback().await.map_err(failed)?;
        return Ok(Outcome::Moved);
    }
    write(&mut transaction, method, facts).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Outcome::Committed)
}

/// Moves the read position, if every position of its number, and the cut, is where the facts say, and counts what came too
/// late.
async fn advance(connection: &mut SqliteConnection, facts: &Facts) -> Result<bool, sqlx::Error> {
    let cut: i64 = sqlx::query_scalar("SELECT cut_ms FROM retention").fetch_one(&mut *connection).await?;
    if cut.cast_unsigned() != facts.cut_ms {
        return Ok(false);
    }
    let standing: Vec<(String, i64)> = sqlx::query_as("SELECT log, next FROM position WHERE partition = ?")
        .bind(partition(facts))
        .fetch_all(&mut *connection)
        .await?;
    if !facts.stand_on(standing.into_iter().map(|(log, next)| (log, next.cast_unsigned())).collect()) {
        return Ok(false);
    }
    let forward = "INSERT INTO position (log, partition, next) VALUES (?, ?, ?)
                   ON CONFLICT (log, partition) DO UPDATE SET next = excluded.next";
    let moved =
        sqlx::query(forward).bind(&*facts.partition.topic).bind(partition(facts)).bind(facts.next.cast_signed());
    moved.execute(&mut *connection).await?;
    for (chain, count) in &facts.late {
        let more = sqlx::query("UPDATE floors SET late = late + ? WHERE chain = ?");
        more.bind(to_int(*count)).bind(&**chain).execute(&mut *connection).await?;
    }
    Ok(true)
}

async fn write(connection: &mut SqliteConnection, method: Method, facts: &Facts) -> Done {
    for put in &facts.puts {
        put_trade(connection, method, put).await?;
    }
    for side in SideOf::BOTH {
        for row in changed(facts, side) {
            change_effect(connection, method, row).await?;
        }
    }
    for user in &facts.users {
        put_user(connection, facts, user).await?;
    }
    for book in &facts.books {
        put_book(connection, method, facts, book).await?;
    }
    for hour in &facts.hours {
        add_hour(connection, facts, hour).await?;
    }
    for fee in &facts.fees {
        add_fee(connection, facts, fee).await?;
    }
    for message in messages(facts) {
        let put = sqlx::query("INSERT INTO outbox (event_id, key, payload, trace) VALUES (?, ?, ?, ?)");
        let put = put.bind(message.event_id).bind(message.key).bind(message.payload).bind(message.trace);
        put.execute(&mut *connection).await?;
    }
    Ok(())
}

const PUT_TRADE: &str = "
    INSERT OR REPLACE INTO trades (block_time_ms, trade_id, chain, trader, height, tx_index, ordinal, kind, status,
        cycle, sold_asset, sold_raw, sold_quote, bought_asset, bought_raw, bought_quote, notional_usd, fee_usd,
        platform, venues, event, realized_pnl_usd, proceeds_without_basis_usd, sold_taken,
        sold_quantity_after, sold_unknown_after, sold_basis_after, sold_parcels_after, sold_trades_after,
        bought_quantity_after, bought_unknown_after, bought_basis_after, bought_parcels_after, bought_trades_after)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn put_trade(connection: &mut SqliteConnection, method: Method, put: &Put) -> Done {
    let (entry, effects) = (&put.entry, &put.effects);
    let mut query = sqlx::query(PUT_TRADE)
        .bind(to_int(entry.time_ms))
        .bind(&*entry.order.id)
        .bind(&*entry.user.chain)
        .bind(&*entry.user.trader)
        .bind(to_int(entry.order.place.height))
        .bind(entry.order.place.index)
        .bind(entry.order.place.ordinal)
        .bind(&put.said.kind)
        .bind(if put.live { "live" } else { "reverted" })
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
        .bind(serde_json::Value::from(put.said.venues.as_slice()).to_string())
        .bind(&put.said.text);
    for amount in sale(effects.sold.as_ref()) {
        query = query.bind(amount);
    }
    query = query.bind(parcels_taken(effects.sold.as_ref()));
    for side in SideOf::BOTH {
        let effect = effects.of(side);
        for amount in held(effect.map(|effect| &effect.after)) {
            query = query.bind(amount);
        }
        query = query.bind(parcels_after(effect, method)).bind(trades_after(effect));
    }
    query.execute(connection).await?;
    Ok(())
}

async fn change_effect(connection: &mut SqliteConnection, method: Method, row: &Changed) -> Done {
    let query = match row.side {
        SideOf::Sold => {
            "UPDATE trades SET sold_quantity_after = ?4, sold_unknown_after = ?5, sold_basis_after = ?6,
                 sold_parcels_after = ?7, sold_trades_after = ?8, realized_pnl_usd = ?9,
                 proceeds_without_basis_usd = ?10, sold_taken = ?11
             WHERE block_time_ms = ?1 AND trade_id = ?2 AND trader = ?3"
        }
        SideOf::Bought => {
            "UPDATE trades SET bought_quantity_after = ?4, bought_unknown_after = ?5, bought_basis_after = ?6,
                 bought_parcels_after = ?7, bought_trades_after = ?8
             WHERE block_time_ms = ?1 AND trade_id = ?2 AND trader = ?3"
        }
    };
    let mut query = sqlx::query(query).bind(to_int(row.key.time_ms)).bind(&*row.key.id).bind(&*row.key.trader);
    for amount in held(Some(&row.effect.after)) {
        query = query.bind(amount);
    }
    query = query.bind(parcels_after(Some(&row.effect), method)).bind(trades_after(Some(&row.effect)));
    if row.side == SideOf::Sold {
        for amount in sale(Some(&row.effect)) {
            query = query.bind(amount);
        }
        query = query.bind(parcels_taken(Some(&row.effect)));
    }
    query.execute(connection).await?;
    Ok(())
}

const PUT_USER: &str = "
    INSERT OR REPLACE INTO user_totals (trader, chain, partition, volume_usd, swaps, unvalued, cycles, fees_usd,
        realized_pnl_usd, realized_pnl_net_usd, proceeds_usd, proceeds_without_basis_usd, seen_height, seen_index, seen_ordinal)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn put_user(connection: &mut SqliteConnection, facts: &Facts, (key, user): &(UserKey, User)) -> Done {
    let totals = &user.totals;
    sqlx::query(PUT_USER)
        .bind(&*key.trader)
        .bind(&*key.chain)
        .bind(partition(facts))
        .bind(totals.volume.to_string())
        .bind(to_int(totals.swaps))
        .bind(to_int(totals.unvalued))
        .bind(to_int(totals.cycles))
        .bind(totals.fees.to_string())
        .bind(totals.realized.pnl.to_string())
        .bind(totals.net().to_string())
        .bind(totals.realized.proceeds.to_string())
        .bind(totals.realized.without_basis.to_string())
        .bind(user.seen.map_or(0, |place| to_int(place.height)))
        .bind(user.seen.map_or(0, |place| place.index))
        .bind(user.seen.map_or(0, |place| place.ordinal))
        .execute(connection)
        .await?;
    Ok(())
}

const PUT_BOOK: &str = "
    INSERT OR REPLACE INTO positions (trader, chain, asset, partition, symbol, decimals, decorated_height,
        decorated_index, decorated_ordinal, trades, quantity, unknown_quantity, basis_usd, parcels, realized_pnl_usd,
        proceeds_usd, proceeds_without_basis_usd)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn put_book(
    connection: &mut SqliteConnection,
    method: Method,
    facts: &Facts,
    (key, book): &(BookKey, Book),
) -> Done {
    sqlx::query(PUT_BOOK)
        .bind(&*key.user.trader)
        .bind(&*key.user.chain)
        .bind(&*key.asset)
        .bind(partition(facts))
        .bind(&book.symbol)
        .bind(book.decimals)
        .bind(book.decorated.map(|place| to_int(place.height)))
        .bind(book.decorated.map(|place| place.index))
        .bind(book.decorated.map(|place| place.ordinal))
        .bind(to_int(book.trades))
        .bind(book.holding.quantity.to_string())
        .bind(book.holding.unknown.to_string())
        .bind(book.holding.basis.to_string())
        .bind(open_parcels(&book.holding, method))
        .bind(book.realized.pnl.to_string())
        .bind(book.realized.proceeds.to_string())
        .bind(book.realized.without_basis.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

const TAKE_HOUR: &str = "
    DELETE FROM user_hours WHERE trader = ? AND chain = ? AND hour = ?
    RETURNING swaps, unvalued, cycles, volume_usd, fees_usd, realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd";
const PUT_HOUR: &str = "
    INSERT INTO user_hours (trader, chain, hour, partition, swaps, unvalued, cycles, volume_usd, fees_usd,
        realized_pnl_usd, proceeds_usd, proceeds_without_basis_usd)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Adds to an hour; one without trades is gone.
async fn add_hour(connection: &mut SqliteConnection, facts: &Facts, (key, moved): &(HourKey, HourMove)) -> Done {
    let (trader, chain, hour) = (&*key.user.trader, &*key.user.chain, to_int(key.hour));
    let known = sqlx::query(TAKE_HOUR).bind(trader).bind(chain).bind(hour).fetch_optional(&mut *connection).await?;
    let mut sum = moved.clone();
    if let Some(row) = known {
        sum.swaps += row.get::<i64, _>(0);
        sum.unvalued += row.get::<i64, _>(1);
        sum.cycles += row.get::<i64, _>(2);
        let realized = &mut sum.realized;
        let amounts =
            [&mut sum.volume, &mut sum.fees, &mut realized.pnl, &mut realized.proceeds, &mut realized.without_basis];
        for (at, amount) in amounts.into_iter().enumerate() {
            *amount += &dollars(row.get(at + 3))?;
        }
    }
    if sum.is_empty() {
        return Ok(());
    }
    let put = sqlx::query(PUT_HOUR).bind(trader).bind(chain).bind(hour).bind(partition(facts));
    let put = put.bind(sum.swaps).bind(sum.unvalued).bind(sum.cycles).bind(sum.volume.to_string());
    let put = put.bind(sum.fees.to_string()).bind(sum.realized.pnl.to_string());
    let put = put.bind(sum.realized.proceeds.to_string()).bind(sum.realized.without_basis.to_string());
    put.execute(connection).await?;
    Ok(())
}

fn dollars(text: &str) -> Result<Dollars, sqlx::Error> {
    text.parse().map_err(|e: metrics_domain::amounts::NotDollars| sqlx::Error::Decode(e.into()))
}

/// Adds to a day's fees; a day without trades is gone.
async fn add_fee(connection: &mut SqliteConnection, facts: &Facts, (key, moved): &(FeeKey, FeeMove)) -> Done {
    let (trader, chain, day) = (&*key.user.trader, &*key.user.chain, to_int(key.day));
    let known = sqlx::query(
        "DELETE FROM fees WHERE trader = ? AND chain = ? AND platform = ? AND day = ? RETURNING trades, fees_usd",
    );
    let known = known.bind(trader).bind(chain).bind(&key.platform).bind(day).fetch_optional(&mut *connection).await?;
    let (mut trades, mut usd) = (moved.trades, moved.usd.clone());
    if let Some(row) = known {
        trades += row.get::<i64, _>(0);
        usd += &dollars(row.get(1))?;
    }
    if trades != 0 {
        let put = sqlx::query(
            "INSERT INTO fees (trader, chain, platform, day, partition, trades, fees_usd) VALUES (?, ?, ?, ?, ?, ?, ?)",
        );
        let put = put.bind(trader).bind(chain).bind(&key.platform).bind(day).bind(partition(facts));
        put.bind(trades).bind(usd.to_string()).execute(connection).await?;
    }
    Ok(())
}
