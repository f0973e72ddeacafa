//! A plugin file that is replaced while no ingestor runs: a neighbour that claims a high version never gets the chain.

use crate::visible::{Running, folder_with, height, until};
use guests::hostile::{self, with_trade};
use guests::{Recipe, marked};
use sha2::{Digest, Sha256};
use tape_log::{Log, Target};

const CHAIN: &str = "id = \"a\"\nplugin = \"honest\"\nstart = 10\n";

fn digest(component: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(component)))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_nearest_version_goes_on_and_a_higher_one_is_held() {
    let folder = folder_with(&[("a.toml", CHAIN)]);
    let plugin = folder.path().join("plugins/honest-1.0.0.wasm");
    let log = Log::open(&Target::Memory).await.unwrap();
    let running = Running::start(folder.path(), &log);
    let reached = height(&until(&log, "a", |progress| height(progress) > 20).await);
    running.stop().await;

    // While it is stopped its file is replaced, and an impostor of another network is dropped in.
    let again = marked(&with_trade("honest", "").build(), 7);
    let impostor = Recipe { network: "elsewhere", ..hostile::impostor("honest") }.build();
    std::fs::write(&plugin, &again).unwrap();
    std::fs::write(folder.path().join("plugins/other.wasm"), &impostor).unwrap();
    let running = Running::start(folder.path(), &log);
    let goes_on = until(&log, "a", |progress| {
        height(progress) > reached + 10 && progress.candidates.iter().any(|candidate| candidate.state == "held")
    });
    let goes_on = goes_on.await;
    assert_eq!(goes_on.detector.digest, digest(&again));
    assert_eq!(goes_on.candidates[0].version.as_deref(), Some("99.0.0"));
    running.stop().await;

    // Alone it is used, since there is no other, but puts nothing on the tape: the tape goes on knowing the honest code.
    std::fs::remove_file(&plugin).unwrap();
    let running = Running::start(folder.path(), &log);
    let waits = until(&log, "a", |progress| progress.detector.digest == digest(&impostor) && progress.waiting).await;
    assert_eq!(waits.known_code().digest, digest(&again), "{waits:?}");
    running.stop().await;
    std::fs::write(&plugin, &again).unwrap();
    let running = Running::start(folder.path(), &log);
    let before = height(&waits);
    let goes_on = until(&log, "a", |progress| height(progress) > before + 10).await;
    assert_eq!((goes_on.detector.digest, goes_on.written_by), (digest(&again), None));
    running.stop().await;
}
