//! `chaintape plugin dev` as an author meets it: a crate of `plugin new`, a running system, an edit, and its first trade on the tape.
#![expect(clippy::unwrap_used, reason = "tests")]

use axum::extract::Path as InPath;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{ChildStdout, Command};

/// How long a build may take on a machine that does other things too.
const ROUND_TIMEOUT: Duration = Duration::from_mins(8);
/// Milliseconds from one block of the node to the next.
const BLOCK_MS: u64 = 100;
/// The node's height when the test begins.
const FIRST_HEIGHT: u64 = 1_000;

/// What is added to the crate of `plugin new`: one trade in each block, of five units.
const TRADE: &str = r#"
/// The trade of a block.
fn trade(block: &NodeBlock) -> chain_plugin_sdk::Trade {
    use chain_plugin_sdk::{AssetAmount, Leg, Side, Trade, Trader, Transaction, Uint256};
    let units = |units: u64| Uint256 { limb0: units, limb1: 0, limb2: 0, limb3: 0 };
    let amount = |asset: &str, number: u64| AssetAmount { asset: asset.to_owned(), raw: units(number) };
    let side = |asset: &str, number: u64| Side {
        asset: asset.to_owned(),
        raw: units(number),
        decimals: None,
        symbol: None,
        quote: false,
    };
    let (sold, bought) = (5, 7);
    Trade {
        kind: "swap".to_owned(),
        transaction: Transaction {
            hash: format!("tx-{}", block.height),
            index: 0,
            sender: "alice".to_owned(),
            receiver: None,
        },
        ordinal: 0,
        trader: Trader { address: "alice".to_owned(), evidence: "tx-sender".to_owned() },
        sold: side("gold", sold),
        bought: side("salt", bought),
        legs: vec![Leg {
            venue: "market".to_owned(),
            pool: "gold-salt".to_owned(),
            sold: amount("gold", sold),
            bought: amount("salt", bought),
            ordinal: 0,
            attributes: vec![],
        }],
        fees: vec![],
        platform: None,
        valuation: None,
        attributes: vec![],
    }
}
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Whether a Rust toolchain compiles for plugins' target: under its own name, or as the one linked as `wasm`.
fn toolchain() -> Option<&'static str> {
    let has_target = |toolchain: &str| {
        let mut rustc = std::process::Command::new("rustc");
        rustc.env("RUSTUP_TOOLCHAIN", toolchain);
        rustc.args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]);
        let printed = rustc.output().ok().filter(|output| output.status.success());
        printed.is_some_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
    };
    ["stable", "wasm"].into_iter().find(|toolchain| has_target(toolchain))
}

