//! The queries of `Store`: the same rows give the same answers on both databases.

use crate::ground::{Ground, event, folded_row, leader_row, position_row, read_row, totals_row, trade, wallet_rows};
use api::store::Store;
use api_domain::{AssetPage, Measure, StatusFilter, TradeFilter, TradeKey, TradeQuery, UserQuery, Window};
use tape::{Status, Usd};

fn query(filter: TradeFilter) -> TradeQuery {
    TradeQuery { filter, limit: 10, ..TradeQuery::default() }
}

async fn ids(store: &Store, query: &TradeQuery) -> Vec<String> {
    store.trades(query).await.unwrap().rows.into_iter().map(|row| row.key.id).collect()
}

fn alice(chain: Option<&str>) -> UserQuery {
    UserQuery { address: "0xalice".into(), chain: chain.map(Into::into) }
}

#[tokio::test]
async fn trades_come_newest_first_and_filtered() {
    for ground in Ground::all().await {
        let mut other_venue = trade("mock", 3, 1, "0xbob");
        other_venue.legs[0].venue = "v3-like".into();
        other_venue.sold.asset = "0xdai".into();
        ground
            .trades(&[
                event(Status::Observed, trade("mock", 1, 0, "0xalice")),
                event(Status::Finalized, trade("other", 3, 0, "0xalice")),
                event(Status::Observed, trade("mock", 3, 0, "0xalice")),
                event(Status::Observed, other_venue),
                event(Status::Reverted, trade("mock", 4, 0, "0xalice")),
            ])
            .await;
        let store = Store::from_url(&ground.url()).unwrap();
        let all = ["other/0xb3/0xt3/0", "mock/0xb3/0xt3/1", "mock/0xb3/0xt3/0", "mock/0xb1/0xt1/0"];
        assert_eq!(ids(&store, &query(TradeFilter::default())).await, all);
        let only = |filter: TradeFilter| query(filter);
        let chain = TradeFilter { chain: Some("other".into()), ..TradeFilter::default() };
        assert_eq!(ids(&store, &only(chain)).await, all[..1]);
        let trader = TradeFilter { trader: Some("0xbob".into()), ..TradeFilter::default() };
        assert_eq!(ids(&store, &only(trader)).await, all[1..2]);
        for asset in ["0xdai", "0xweth"] {
            let asset =
                TradeFilter { asset: Some(asset.into()), trader: Some("0xbob".into()), ..TradeFilter::default() };
            assert_eq!(ids(&store, &only(asset)).await, all[1..2]);
        }
        let venue = TradeFilter { venue: Some("v3-like".into()), ..TradeFilter::default() };
        assert_eq!(ids(&store, &only(venue)).await, all[1..2]);
        let with_reverted = TradeQuery { shown: StatusFilter::All, ..query(TradeFilter::default()) };
        let rows = store.trades(&with_reverted).await.unwrap().rows;
        assert_eq!((rows.len(), rows[0].live, rows[0].key.height), (5, false, 4));
        assert!(rows[0].payload.contains(r#""status":"reverted""#));
    }
}

#[tokio::test]
async fn a_page_continues_below_a_key_whatever_happens_meanwhile() {
    for ground in Ground::all().await {
        let at = |height| event(Status::Observed, trade("mock", height, 0, "0xalice"));
        ground.trades(&(10..16).map(at).collect::<Vec<_>>()).await;
        let store = Store::from_url(&ground.url()).unwrap();
        let first = store.trades(&TradeQuery { limit: 3, ..query(TradeFilter::default()) }).await.unwrap().rows;
        let last: TradeKey = first[2].key.clone();
        assert_eq!(last.height, 13);
        // A newer trade comes, one of the first page and the very last of it are taken back, an older one comes late.
        let mut gone = at(13);
        gone.status = Status::Reverted;
        ground.trades(&[at(20), gone, at(9)]).await;
        let rest = TradeQuery { after: Some(last), ..query(TradeFilter::default()) };
        let heights: Vec<u64> = store.trades(&rest).await.unwrap().rows.iter().map(|row| row.key.height).collect();
        assert_eq!(heights, [12, 11, 10, 9]);
    }
}

#[tokio::test]
async fn a_user_is_read_at_one_instant() {
    for ground in Ground::all().await {
        ground
            .write(
                "metrics",
                &[
                    totals_row("mock", "0xalice", "100.250000000000000001", 3),
                    totals_row("other", "0xalice", "7", 1),
                    totals_row("mock", "0xbob", "1", 1),
                    position_row(
                        "mock",
                        "0xalice",
                        "0xweth",
                        "115792089237316195423570985008687907853269984665640564039457584007913129639935",
                    ),
                    position_row("mock", "0xalice", "0xdai", "0"),
                    folded_row(5, 17),
                ],
            )
            .await;
        let store = Store::from_url(&ground.url()).unwrap();
        let user = store.user_state(&alice(None), 10).await.unwrap();
        assert_eq!(user.folded.next(5), 17);
        assert_eq!(user.totals.iter().map(|row| row.chain.as_str()).collect::<Vec<_>>(), ["mock", "other"]);
        let totals = user.totals[0].totals;
        assert_eq!(totals.volume, Usd::parse("100.250000000000000001").unwrap());
        assert_eq!(
            (totals.swaps, totals.unvalued, totals.cycles, totals.realized),
            (3, 1, 2, Usd(-1_250_000_000_000_000_000))
        );
        assert_eq!(user.positions.iter().map(|row| row.asset.as_str()).collect::<Vec<_>>(), ["0xdai", "0xweth"]);
        assert_eq!(user.positions[1].quantity.len(), 78, "amounts stay exact");
        let page = AssetPage { after: Some(("mock".into(), "0xdai".into())), limit: 10 };
        assert_eq!(store.user_positions(&alice(None), &page).await.unwrap().len(), 1);
        assert_eq!(store.user_totals(&[alice(Some("other"))], None).await.unwrap().len(), 1);
        assert_eq!(store.folded_positions().await.unwrap().partitions(), 1);
        // States are as new as all logs that metrics reads; the live tape is read from where metrics is on it.
        ground.write("metrics", &[read_row("trades.history.v1", 5, 4)]).await;
        let folded = store.user_state(&alice(None), 10).await.unwrap().folded;
        assert_eq!((folded.next(5), folded.as_of(5)), (17, 21));
    }
}

#[tokio::test]
async fn a_wallet_shows_what_its_newest_snapshot_holds() {
    for ground in Ground::all().await {
        let mut rows = wallet_rows("mock", "0xalice", &[("0xb", "2500000"), ("0xa", "1"), ("0xzero", "0")], 42);
        rows.push("INSERT INTO wallets (chain, address, last_trade_at) VALUES ('new', '0xalice', 1)".into());
        ground.write("portfolio", &rows).await;
        let store = Store::from_url(&ground.url()).unwrap();
        let page = AssetPage { after: None, limit: 10 };
        let state = store.wallet_state(&alice(None), &page).await.unwrap();
        let wallets: Vec<_> =
            state.wallets.iter().map(|w| (w.chain.as_str(), w.taken_at, w.provider.as_deref())).collect();
        assert_eq!(wallets, [("mock", Some(42), Some("mock")), ("new", None, None)]);
        let balances: Vec<_> = state.balances.iter().map(|b| (b.asset.as_str(), b.raw.as_str(), b.spam)).collect();
        assert_eq!(balances, [("0xa", "1", Some(false)), ("0xb", "2500000", Some(false))]);
        assert_eq!(state.balances[1].decimals, Some(6));
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unavailable_until_it_is() {
    let elsewhere = tempfile::tempdir().unwrap();
    let store = Store::from_url(&format!("sqlite:{}", elsewhere.path().join("none").display())).unwrap();
    assert!(store.folded_positions().await.is_err());
}

#[tokio::test]
async fn numbers_are_ordered_as_numbers() {
    for ground in Ground::all().await {
        // Three trades of one moment: only their heights tell them apart, and 10 stands above 9.
        let at = |height: u64| {
            let mut trade = trade("mock", height, 0, "0xalice");
            trade.block.timestamp_ms = 1_700_000_000_000;
            event(Status::Observed, trade)
        };
        ground.trades(&[at(9), at(100), at(10)]).await;
        let store = Store::from_url(&ground.url()).unwrap();
        let rows = store.trades(&query(TradeFilter::default())).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.key.height).collect::<Vec<_>>(), [100, 10, 9]);
        let leader = |rank: u32| leader_row("all", rank, &format!("0x{rank}"), "1", ["0", "0", "0"]);
        ground.write("metrics", &[leader(2), leader(10), leader(1)]).await;
        let leaders = store.leaderboard(Window::All, Measure::Volume, 0, 9).await.unwrap();
        assert_eq!(leaders.iter().map(|leader| leader.rank).collect::<Vec<_>>(), [1, 2, 10]);
    }
}
