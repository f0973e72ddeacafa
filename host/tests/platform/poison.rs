//! What the wire would refuse is refused before it is on the tape, naming the field, and other chains go on.

use crate::hostile::{admitted, scan};
use chain_ingestor::Settings;
use chain_ingestor::cache::Cache;
use chain_ingestor::plugin::Engine;
use environment::{Problems, Shutdown};
use guests::hostile::{NO_TRADER, with_trade};
use guests::neighbour_of;
use std::collections::HashMap;
use std::time::Duration;
use tape_log::{Log, Target, topics};

#[tokio::test]
async fn what_the_wire_would_refuse_is_not_lifted_and_its_field_is_named() {
    // Memory from 512 to 1023 is zeroes.
    let cases = [
        (NO_TRADER, "`trader.address` must not be empty"),
        ("(i32.store offset=48 (local.get $t) (i32.const 257))", "`trader.address` has 257 bytes"),
        ("(i32.store offset=0 (local.get $t) (i32.const 512))", "`kind` holds control characters"),
        ("(i32.store offset=12 (local.get $t) (i32.const 0))", "`transaction.hash` must not be empty"),
        ("(i32.store8 offset=28 (local.get $t) (i32.const 1))", "`transaction.to` must not be empty"),
        ("(i32.store offset=132 (local.get $t) (i32.const 0))", "`bought.asset` must not be empty"),
        ("(i32.store offset=12 (local.get $block) (i32.const 0))", "block 7 that the tape does not take: field `hash`"),
    ];
    let engine = Engine::new(1).unwrap();
    for (patch, expected) in cases {
        let plugin = admitted(&engine, &with_trade("wat", patch)).await;
        let error = scan(&engine, &plugin, &Cache::default()).await.unwrap_err();
        assert!(error.is_deterministic() && error.to_string().contains(expected), "{expected}: {error}");
    }
    let honest = admitted(&engine, &with_trade("wat", "")).await;
    assert_eq!(scan(&engine, &honest, &Cache::default()).await.unwrap().blocks[0].trades.len(), 1);
}

/// A token's deployer chooses its symbol: a long one is cut, and one of hidden characters is left out.
#[tokio::test]
async fn a_hostile_symbol_stops_no_chain() {
    let engine = Engine::new(1).unwrap();
    // Memory from 512 to 1023 is zeroes: of those a symbol may hold seventy letters, or nothing that is seen.
    for (letters, bytes, expected) in [(70, 70, 64), (3, 3, 3), (3, 65, 3), (0, 65, 0)] {
        let patch = format!(
            "(memory.fill (i32.const 512) (i32.const 83) (i32.const {letters}))
             (i32.store8 offset=108 (local.get $t) (i32.const 1)) (i32.store offset=112 (local.get $t) (i32.const 512))
             (i32.store offset=116 (local.get $t) (i32.const {bytes}))"
        );
        let plugin = admitted(&engine, &with_trade("wat", &patch)).await;
        let scanned = scan(&engine, &plugin, &Cache::default()).await.unwrap();
        let symbol = &scanned.blocks[0].trades[0].sold.symbol;
        assert_eq!(symbol.as_ref().map_or(0, String::len), expected, "{symbol:?}");
    }
}

#[tokio::test]
async fn the_command_scan_prints_the_sentence_and_no_trade() {
    let folder = tempfile::tempdir().unwrap();
    let (plugin, chain) = (folder.path().join("poison-1.0.0.wasm"), folder.path().join("chain.toml"));
    std::fs::write(&plugin, with_trade("wat", NO_TRADER).build()).unwrap();
    std::fs::write(&chain, "id = \"poisoned\"\nplugin = \"wat\"\nendpoints = []\nstart = 1\n").unwrap();
    let (strings, mut out): (HashMap<String, String>, Vec<u8>) = (HashMap::new(), vec![]);
    let error = chain_ingestor::scan::scan(&plugin, &chain, (1, 2), &strings, &mut out).await.unwrap_err();
    let sentence = format!("{error:#}");
    assert!(sentence.contains("field `trader.address` must not be empty"), "{sentence}");
    assert!(out.is_empty());
}

/// Two chains whose journals lie in one partition: the poisoned one never reaches the tape, and its neighbour goes on,
/// also after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn an_honest_neighbour_of_a_poisoned_chain_goes_on() {
    let honest = neighbour_of("poisoned", "honest", |name| topics::JOURNAL.partition_of(name.as_bytes()));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["plugins", "chains"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    std::fs::write(path("plugins/poison-1.0.0.wasm"), with_trade("poison", NO_TRADER).build()).unwrap();
    std::fs::write(path("plugins/honest-1.0.0.wasm"), with_trade("honest", "").build()).unwrap();
    let policy = "start = 10\n[policy]\nstrikes = 1\n";
    std::fs::write(path("chains/a.toml"), format!("id = \"poisoned\"\nplugin = \"poison\"\n{policy}")).unwrap();
    std::fs::write(path("chains/b.toml"), format!("id = \"{honest}\"\nplugin = \"honest\"\n{policy}")).unwrap();
    let folders = ["plugins", "chains"].map(|name| path(name).display().to_string());
    let strings: HashMap<String, String> =
        ["PLUGINS_DIR", "CHAINS_DIR"].map(str::to_owned).into_iter().zip(folders).collect();
    let log = Log::open(&Target::Memory).await.unwrap();
    let mut reached = 0;
    for _ in 0..2 {
        let mut problems = Problems::default();
        let settings = Settings::read(&strings, &mut problems);
        problems.finish().unwrap();
        let shutdown = Shutdown::default();
        let (log_of_run, stop, strings) = (log.clone(), shutdown.clone(), strings.clone());
        let running = tokio::spawn(async move { chain_ingestor::run(settings, &strings, log_of_run, stop).await });
        let on_its_way = async {
            while published(&log, &honest).await < reached + 20 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), on_its_way).await.unwrap();
        reached = published(&log, &honest).await;
        shutdown.trigger();
        running.await.unwrap().unwrap();
    }
    for index in 0..topics::TRADES.partitions {
        let records = log.read_all(&topics::TRADES.partition(index)).await.unwrap();
        assert!(records.iter().all(|record| !record.key.starts_with(b"poisoned/")));
    }
}

/// The height of the newest block that a chain has published.
async fn published(log: &Log, chain: &str) -> u64 {
    let records = log.read_all(&topics::PROGRESS.partition(0)).await.unwrap();
    let newest = records.iter().rfind(|record| record.key == chain.as_bytes());
    let progress = newest.map(|record| wire::v1::progress::decode(record.value.as_ref().unwrap()).unwrap());
    progress.and_then(|progress| progress.published).map_or(0, |block| block.height)
}