/// A node as the template of `plugin new` reads it, with a block every tenth of a second.
async fn node() -> String {
    let begun = Instant::now();
    let head = move || FIRST_HEIGHT + u64::try_from(begun.elapsed().as_millis()).unwrap() / BLOCK_MS;
    let block = |height: u64| -> Json<Value> {
        let time_ms = 1_800_000_000_000 + height * BLOCK_MS;
        Json(
            json!({ "height": height, "hash": format!("b{height}"), "parent": format!("b{}", height - 1), "timeMs": time_ms }),
        )
    };
    let latest = get(move || async move { block(head()) });
    let one = get(move |InPath(height): InPath<u64>| async move { block(height) });
    let app = Router::new().route("/blocks/latest", latest).route("/blocks/{height}", one);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// `chaintape` on a folder with plugins and chain files.
fn chaintape(folder: &Path) -> Command {
    let mut chaintape = Command::new(env!("CARGO_BIN_EXE_chaintape"));
    chaintape.current_dir(folder).kill_on_drop(true).stdin(Stdio::null()).env_remove("APP_ENV");
    chaintape.env("PLUGINS_DIR", folder.join("plugins")).env("CHAINS_DIR", folder.join("chains"));
    chaintape.env("LOG", "sqlite:tape.db").env("DATABASE_URL", "sqlite:data").env("API_ADDR", "127.0.0.1:0");
    chaintape.env("PORTFOLIO_PROVIDER", "mock").env_remove("KAFKA_BROKERS");
    chaintape
}

/// The lines up to one with this in it, that line included.
async fn lines_until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) -> String {
    let mut said = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            println!("dev: {line}");
            said.push_str(&line);
            said.push('\n');
            if line.contains(wanted) {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(ROUND_TIMEOUT, reading).await;
    assert_eq!(found, Ok(true), "no line has `{wanted}` in it:\n{said}");
    said
}

/// The seconds in `… on the tape 2.8 s after the edit: …`.
fn seconds(said: &str) -> f64 {
    let line = said.lines().find(|line| line.contains("s after the edit")).unwrap();
    line.split(" s after").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_edit_is_on_the_tape_of_the_running_system() {
    let Some(toolchain) = toolchain() else {
        println!("skipped: no Rust toolchain here compiles for wasm32-unknown-unknown");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("tape");
    for name in ["plugins", "chains"] {
        std::fs::create_dir_all(tape.join(name)).unwrap();
    }
    let made = chaintape(folder.path())
        .args(["plugin", "new", "my-chain", "--sdk"])
        .arg(root().join("plugins/sdk"))
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let crate_folder = folder.path().join("my-chain");
    // The versions that this workspace has are there already: no network is needed.
    std::fs::copy(root().join("Cargo.lock"), crate_folder.join("Cargo.lock")).unwrap();
    let source = crate_folder.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let with_trades = text.replacen("trades: vec![],", "trades: vec![trade(&block)],", 1).replacen(
        "\nchain_plugin_sdk::plugin!(",
        &format!("{TRADE}\nchain_plugin_sdk::plugin!("),
        1,
    );
    // The parent is moved out of the block before the trade is made of it.
    let with_trades = with_trades.replacen("zip(block.parent)", "zip(block.parent.clone())", 1);
    let with_trades = with_trades.replacen(
        "hash: block.hash,\n                parent",
        "hash: block.hash.clone(),\n                parent",
        1,
    );
    std::fs::write(&source, &with_trades).unwrap();
    let chain = format!("id = \"my-chain\"\nplugin = \"my-chain\"\nendpoints = [\"{}\"]\npoll_ms = 50\n", node().await);
    std::fs::write(tape.join("chains/my-chain.toml"), chain).unwrap();

    // Without trades at first, as the template has it: nothing of it will be on the tape.
    std::fs::write(&source, &text).unwrap();
    let mut running = chaintape(&tape).stdout(Stdio::null()).spawn().unwrap();
    let lock = tape.join("tape.lock");
    let locked = async {
        while !std::fs::File::open(&lock).is_ok_and(|file| file.try_lock().is_err()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(ROUND_TIMEOUT, locked).await.expect("the system starts");
    let mut dev = chaintape(&tape)
        .args(["plugin", "dev", "../my-chain", "--chain", "chains/my-chain.toml", "--builds", "5"])
        .env("RUSTUP_TOOLCHAIN", toolchain)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", root().join("target/outside"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
    lines_until(&mut lines, "in-use").await;
    std::fs::write(&source, &with_trades).unwrap();
    let impatient = lines_until(&mut lines, "watching ").await;
    assert!(impatient.contains("edited again before a trade"), "{impatient}");
    let first = lines_until(&mut lines, "watching ").await;
    assert!(first.contains("first.cassette.json: 2 trades\n"), "{first}");
    assert!(first.contains("first trade of it on the tape "), "{first}");
    assert!(first.contains("deterministic, independent of the time"), "checked too: {first}");

    let edited = with_trades.replacen("(5, 7)", "(6, 7)", 1);
    std::fs::write(&source, &edited).unwrap();
    let second = lines_until(&mut lines, "watching ").await;
    assert!(second.contains("first.cassette.json: 2 trades\n"), "{second}");

    assert!(second.contains("sold.raw: was \"5\", is \"6\""), "{second}");
    println!("from an edit to the first trade of the new version: {} s", seconds(&second));

    // What does not compile, and what compiles to the same, change nothing.
    std::fs::write(&source, edited.replacen("(6, 7)", "(6, seven)", 1)).unwrap();
    let broken = lines_until(&mut lines, "watching ").await;
    assert!(broken.contains("failed to compile the plugin"), "{broken}");
    std::fs::write(&source, format!("{edited}// The end.\n")).unwrap();
    let same = lines_until(&mut lines, "ended after 5 builds").await;
    assert!(same.contains("the same component as before"), "{same}");
    assert!(dev.wait().await.unwrap().success());
    running.kill().await.unwrap();
}
