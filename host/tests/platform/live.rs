//! While the process runs: files come, change and go, and the listing follows.

use chain_ingestor::Settings;
use chain_ingestor::catalog::{Catalog, Entry, Keeper, Listing};
use chain_ingestor::plugin::Engine;
use chain_ingestor::status::{self, FileStatus};
use environment::Problems;
use guests::{Recipe, drop_in, marked};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tape::Detector;

/// How long a test waits for anything.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) struct RunningCatalog {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) engine: Engine,
    pub(crate) catalog: Catalog,
    keeper: tokio::task::JoinHandle<()>,
}

impl Drop for RunningCatalog {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl RunningCatalog {
    pub(crate) async fn with(files: &[(&str, &[u8])], in_force: &[(&str, &str)]) -> Self {
        environment::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        for name in ["plugins", "chains", "secrets"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let strings: HashMap<String, String> = [
            ("PLUGINS_DIR", path("plugins")),
            ("CHAINS_DIR", path("chains")),
            ("SECRETS_DIR", path("secrets")),
            ("INSTANCE", "test".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let mut problems = Problems::default();
        let settings = Settings::read(&strings, &mut problems);
        problems.finish().unwrap();
        let engine = Engine::new(4).unwrap();
        let code = |digest: &str| Detector { plugin: "wat".into(), version: "1.0.0".into(), digest: digest.into() };
        let in_force = in_force.iter().map(|(chain, digest)| ((*chain).to_owned(), code(digest))).collect();
        let (catalog, mut keeper) = Keeper::open(&engine, &settings, &strings, in_force).await.unwrap();
        let keeper = tokio::spawn(async move { keeper.keep_current(&strings).await });
        Self { folder, engine, catalog, keeper }
    }

    pub(crate) fn drop_plugin(&self, name: &str, bytes: &[u8]) {
        drop_in(&self.folder.path().join("plugins"), name, bytes);
    }

    pub(crate) fn drop_chain(&self, name: &str, text: &str) {
        drop_in(&self.folder.path().join("chains"), name, text.as_bytes());
    }

    /// The listing once it is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Listing) -> bool) -> Listing {
        let mut listing = self.catalog.listing();
        let waited = tokio::time::timeout(WAIT_TIMEOUT, listing.wait_for(|listing| wanted(listing))).await;
        match waited {
            Ok(listing) => listing.unwrap().clone(),
            Err(_) => unreachable!("the listing is still {:?}", self.catalog.listing().borrow()),
        }
    }

    pub(crate) async fn until_version(&self, chain: &str, version: &str) -> Entry {
        self.until(|listing| used(listing, chain).is_some_and(|it| it == version)).await[chain].clone()
    }

    /// The status beside a file once it is as wanted.
    pub(crate) async fn status(&self, name: &str, wanted: impl Fn(&FileStatus) -> bool) -> FileStatus {
        let path = status::status_path(&self.folder.path().join(name), "test");
        let read = || serde_json::from_slice::<FileStatus>(&std::fs::read(&path).ok()?).ok();
        let looked = async {
            loop {
                if let Some(status) = read().filter(&wanted) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(WAIT_TIMEOUT, looked).await {
            Ok(status) => status,
            Err(_) => unreachable!("the status is still {:?}", read()),
        }
    }
}

pub(crate) fn used(listing: &Listing, chain: &str) -> Option<String> {
    listing.get(chain)?.running.as_ref().ok().map(|plugin| plugin.version.to_string())
}

fn parked(listing: &Listing, chain: &str) -> Option<String> {
    listing.get(chain)?.running.as_ref().err().cloned()
}

pub(crate) const CHAIN: &str = "id = \"one\"\nplugin = \"wat\"\n";

pub(crate) fn version(version: &'static str) -> Vec<u8> {
    Recipe { version, ..Recipe::default() }.build()
}

#[tokio::test]
async fn plugins_and_chains_come_change_and_go() {
    let catalog = RunningCatalog::with(&[], &[]).await;
    catalog.drop_chain("one.toml", CHAIN);
    let listing = catalog.until(|listing| parked(listing, "one").is_some()).await;
    assert_eq!(parked(&listing, "one").unwrap(), "plugin wat is not in PLUGINS_DIR");
    catalog.status("chains/one.toml", |status| status.verdict == "parked").await;

    catalog.drop_plugin("wat-1.0.0.wasm", &version("1.0.0"));
    let first = catalog.until_version("one", "1.0.0").await;
    let status = catalog.status("plugins/wat-1.0.0.wasm", |status| !status.chains.is_empty()).await;
    assert_eq!((status.verdict.as_str(), status.chains[0].state.as_str()), ("admitted", "in-use"));
    catalog.status("chains/one.toml", |status| status.verdict == "followed").await;

    catalog.drop_plugin("wat-1.1.0.wasm", &version("1.1.0"));
    let second = catalog.until_version("one", "1.1.0").await;
    assert!(second.generation > first.generation);
    let status = |status: &FileStatus| status.chains.iter().any(|one| one.state == "superseded");
    catalog.status("plugins/wat-1.0.0.wasm", status).await;

    // Taking the newest away goes back to the one before.
    std::fs::remove_file(catalog.folder.path().join("plugins/wat-1.1.0.wasm")).unwrap();
    catalog.until_version("one", "1.0.0").await;
    let gone = status::status_path(&catalog.folder.path().join("plugins/wat-1.1.0.wasm"), "test");
    assert!(!gone.exists(), "what was status of a file goes with it");

    std::fs::remove_file(catalog.folder.path().join("chains/one.toml")).unwrap();
    catalog.until(|listing| listing.is_empty()).await;
}

#[tokio::test]
async fn a_refused_file_changes_nothing() {
    let good = version("1.0.0");
    let catalog =
        RunningCatalog::with(&[("plugins/wat.wasm", &good), ("chains/one.toml", CHAIN.as_bytes())], &[]).await;
    let before = catalog.until_version("one", "1.0.0").await;
    catalog.drop_plugin("wat.wasm", b"no component");
    let status = catalog.status("plugins/wat.wasm", |status| status.verdict == "refused").await;
    assert_eq!(status.stage.as_deref(), Some("component"));
    assert_eq!(status.chains[0].state, "in-use", "the one before goes on");
    catalog.drop_chain("one.toml", "id = \"one\"\nplugin = \"wat\"\nspeed = 1\n");
    let status = catalog.status("chains/one.toml", |status| status.verdict == "refused").await;
    assert!(status.reason.unwrap().contains("speed"));
    let after = catalog.until_version("one", "1.0.0").await;
    assert_eq!(before.generation, after.generation);
}

#[tokio::test]
async fn a_half_written_file_is_taken_when_it_is_whole() {
    use std::io::Write;
    let bytes = version("1.0.0");
    let catalog = RunningCatalog::with(&[("chains/one.toml", CHAIN.as_bytes())], &[]).await;
    let mut file = std::fs::File::create(catalog.folder.path().join("plugins/wat.wasm")).unwrap();
    file.write_all(&bytes[..bytes.len() / 2]).unwrap();
    file.sync_all().unwrap();
    // The writer has stalled: the half is looked at, and refused as one.
    let status = catalog.status("plugins/wat.wasm", |status| status.verdict == "refused").await;
    assert_eq!(status.stage.as_deref(), Some("whole"));
    assert!(status.fix.unwrap().contains("rename"));
    file.write_all(&bytes[bytes.len() / 2..]).unwrap();
    file.sync_all().unwrap();
    catalog.until_version("one", "1.0.0").await;
}

#[tokio::test]
async fn settings_are_checked_against_the_schema_and_changed_while_running() {
    let schema = r#"{"type": "object", "additionalProperties": false, "properties": {"users": {"type": "integer"}}}"#;
    let plugin = Recipe { schema, ..Recipe::default() }.build();
    let wrong = format!("{CHAIN}[settings]\nusers = \"many\"\n");
    let catalog =
        RunningCatalog::with(&[("plugins/wat.wasm", &plugin), ("chains/one.toml", wrong.as_bytes())], &[]).await;
    let listing = catalog.until(|listing| parked(listing, "one").is_some()).await;
    assert!(parked(&listing, "one").unwrap().contains("settings.users"), "{listing:?}");
    catalog.drop_chain("one.toml", &format!("{CHAIN}[settings]\nusers = 3\n"));
    let entry = catalog.until_version("one", "1.0.0").await;
    assert_eq!(entry.file.settings, r#"{"users":3}"#);
    catalog.drop_chain("one.toml", &format!("{CHAIN}[settings]\nusers = 4\n"));
    catalog.until(|listing| listing["one"].file.settings == r#"{"users":4}"#).await;
    catalog.drop_chain("one.toml", &wrong);
    let status = catalog.status("chains/one.toml", |status| status.verdict == "refused").await;
    assert!(status.reason.unwrap().contains("settings.users"));
    let listing = catalog.until(|listing| used(listing, "one").is_some()).await;
    assert_eq!(listing["one"].file.settings, r#"{"users":4}"#, "the settings before stay in force");
}

#[tokio::test]
async fn a_chain_starts_when_its_secret_is_dropped() {
    let chain = format!("{CHAIN}endpoints = [\"http://127.0.0.1:1/${{NODE_KEY}}\"]\n");
    let catalog =
        RunningCatalog::with(&[("plugins/wat.wasm", &version("1.0.0")), ("chains/one.toml", chain.as_bytes())], &[])
            .await;
    let status = catalog.status("chains/one.toml", |status| status.verdict == "refused").await;
    assert!(status.reason.unwrap().contains("variable NODE_KEY is neither set nor a file in SECRETS_DIR"));
    drop_in(&catalog.folder.path().join("secrets"), "NODE_KEY", b"hush-hush\n");
    let entry = catalog.until_version("one", "1.0.0").await;
    assert_eq!(entry.file.endpoints, ["http://127.0.0.1:1/hush-hush".into()]);
}

#[tokio::test]
async fn a_new_version_must_find_what_the_old_one_finds_where_the_policy_says_so() {
    // The new version answers with another block: nothing can be compared; then one that fails.
    let failing = Recipe { version: "1.1.0", scan: "(unreachable)", ..Recipe::default() }.build();
    let catalog =
        RunningCatalog::with(&[("plugins/a.wasm", &version("1.0.0")), ("chains/one.toml", CHAIN.as_bytes())], &[])
            .await;
    catalog.until_version("one", "1.0.0").await;
    catalog.drop_plugin("b.wasm", &failing);
    let held = |status: &FileStatus| status.chains.iter().any(|one| one.state == "held");
    let status = catalog.status("plugins/b.wasm", held).await;
    let reason = status.chains[0].reason.clone().unwrap();
    assert!(reason.contains("shadow scan failed") && reason.contains("unreachable"), "{reason}");
    // A version that can be used stands behind the one that cannot.
    catalog.drop_plugin("c.wasm", &version("1.0.5"));
    catalog.until_version("one", "1.0.5").await;
}

#[tokio::test]
async fn a_version_that_compares_too_little_is_held_with_the_reason() {
    let empty = "(local.set $at (call $alloc (i32.const 32)))
        (i64.store offset=16 (local.get $at) (local.get $last)) (local.get $at)";
    let few = "(if (result i32) (i64.gt_u (local.get $first) (i64.const 999995))
        (then (call $one_block (local.get $first)))
        (else (local.set $at (call $alloc (i32.const 32)))
            (i64.store offset=16 (local.get $at) (local.get $first)) (local.get $at)))";
    let take = |recipe: Recipe| Recipe { version: "99.0.0", ..recipe }.build();
    for (promote, recipe, why) in [
        ("auto", Recipe { head: 1_000, scan: empty, ..Recipe::default() }, "its head is 1000"),
        ("identical-or-superset", Recipe { head: 1_000, scan: empty, ..Recipe::default() }, "its head is 1000"),
        ("auto", Recipe { scan: empty, ..Recipe::default() }, "only 0 of 16 blocks could be compared"),
        ("auto", Recipe { scan: few, ..Recipe::default() }, "only 5 of 16 blocks could be compared"),
        ("auto", Recipe { network: "other", ..Recipe::default() }, "network `other`"),
    ] {
        let chain = format!("{CHAIN}[policy]\npromote = \"{promote}\"\n");
        let files: [(&str, &[u8]); 2] = [("plugins/a.wasm", &version("1.0.0")), ("chains/one.toml", chain.as_bytes())];
        let catalog = RunningCatalog::with(&files, &[]).await;
        catalog.until_version("one", "1.0.0").await;
        catalog.drop_plugin("take.wasm", &take(recipe));
        let held = |status: &FileStatus| status.chains.iter().any(|one| one.state == "held");
        let status = catalog.status("plugins/take.wasm", held).await;
        let reason = status.chains[0].reason.clone().unwrap();
        assert!(reason.contains(why), "{why}: {reason}");
        assert_eq!(used(&catalog.catalog.listing().borrow(), "one").as_deref(), Some("1.0.0"));
    }
}

#[tokio::test]
async fn a_pinned_version_is_used_and_newer_ones_are_reported() {
    let pinned = "id = \"one\"\nplugin = \"wat@1.0.0\"\n[policy]\npromote = \"manual\"\n";
    let (old, new) = (version("1.0.0"), version("1.1.0"));
    let files: [(&str, &[u8]); 3] =
        [("plugins/a.wasm", &old), ("plugins/b.wasm", &new), ("chains/one.toml", pinned.as_bytes())];
    let catalog = RunningCatalog::with(&files, &[]).await;
    catalog.until_version("one", "1.0.0").await;
    let held = |status: &FileStatus| status.chains.iter().any(|one| one.state == "held");
    let status = catalog.status("plugins/b.wasm", held).await;
    let reason = status.chains[0].reason.clone().unwrap();
    assert!(reason.contains("would have added 0 trades") && reason.contains("wat@1.1.0"), "{reason}");
    catalog.drop_chain("one.toml", &pinned.replace("1.0.0", "1.1.0"));
    catalog.until_version("one", "1.1.0").await;
}

#[tokio::test]
async fn a_chain_goes_on_with_the_code_that_the_tape_names() {
    let (old, new) = (version("1.0.0"), version("1.1.0"));
    let digest = digest_of(&old).await;
    let policy = "id = \"one\"\nplugin = \"wat\"\n[policy]\nshadow_blocks = 1000000\n";
    let files: [(&str, &[u8]); 3] =
        [("plugins/a.wasm", &old), ("plugins/b.wasm", &new), ("chains/one.toml", policy.as_bytes())];
    // The trial of the new version reads a million blocks: until it is over, the old one is in use.
    let catalog = RunningCatalog::with(&files, &[("one", &digest)]).await;
    assert_eq!(used(&catalog.catalog.listing().borrow(), "one").as_deref(), Some("1.0.0"));
}

async fn digest_of(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    std::fs::write(&path, bytes).unwrap();
    let gate = chain_ingestor::plugin::Gate::default();
    let admitted = chain_ingestor::plugin::admit(&Engine::new(1).unwrap(), &gate, &path).await.unwrap();
    admitted.detector.digest.clone()
}

#[tokio::test]
async fn replacing_a_file_in_place_is_a_new_generation() {
    let bytes = version("1.0.0");
    let catalog =
        RunningCatalog::with(&[("plugins/wat.wasm", &bytes), ("chains/one.toml", CHAIN.as_bytes())], &[]).await;
    let mut before = catalog.until_version("one", "1.0.0").await;
    for mark in 0..3 {
        catalog.drop_plugin("wat.wasm", &marked(&bytes, mark));
        let listing = catalog.until(|listing| listing["one"].generation > before.generation).await;
        assert_ne!(listing["one"].detector.digest, before.detector.digest);
        before = listing["one"].clone();
    }
}

#[tokio::test]
async fn status_files_are_read_back() {
    let catalog = RunningCatalog::with(&[("plugins/wat.wasm", &version("1.0.0")), ("plugins/x.wasm", b"x")], &[]).await;
    catalog.status("plugins/x.wasm", |status| status.verdict == "refused").await;
    catalog.status("plugins/wat.wasm", |status| status.verdict == "admitted").await;
    let all = status::read_statuses(Path::new(&catalog.folder.path().join("plugins"))).unwrap();
    let verdicts: Vec<(&str, &str)> =
        all.iter().map(|status| (status.file.as_str(), status.verdict.as_str())).collect();
    assert_eq!(verdicts, [("wat.wasm", "admitted"), ("x.wasm", "refused")]);
}
