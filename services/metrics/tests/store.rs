//! One suite for every store: PostgreSQL and SQLite store what the memory store does, and each commit is atomic.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/trades.rs"]
mod trades;

use metrics::adapters::OpenError;
use metrics::adapters::postgres::Postgres;
use metrics::adapters::sqlite::Sqlite;
use metrics::leaders::Leaderboards;
use metrics::messages::MetricsMessage;
use metrics::outbox::Outbox;
use metrics_domain::memory::MemoryStore;
use metrics_domain::{
    BookFacts, BookKey, BookRules, BookToRefold, CommitOutcome, Floors, Method, PruneOutcome, Retention, Store,
    TradeKey, UserKey,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Mutex;
use stores::{NEXT_VERSION, assert_same, assert_same_rows, empty_facts, postgres_server, run_sql};
use tape::{Delivery, Event, Partition, Unavailable};
use tape_log::guard::{KnownPartition, NotedPartition, TapeMemory};
use trades::{Dice, absent, batches, history, partition, play, present, swap, worth};

/// Everything that the port promises; each part uses its own partitions and chains.
async fn suite(store: &(impl Store + Outbox + TapeMemory)) {
    knows_the_tape_of_its_positions(store).await;
    stores_what_memory_stores(store).await;
    stores_many_trades_at_once(store).await;
    moves_a_position_only_from_where_it_is(store).await;
    returns_messages_until_they_are_published(store).await;
}

async fn knows_the_tape_of_its_positions(store: &(impl Store + TapeMemory)) {
    let (read, unread) = (partition(60), partition(61));
    assert_eq!(store.commit(&empty_facts(60, None, 7)).await.unwrap(), CommitOutcome::Committed);
    let known = |partition: &Partition, tape: Option<&str>, first, next| KnownPartition {
        partition: partition.clone(),
        tape: tape.map(str::to_owned),
        first,
        next,
    };
    let noted = |partition: &Partition, tape: &str, first| NotedPartition {
        partition: partition.clone(),
        tape: tape.into(),
        first,
    };
    assert_eq!(of_these(store, &[&read]).await, [known(&read, None, 0, Some(7))]);
    store.note_partitions(&[noted(&read, "a", 0), noted(&unread, "a", 0)]).await.unwrap();
    let expected = [known(&read, Some("a"), 0, Some(7)), known(&unread, Some("a"), 0, None)];
    assert_eq!(of_these(store, &[&read, &unread]).await, expected);
    store.adopt_partitions(&[noted(&read, "b", 3)], std::slice::from_ref(&read)).await.unwrap();
    assert_eq!(of_these(store, &[&read]).await, [known(&read, Some("b"), 3, None)]);
    assert_eq!(store.read_position(&read).await.unwrap(), None, "it is read from its beginning again");
}

async fn of_these(store: &impl TapeMemory, partitions: &[&Partition]) -> Vec<KnownPartition> {
    let mut known = store.known_partitions().await.unwrap();
    known.retain(|known| partitions.contains(&&known.partition));
    known.sort_by_key(|known| known.partition.index);
    known
}

async fn stores_what_memory_stores(store: &impl Store) {
    let memory = MemoryStore::with_rules(store.rules().clone());
    for number in 0..24 {
        let mut dice = Dice::new(u64::from(number) + 1);
        let mut events = history(&format!("chain{number}"), &mut dice, 60);
        if number % 3 == 0 {
            // A clock that goes backwards: from one height to the next, or from one branch of a block to the other.
            let jump = |height: u64, index: u32| 1_700_000_000_000 + height * 7 % 4 * 1_000 + u64::from(index % 2);
            let clock = |event: &mut Event| {
                event.trade.block.timestamp_ms = jump(event.trade.block.id.height, event.trade.transaction.index);
            };
            events.iter_mut().for_each(clock);
        }
        let size = 1 + dice.roll(20) as usize;
        play(batches(&partition(number), &events, size), store, 7).await;
        play(batches(&partition(number), &events, size), &memory, 7).await;
        assert_eq!(store.read_position(&partition(number)).await.unwrap(), Some(60));
    }
    assert_same(store, &memory).await;
}

/// Many trades are written in another way than few: each of these batches has hundreds.
async fn stores_many_trades_at_once(store: &impl Store) {
    let memory = MemoryStore::with_rules(store.rules().clone());
    let events = history("many", &mut Dice::new(7), 2_000);
    play(batches(&partition(30), &events, 1_000), store, 1_000).await;
    play(batches(&partition(30), &events, 1_000), &memory, 1_000).await;
    assert!(memory.state().trades.len() > 2 * 256, "so one batch brings more than 256");
    assert_same_rows(store, &memory).await;
}

async fn moves_a_position_only_from_where_it_is(store: &(impl Store + Outbox)) {
    assert_eq!(store.read_position(&partition(40)).await.unwrap(), None);
    assert_eq!(store.commit(&empty_facts(40, None, 5)).await.unwrap(), CommitOutcome::Committed);
    for (from, next) in [(None, 9), (Some(4), 9), (Some(6), 9)] {
        assert_eq!(store.commit(&empty_facts(40, from, next)).await.unwrap(), CommitOutcome::Moved);
        assert_eq!(store.read_position(&partition(40)).await.unwrap(), Some(5));
    }
    assert_eq!(
        store.commit(&empty_facts(41, Some(5), 9)).await.unwrap(),
        CommitOutcome::Moved,
        "a partition never read"
    );
    assert_eq!(store.commit(&empty_facts(40, Some(5), 9)).await.unwrap(), CommitOutcome::Committed);
    drain(store).await;
    // A reader of one topic must not commit without knowing what a reader of another topic committed for the same
    // users.
    let history = tape::Partition { topic: "trades.history.v1".into(), index: 42 };
    assert_eq!(store.commit(&empty_facts(42, None, 3)).await.unwrap(), CommitOutcome::Committed);
    let blind = BookFacts { partition: history.clone(), ..empty_facts(42, None, 7) };
    assert_eq!(store.commit(&blind).await.unwrap(), CommitOutcome::Moved);
    let aware = BookFacts { companions: vec![(partition(42), 3)], ..blind };
    assert_eq!(aware.as_of(), 10);
    assert_eq!(store.commit(&aware).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(store.commit(&empty_facts(42, Some(3), 4)).await.unwrap(), CommitOutcome::Moved);
    let stale = BookFacts { companions: vec![(history.clone(), 6)], ..empty_facts(42, Some(3), 4) };
    assert_eq!(store.commit(&stale).await.unwrap(), CommitOutcome::Moved);
    let fresh = BookFacts { companions: vec![(history, 7)], ..stale };
    assert_eq!(store.commit(&fresh).await.unwrap(), CommitOutcome::Committed);
    // A refused commit leaves no row behind: these facts are committed from the wrong position.
    let recorder = Recorder { inner: MemoryStore::default(), commits: Mutex::default() };
    play(
        batches(&partition(40), &[present(&worth(swap("refused", "ann", 1, ("$usd", 5), ("cat", 5)), "5"))], 1),
        &recorder,
        9,
    )
    .await;
    let mut facts = recorder.commits.into_inner().unwrap().pop().unwrap();
    assert_eq!((facts.trade_rows.len(), facts.users.len(), facts.books.len()), (1, 1, 1));
    assert_eq!(store.commit(&facts).await.unwrap(), CommitOutcome::Moved);
    let (users, books) = ([facts.users[0].0.clone()], [facts.books[0].0.clone()]);
    let accounts = store.load_accounts(&users, &books).await.unwrap();
    assert!(accounts.users.is_empty() && accounts.books.is_empty());
    assert!(store.load_trades(&[facts.trade_rows[0].entry.key()]).await.unwrap().is_empty());
    assert!(drain(store).await.is_empty());
    facts.from = Some(9);
    facts.next = 10;
    assert_eq!(store.commit(&facts).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(store.load_accounts(&users, &books).await.unwrap().users, facts.users);
}

async fn returns_messages_until_they_are_published(store: &(impl Store + Outbox)) {
    drain(store).await;
    let lines = [("$usd", "cat", "10"), ("cat", "$usd", "8")];
    let trade = |(at, (sold, bought, usd)): (usize, &(&str, &str, &str))| {
        present(&worth(swap("outbox", "ann", at as u64 + 1, (sold, 10), (bought, 10)), usd))
    };
    let events: Vec<Event> = lines.iter().enumerate().map(trade).collect();
    let mut script = batches(&partition(50), &events, 1);
    if let Some(Delivery::Batch(last)) = script.last_mut() {
        last.trace = Some("of the last".into());
    }
    play(script, store, 9).await;
    let broken = store.drain(9, |_| async { Err(Unavailable::new("publish", "no broker")) }).await;
    assert!(broken.is_err());
    let messages = drain(store).await;
    let ids: Vec<&str> = messages.iter().map(|message| message.event_id.as_str()).collect();
    assert_eq!(ids, ["outbox/ann/50/1", "outbox/ann/50/2"]);
    assert_eq!([&messages[0].trace, &messages[1].trace], [&None, &Some("of the last".to_owned())]);
    let last = wire::v1::metrics::decode(messages[1].payload.as_bytes()).unwrap();
    assert_eq!((last.as_of.partition, last.as_of.offset), (50, 2));
    assert_eq!((last.totals.volume_usd.as_str(), last.totals.realized_pnl_usd.as_str()), ("18", "-2"));
    assert_eq!((last.positions[0].asset.as_str(), last.positions[0].quantity.as_str()), ("cat", "0"));
    assert!(drain(store).await.is_empty());
}

async fn drain(store: &impl Outbox) -> Vec<MetricsMessage> {
    let sent = Mutex::new(vec![]);
    let publish = |messages: Vec<MetricsMessage>| {
        sent.lock().unwrap().extend(messages);
        async { Ok(()) }
    };
    while store.drain(100, publish).await.unwrap() > 0 {}
    sent.into_inner().unwrap()
}

/// A store that records the facts committed to it.
struct Recorder {
    inner: MemoryStore,
    commits: Mutex<Vec<BookFacts>>,
}

impl Store for Recorder {
    fn rules(&self) -> &BookRules {
        self.inner.rules()
    }

    async fn read_position(&self, partition: &tape::Partition) -> Result<Option<u64>, Unavailable> {
        self.inner.read_position(partition).await
    }

    async fn read_floors(&self) -> Result<Floors, Unavailable> {
        self.inner.read_floors().await
    }

    async fn load_accounts(
        &self,
        users: &[UserKey],
        books: &[BookKey],
    ) -> Result<metrics_domain::Accounts, Unavailable> {
        self.inner.load_accounts(users, books).await
    }

    async fn load_trades(&self, trades: &[TradeKey]) -> Result<Vec<metrics_domain::StoredTrade>, Unavailable> {
        self.inner.load_trades(trades).await
    }

    async fn load_tails(&self, books: &[BookToRefold]) -> Result<Vec<metrics_domain::Tail>, Unavailable> {
        self.inner.load_tails(books).await
    }

    async fn commit(&self, facts: &BookFacts) -> Result<CommitOutcome, Unavailable> {
        self.commits.lock().unwrap().push(facts.clone());
        self.inner.commit(facts).await
    }
}

/// The golden vector with a late trade and a reverted one, to test what the views show.
fn golden_events() -> Vec<Event> {
    let buy = |height, raw, usd| worth(swap("golden", "ann", height, ("$usd", 1), ("cat", raw)), usd);
    let sell = |height, raw, usd| worth(swap("golden", "ann", height, ("cat", raw), ("$usd", 1)), usd);
    let mut fee = buy(1, 10, "10");
    fee.platform = Some("shop".to_owned());
    fee.valuation.as_mut().unwrap().fee = tape::Usd::parse("0.25").ok();
    let gone = buy(3, 7, "70");
    vec![
        present(&gone),
        present(&sell(2, 4, "8")),
        present(&fee),
        present(&sell(5, 16, "32")),
        absent(&gone),
        present(&buy(4, 10, "20")),
    ]
}

/// Queries of the published views, with amounts as text in both databases.
const SELECT_TRADES: &str =
    "SELECT height || ' ' || status || ' ' || coalesce(CAST(realized_pnl_usd AS text), '-') || ' ' ||
    coalesce(CAST(sold_quantity_after AS text), '-') FROM trades_v1 WHERE chain = 'golden' ORDER BY height";
const SELECT_USERS: &str = "SELECT trader || ' ' || CAST(volume_usd AS text) || ' ' || swaps || ' ' || CAST(fees_usd AS text)
    || ' ' || CAST(realized_pnl_usd AS text) || ' ' || CAST(realized_pnl_net_usd AS text) || ' ' || partition || ' ' || as_of
    || ' ' || CAST(proceeds_usd AS text) FROM user_totals_v1 WHERE chain = 'golden'";
const SELECT_POSITIONS: &str =
    "SELECT asset || ' ' || CAST(quantity AS text) || ' ' || CAST(basis_usd AS text) || ' ' || trades
    || ' ' || symbol FROM positions_v1 WHERE chain = 'golden'";
const SELECT_FEES: &str =
    "SELECT platform || ' ' || day || ' ' || CAST(fees_usd AS text) FROM fees_v1 WHERE chain = 'golden'";
const SELECT_HOURS: &str =
    "SELECT hour || ' ' || swaps || ' ' || CAST(volume_usd AS text) || ' ' || CAST(realized_pnl_usd AS text)
    || ' ' || CAST(proceeds_usd AS text) FROM user_hours_v1 WHERE chain = 'golden' ORDER BY hour";
const SELECT_READ_POSITIONS: &str =
    "SELECT log || ' ' || partition || ' ' || next FROM read_positions_v1 WHERE partition = 60";

fn expected_views() -> [(&'static str, Vec<&'static str>); 6] {
    [
        (SELECT_TRADES, vec!["1 live - -", "2 live 4 6", "3 reverted - -", "4 live - -", "5 live 6 0"]),
        (SELECT_USERS, vec!["ann 70 4 0.25 10 9.75 60 6 40"]),
        (SELECT_POSITIONS, vec!["cat 0 0 4 CAT"]),
        (SELECT_HOURS, vec!["472233 1 10 0 0", "472244 1 8 4 8", "472266 1 20 0 0", "472277 1 32 6 32"]),
        (SELECT_FEES, vec!["shop 19676 0.25"]),
        (SELECT_READ_POSITIONS, vec!["trades.executed.v1 60 6"]),
    ]
}

/// Leaderboards at a time when only the last two golden trades are younger than a day.
async fn ranks_leaders(store: &(impl Store + Leaderboards), rows: impl AsyncFn() -> Vec<String>) {
    let rich = worth(swap("golden", "zoe", 5, ("$usd", 1), ("dog", 1)), "1000000");
    play(batches(&partition(61), &[present(&rich)], 1), store, 9).await;
    assert!(store.rebuild((472_277 + 2) * 3_600_000).await.unwrap());
    let board = rows().await;
    assert!(board.contains(&"24h volume 1 zoe 1000000 0 1".to_owned()), "{board:?}");
    let has = |board_of: &str, row: &str| board.iter().any(|one| one.starts_with(board_of) && one.ends_with(row));
    assert!(has("24h volume", " ann 52 6 2") && has("24h pnl", " ann 52 6 2"), "{board:?}");
    let on = |board_of: &str| board.iter().any(|one| one.starts_with(board_of) && one.contains(" ann "));
    assert!(on("30d fees") && on("all fees") && !on("24h fees"), "the fee was paid more than a day ago: {board:?}");
    let all: Vec<&String> = board.iter().filter(|row| row.starts_with("all volume")).collect();
    assert_eq!(all[0], "all volume 1 zoe 1000000 0 1", "{board:?}");
}

const SELECT_LEADERS: &str =
    "SELECT span || ' ' || measure || ' ' || rank || ' ' || trader || ' ' || CAST(volume_usd AS text) || ' '
    || CAST(realized_pnl_usd AS text) || ' ' || swaps FROM leaders_v1 ORDER BY span, measure, rank";

/// Rules under which some trades of the histories are implausible, and `$eth` has positions on some chains.
fn strict_rules() -> BookRules {
    let natives = (0..12).map(|number| (format!("chain{}", number * 2).into(), "$eth".into())).collect();
    BookRules { method: Method::Fifo, natives, max_notional: "100".parse().unwrap() }
}

/// A book is refused with other rules than those its trades were folded with; what it has no trades of may change.
async fn refuses_other_rules<S>(open: impl AsyncFn(BookRules) -> Result<S, OpenError>) {
    let refusal = async |rules| open(rules).await.err().map(|error| error.to_string()).unwrap_or_default();
    let refused = refusal(BookRules { max_notional: "5".parse().unwrap(), ..strict_rules() }).await;
    assert!(refused.contains("requested METRICS_MAX_NOTIONAL_USD") && refused.contains("\"100\""), "{refused}");
    let mut without = strict_rules();
    without.natives.remove("chain2");
    let refused = refusal(without).await;
    assert!(refused.contains("requested METRICS_QUOTE and METRICS_NATIVE"), "{refused}");
    let mut more = strict_rules();
    more.natives.insert("another".into(), "gas".into());
    assert_eq!(refusal(more.clone()).await, "", "the book has no trades of that chain");
    assert_eq!(refusal(strict_rules()).await, "");
}

#[tokio::test]
async fn memory_and_sqlite_agree_first_in_first_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.db");
    suite(&Sqlite::open(&path, strict_rules()).await.unwrap()).await;
    refuses_other_rules(async |rules| Sqlite::open(&path, rules).await).await;
    let refused = Sqlite::open(&path, Method::Average).await.unwrap_err();
    assert!(refused.to_string().contains("it was built with `fifo`"), "{refused}");
}

#[tokio::test]
async fn memory_and_sqlite_agree() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.db");
    let store = Sqlite::open(&path, Method::Average).await.unwrap();
    suite(&store).await;
    play(batches(&partition(60), &golden_events(), 1), &store, 9).await;
    drop(store);
    let store = Sqlite::open(&path, Method::Average).await.unwrap();
    assert_eq!(store.read_position(&partition(60)).await.unwrap(), Some(6), "survives its process, migrates once");
    let mut reader = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    for (query, expected) in expected_views() {
        let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut reader).await.unwrap();
        assert_eq!(rows, expected);
    }
    ranks_leaders(&store, async || {
        let mut reader = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
        sqlx::query_scalar(SELECT_LEADERS).fetch_all(&mut reader).await.unwrap()
    })
    .await;
    let row = sqlx::query("SELECT venues, event FROM trades_v1 WHERE chain = 'golden' AND height = 3");
    let row = row.fetch_one(&mut reader).await.unwrap();
    assert_eq!(row.get::<&str, _>(0), r#"["uniswap-v2","v3-like"]"#);
    assert_eq!(
        wire::v1::trade::decode(row.get::<&str, _>(1).as_bytes()).unwrap(),
        golden_events()[4],
        "the event that decided"
    );
}

#[tokio::test]
async fn memory_and_postgres_agree() {
    let Some((url, schema, mut connection)) = postgres_server("suite").await else { return };
    let store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
    suite(&store).await;
    play(batches(&partition(60), &golden_events(), 1), &store, 9).await;
    let again = Postgres::open(&url, &schema, Method::Average).await.unwrap();
    assert_eq!(again.read_position(&partition(60)).await.unwrap(), Some(6), "migrates once");
    run_sql(&mut connection, format!("SET search_path = {schema}")).await.unwrap();
    for (query, expected) in expected_views() {
        let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
        assert_eq!(rows, expected);
    }
    ranks_leaders(&store, async || sqlx::query_scalar(SELECT_LEADERS).fetch_all(store.pool()).await.unwrap()).await;
    let row = sqlx::query("SELECT venues, event FROM trades_v1 WHERE chain = 'golden' AND height = 3");
    let row = row.fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<Vec<String>, _>(0), ["uniswap-v2", "v3-like"]);
    assert_eq!(wire::v1::trade::decode(row.get::<&str, _>(1).as_bytes()).unwrap(), golden_events()[4]);
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

#[tokio::test]
async fn memory_and_postgres_of_a_next_version_agree_first_in_first_out() {
    let Some((url, schema, mut connection)) = postgres_server("fifo").await else { return };
    drop(Postgres::open(&url, &schema, strict_rules()).await.unwrap());
    run_sql(&mut connection, format!("SET search_path = {schema}; {NEXT_VERSION}")).await.unwrap();
    suite(&Postgres::open(&url, &schema, strict_rules()).await.unwrap()).await;
    let refused = Postgres::open(&url, &schema, Method::Average).await.unwrap_err();
    assert!(refused.to_string().contains("it was built with `fifo`"), "{refused}");
    refuses_other_rules(async |rules| Postgres::open(&url, &schema, rules).await).await;
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

/// A trade that is expected to be new and has a row: a plugin that moves trades within a block causes this.
#[tokio::test]
async fn an_unexpected_row_is_replaced() {
    let Some((url, schema, mut connection)) = postgres_server("doubt").await else { return };
    let store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
    let first = worth(swap("moved", "ann", 5, ("$usd", 5), ("cat", 5)), "5");
    let mut moved = first.clone();
    moved.transaction.index = 9;
    // So many trades that new ones are written by COPY.
    let other =
        |number: usize| present(&worth(swap("moved", &format!("user{number}"), 5, ("$usd", 5), ("cat", 5)), "5"));
    let events: Vec<Event> = [present(&first)]
        .into_iter()
        .chain((1..1_000).map(other))
        .chain((1_000..1_999).map(other))
        .chain([present(&moved)])
        .collect();
    play(batches(&partition(1), &events, 1_000), &store, 1_000).await;
    let query = "SELECT count(*), max(tx_index) FILTER (WHERE trader = 'ann') FROM trades";
    let row: (i64, i64) = sqlx::query_as(query).fetch_one(store.pool()).await.unwrap();
    assert_eq!(row, (1_999, 9));
    assert_eq!(store.read_position(&partition(1)).await.unwrap(), Some(2_000));
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

#[tokio::test]
async fn trades_lie_in_the_partition_of_their_time() {
    let Some((url, schema, mut connection)) = postgres_server("partitions").await else { return };
    let store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
    let at = |name: &str, time| {
        let mut trade = worth(swap(name, "ann", 5, ("$usd", 5), ("cat", 5)), "5");
        trade.block.timestamp_ms = time;
        present(&trade)
    };
    let events = [at("a", 1_700_000_000_000), at("b", 1_703_000_000_000), at("c", 0), at("d", u64::MAX)];
    play(batches(&partition(1), &events, 4), &store, 9).await;
    let query = "SELECT t.tableoid::regclass::text || ' ' || chain FROM trades t ORDER BY chain";
    run_sql(&mut connection, format!("SET search_path = {schema}")).await.unwrap();
    let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows, ["trades_655 a", "trades_657 b", "trades_other c", "trades_other d"]);
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

#[tokio::test]
async fn two_readers_of_one_partition_commit_a_batch_once() {
    let Some((url, schema, mut connection)) = postgres_server("race").await else { return };
    let (one, two) = (
        Postgres::open(&url, &schema, Method::Average).await.unwrap(),
        Postgres::open(&url, &schema, Method::Average).await.unwrap(),
    );
    for round in 0..20 {
        let from = (round > 0).then_some(round);
        let facts = empty_facts(1, from, round + 1);
        let (first, second) = tokio::join!(one.commit(&facts), two.commit(&facts));
        let outcomes = [first.unwrap(), second.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == CommitOutcome::Committed).count(), 1, "{outcomes:?}");
    }
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

#[tokio::test]
async fn the_reading_role_reads_the_views_and_nothing_else() {
    let Some((url, schema, mut connection)) = postgres_server("grants").await else { return };
    let _store = Postgres::open(&url, &schema, Method::Average).await.unwrap();
    let (role, service) = (format!("{schema}_reader"), format!("{schema}_service"));
    run_sql(&mut connection, grants(&schema)).await.unwrap();
    run_sql(&mut connection, format!("SET ROLE {role}; SET search_path = {schema}")).await.unwrap();
    for (query, _) in expected_views() {
        assert!(sqlx::query(query).fetch_all(&mut connection).await.is_ok());
    }
    for refused in ["SELECT * FROM trades", "SELECT * FROM outbox", "DELETE FROM trades_v1", "CREATE TABLE t (a int)"] {
        assert!(run_sql(&mut connection, refused.to_owned()).await.is_err(), "{refused}");
    }
    let clean = format!("RESET ROLE; DROP SCHEMA {schema} CASCADE; DROP ROLE {role}, {service}");
    run_sql(&mut connection, clean).await.unwrap();
}

/// The grants for roles and a schema of a test.
fn grants(schema: &str) -> String {
    let named = migrations::METRICS_GRANTS.replace("chaintape_reader", &format!("{schema}_reader"));
    let named =
        named.replace("chaintape_metrics", &format!("{schema}_service")).replace("metrics.", &format!("{schema}."));
    named.replace("SCHEMA metrics", &format!("SCHEMA {schema}"))
}

/// The schema is its owner's; a login that owns nothing keeps the book in it, partitions and all.
#[tokio::test]
async fn the_service_needs_no_right_to_create_anything() {
    let Some((url, schema, mut connection)) = postgres_server("login").await else { return };
    let login = format!("{schema}_login");
    let login_url = PgConnectOptions::from_str(&url).unwrap().username(&login).to_url_lossy().to_string();
    run_sql(&mut connection, format!("CREATE ROLE {login} LOGIN")).await.unwrap();
    let refused = Postgres::open(&login_url, &schema, Method::Average).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("run `{schema} migrate`")), "{refused}");
    Postgres::open(&url, &schema, Method::Average).await.unwrap();
    run_sql(&mut connection, grants(&schema)).await.unwrap();
    run_sql(&mut connection, format!("GRANT {schema}_service TO {login}")).await.unwrap();

    let store = Postgres::open(&login_url, &schema, Method::Average).await.unwrap();
    play(batches(&partition(60), &golden_events(), 1), &store, 9).await;
    assert_eq!(store.read_position(&partition(60)).await.unwrap(), Some(6));
    let pruned = store.prune(environment::now_ms(), &BTreeMap::from([("golden".to_owned(), u64::MAX >> 1)])).await;
    assert!(matches!(pruned.unwrap(), PruneOutcome::Done { .. }));
    for refused in
        ["CREATE TABLE t (a int)", "DROP TABLE trades", "DELETE FROM _sqlx_migrations", "DROP VIEW trades_v1"]
    {
        assert!(sqlx::raw_sql(refused).execute(store.pool()).await.is_err(), "{refused}");
    }
    store.pool().close().await;
    let roles = format!("{login}, {schema}_service, {schema}_reader");
    run_sql(&mut connection, format!("DROP SCHEMA {schema} CASCADE; DROP ROLE {roles}")).await.unwrap();
}
