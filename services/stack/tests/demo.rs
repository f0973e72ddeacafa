//! The demo from the program alone: it serves trades, and leaves nothing behind however it ends.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a test waits for anything.
const WAIT_TIMEOUT: Duration = Duration::from_mins(2);

fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_chaintape"));
    demo.arg("demo").args(arguments).current_dir(folder).env("TMPDIR", folder).env("API_ADDR", "127.0.0.1:0");
    // What is meant for another system is none of the demo's.
    demo.env("SECRETS_DIR", "nowhere")
        .env("ENV_DIR", "nowhere")
        .env("PLUGINS_ALLOW", "ed25519:00")
        .env("APP_ENV", "prod");
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    demo
}

/// The address that it says the page is at.
async fn address(demo: &mut Child) -> String {
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix("open http://") {
                return rest.split('/').next().unwrap().to_owned();
            }
        }
        panic!("it never says where the page is");
    };
    tokio::time::timeout(WAIT_TIMEOUT, reading).await.unwrap()
}

#[tokio::test]
async fn it_ends_by_itself_and_its_folder_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let ended = demo(folder.path(), &["--for", "1"]).output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    for chain in ["mock", "replay-ethereum", "replay-solana"] {
        assert!(said.contains(&format!("first trades of {chain} served")), "{said}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn its_services_end_with_it_however_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = demo(folder.path(), &[]).spawn().unwrap();
    let address = address(&mut running).await;
    assert!(TcpStream::connect(&address).await.is_ok());
    // As SIGKILL does: it has no time for anything.
    running.kill().await.unwrap();
    let gone = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, gone).await.expect("the services end");
}

#[tokio::test]
async fn what_it_does_not_heed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ended = demo(folder.path(), &["--log", "sqlite:tape.db"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&ended.stderr).contains("leave --log and --database out"));
    assert_eq!(ended.status.code(), Some(1));
}

/// As the installer leaves it: one program, and nothing beside it.
#[tokio::test]
async fn the_program_alone_makes_a_folder_that_is_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("chaintape");
    std::fs::copy(env!("CARGO_BIN_EXE_chaintape"), &alone).unwrap();
    let run = async |within: &Path, arguments: &[&str]| {
        let mut program = Command::new(&alone);
        program.args(arguments).current_dir(within).env_clear().env("API_ADDR", "127.0.0.1:0").output().await.unwrap()
    };
    assert!(run(folder.path(), &["new", "my-tape"]).await.status.success());
    let examined = run(&folder.path().join("my-tape"), &["doctor"]).await;
    assert!(examined.status.success(), "{}", String::from_utf8_lossy(&examined.stdout));
}
