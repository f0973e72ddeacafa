//! An operator's commands in the one-process mode: what a parked chain's sentence names works as it stands.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/mock_chain.rs"]
mod mock_chain;

use mock_chain::lay_out;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tape_log::{Log, Record, Target, topics};
use tokio::process::{Child, Command};
use wire::v1::journal;
use wire::v1::progress::{self, ChainProgressed, State};

/// How long a test waits for anything.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

fn chaintape(folder: &Path) -> Command {
    let mut chaintape = Command::new(env!("CARGO_BIN_EXE_chaintape"));
    chaintape.env_clear().current_dir(folder).kill_on_drop(true);
    chaintape.env("PLUGINS_DIR", folder.join("plugins")).env("CHAINS_DIR", folder.join("chains"));
    chaintape.env("API_ADDR", "127.0.0.1:0").env("PORTFOLIO_PROVIDER", "mock");
    chaintape
}

fn run(folder: &Path) -> Child {
    chaintape(folder).args(["--log", "sqlite:tape.db"]).stdout(Stdio::null()).spawn().unwrap()
}

/// Carries out a command as it stands in a sentence; returns what it prints.
async fn carry_out(folder: &Path, command: &str) -> String {
    let words = command.split(' ').skip_while(|word| *word != "chaintape").skip(1);
    let done = chaintape(folder).args(words).output().await.unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

async fn open(folder: &Path) -> Log {
    Log::open(&Target::Sqlite(folder.join("tape.db"))).await.unwrap()
}

/// Waits until the chain's progress is as it should be. The log is opened anew for each look: another process writes it.
async fn until(folder: &Path, what: &str, is_so: impl Fn(&ChainProgressed) -> bool) -> ChainProgressed {
    let waiting = async {
        loop {
            let newest = open(folder).await.read_all(&topics::PROGRESS.partition(0)).await.unwrap().pop();
            let newest = newest.map(|record| progress::decode(&record.value.unwrap()).unwrap());
            if let Some(progress) = newest.filter(&is_so) {
                return progress;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("within a minute: {what}"))
}

fn height(progress: &ChainProgressed) -> u64 {
    progress.published.as_ref().map_or(0, |block| block.height)
}

async fn requests(folder: &Path) -> usize {
    let partition = topics::JOURNAL.partition_of(b"mock");
    let records = open(folder).await.read_all(&partition).await.unwrap();
    records.iter().filter(|record| journal::is_request_key(&record.key)).count()
}

#[tokio::test]
async fn a_backfill_is_waited_for_and_shows_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_out(folder);
    let mut running = run(folder);
    let first = height(&until(folder, "it begins", |progress| height(progress) > 0).await);
    let (from, to) = ((first - 60).to_string(), (first - 41).to_string());
    let mut backfill = chaintape(folder);
    let span = ["--chain", "mock", "--from", &from, "--to", &to, "--wait"];
    let done = backfill.args(["--log", "sqlite:tape.db", "backfill"]).args(span).output();
    let done = tokio::time::timeout(WAIT_TIMEOUT, done).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let shown = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{shown}");
    assert!(said.contains(&format!("heights {from} to {to} of mock are on the tape")), "{said}");
    assert!(shown.lines().last().is_some_and(|line| line == "20 of 20 heights"), "a plain line, not a bar: {shown}");
    running.kill().await.unwrap();
}

#[tokio::test]
async fn rewind_and_repair_work_on_an_embedded_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_out(folder);
    let mut running = run(folder);
    let first = height(&until(folder, "it begins", |progress| height(progress) > 0).await);
    until(folder, "it goes on", |progress| height(progress) > first + 3).await;
    let filed = carry_out(folder, &format!("chaintape --log sqlite:tape.db rewind --chain mock --to {first}")).await;
    assert!(filed.contains("the process that runs on this log"), "{filed}");
    let fulfilled = async {
        while folder.join("tape.inbox").read_dir().unwrap().count() > 0 || requests(folder).await > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, fulfilled).await.unwrap();
    let before = until(folder, "it follows on", |progress| height(progress) > first + 3).await;
    running.kill().await.unwrap();

    // A version of before has journalled what cannot be read.
    let bad = format!("{{\"height\":{},\"hash\":\"0x\",\"trades\":[{{}}]}}", height(&before));
    let (partition, key) = (topics::JOURNAL.partition_of(b"mock"), journal::block_key("mock", height(&before), 0));
    let record = Record { partition, key: key.into_bytes(), headers: vec![], value: Some(bad.into_bytes()) };
    open(folder).await.publish(vec![record]).await.unwrap();
    let mut running = run(folder);
    let parked = until(folder, "it is parked", |progress| progress.state == State::Parked).await;
    let why = parked.reason.unwrap();
    let command = why.split("run: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    assert_eq!(command, "chaintape --log sqlite:tape.db repair --chain mock", "{why}");
    let shown = carry_out(folder, command).await;
    let confirm = shown.lines().last().and_then(|line| line.split("run: ").nth(1)).unwrap();
    assert_eq!(confirm, format!("{command} --confirm"), "{shown}");
    carry_out(folder, confirm).await;
    let parked_at = height(&before);
    until(folder, "it goes on", |it| it.state != State::Parked && height(it) > parked_at).await;
    running.kill().await.unwrap();
}

#[tokio::test]
async fn what_is_requested_while_nothing_runs_is_seen_and_can_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_out(folder);
    let mut running = run(folder);
    let at = height(&until(folder, "it begins", |progress| height(progress) > 0).await);
    running.kill().await.unwrap();
    let refused = async |words: &str| {
        let done = chaintape(folder).args(["--log", "sqlite:tape.db"]).args(words.split(' ')).output().await.unwrap();
        assert_eq!(done.status.code(), Some(1), "{words}");
        String::from_utf8(done.stderr).unwrap()
    };
    let ours = "chaintape --log sqlite:tape.db";
    let filed = carry_out(folder, &format!("{ours} backfill --chain mock --from {} --to {}", at - 60, at - 50)).await;
    let id = filed.split(' ').nth(1).unwrap();
    let listed = carry_out(folder, &format!("{ours} requests --chain mock")).await;
    assert!(listed.contains(id) && listed.contains("filled in"), "{listed}");
    carry_out(folder, &format!("{ours} requests --chain mock --drop {id}")).await;
    let listed = carry_out(folder, &format!("{ours} requests --chain mock")).await;
    assert!(listed.contains("nothing is requested"), "{listed}");
    assert!(refused("requests --chain mocc").await.contains("find chain `mocc`"));
    assert!(refused("backfill --chain mock --from 1 --to 99999999999").await.contains("above the newest block"));
    let unwaited = refused(&format!("backfill --chain mock --from {} --to {} --wait", at - 60, at - 50)).await;
    assert!(unwaited.contains("no process runs on this log"), "{unwaited}");
    let chains = carry_out(folder, &format!("{ours} chains")).await;
    assert!(chains.contains("no process runs on this log"), "{chains}");
    let files = carry_out(folder, &format!("{ours} plugin status")).await;
    assert!(files.starts_with("no process runs on this log") && files.contains("admitted"), "{files}");
}
