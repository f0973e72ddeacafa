//! The command line of `chaintape` as a user meets it: help, exit codes, completions, a new folder, the doctor.
#![expect(clippy::unwrap_used, reason = "tests")]

use axum::Json;
use axum::routing::post;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::Command;

/// How long a test waits for anything.
const START_TIMEOUT: Duration = Duration::from_mins(1);

fn chaintape(folder: &Path) -> Command {
    let mut chaintape = Command::new(env!("CARGO_BIN_EXE_chaintape"));
    chaintape.env_clear().current_dir(folder).kill_on_drop(true);
    // Whatever else listens on this machine.
    chaintape.env("API_ADDR", "127.0.0.1:0");
    chaintape
}

async fn run(folder: &Path, arguments: &[&str]) -> Output {
    chaintape(folder).args(arguments).output().await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder of plugins that holds the mock one.
fn plugins(folder: &Path) -> String {
    let plugins = folder.join("some-plugins");
    std::fs::create_dir(&plugins).unwrap();
    let mock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/tests/fixtures/wit-1.1.0-mock-0.1.0.wasm");
    std::fs::copy(mock, plugins.join("mock-0.1.0.wasm")).unwrap();
    plugins.display().to_string()
}

/// The codes in the README, in `--help`, and those that the program ends with, are the same.
#[tokio::test]
async fn exit_codes_are_as_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], i32); 6] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["completions", "bash"], 0),
        (&["scan", "--plugin", "none.wasm", "--cassette", "none.json"], 1),
        (&["chians"], 2),
        (&["check-config"], 64),
    ];
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (arguments, code) in cases {
        let ended = run(folder.path(), arguments).await;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", err(&ended));
        assert!(readme.contains(&format!("| {code} |")), "the README has no row for exit code {code}");
        assert!(
            environment::command_line::EXIT_CODES.contains(&format!("\n  {code}  ")),
            "--help has no line for {code}"
        );
    }
}

/// `chaintape check-config | head -1` is no fault of anybody.
#[tokio::test]
async fn a_reader_that_stops_ends_a_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["check-config"][..], &["completions", "bash"], &["doctor", "--json"]] {
        let mut command = chaintape(folder.path());
        let mut running = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(running.stdout.take());
        let ended = running.wait_with_output().await.unwrap();
        assert_eq!((ended.status.code(), err(&ended).as_str()), (Some(141), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_mistake_is_a_sentence_without_a_back_trace_and_without_colours() {
    let folder = tempfile::tempdir().unwrap();
    let mut chaintape = chaintape(folder.path());
    let mistyped = chaintape.arg("chians").env("NO_COLOR", "1").env("RUST_BACKTRACE", "1").output().await.unwrap();
    let said = err(&mistyped);
    assert!(said.contains("similar subcommands exist: 'scan', 'chains'"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    let mut failing = self::chaintape(folder.path());
    let wrong = ["scan", "--plugin", "none.wasm", "--cassette", "none.json"];
    let said = err(&failing.args(wrong).env("RUST_BACKTRACE", "full").output().await.unwrap());
    assert!(said.starts_with("failed to ") && said.contains("none.wasm"), "{said}");
    assert!(!said.contains("stack backtrace") && said.lines().count() <= 2, "{said}");
}

#[tokio::test]
async fn without_settings_it_says_where_it_looked_and_each_problem_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = chaintape(folder.path());
    let ended = command.env("DATABASE_URL", "mysql://x").env("API_ADDR", "here").output().await.unwrap();
    let said = err(&ended);
    assert_eq!(ended.status.code(), Some(64), "{said}");
    assert!(said.contains("API_ADDR is `here`; write an address such as 127.0.0.1:8080"), "{said}");
    let mut command = chaintape(folder.path());
    let checked = command.args(["check-config", "--json"]).env("API_ADDR", "here").output().await.unwrap();
    assert_eq!(checked.status.code(), Some(64), "{}", err(&checked));
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let problems: Vec<&str> = report["problems"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(problems.iter().any(|problem| problem.starts_with("API_ADDR is `here`")), "{problems:?}");
    let default = |name: &str, value: &str| json!({ "name": name, "value": value, "isDefault": true });
    for embedded in [default("LOG", "sqlite:data/tape.db"), default("DATABASE_URL", "sqlite:data")] {
        assert!(report["settings"].as_array().unwrap().contains(&embedded), "{report}");
    }
    assert!(said.contains("CHAINS_DIR is not set; write a folder of chain files"), "{said}");
    assert!(said.contains(&format!("there is no folder {}/env", folder.path().display())), "{said}");
    let mut sentences: Vec<&str> = said.lines().collect();
    let all = sentences.len();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(sentences.len(), all, "one problem once: {said}");
}

#[tokio::test]
async fn completions_and_manual_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let text = out(&run(folder.path(), &["completions", shell]).await);
        for command in ["backfill", "doctor", "check-config", "plugin"] {
            assert!(text.contains(command), "{shell} does not know {command}");
        }
    }
    assert!(run(folder.path(), &["man", "man1"]).await.status.success());
    for page in ["chaintape.1", "chaintape-backfill.1", "chaintape-plugin-record.1", "chaintape-new.1"] {
        assert!(folder.path().join("man1").join(page).is_file(), "{page}");
    }
}

#[tokio::test]
async fn a_new_folder_is_in_order_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins(folder.path());
    let made = run(folder.path(), &["new", "my-tape", "--plugins", &plugins]).await;
    assert!(made.status.success(), "{}", err(&made));
    let again = run(folder.path(), &["new", "my-tape", "--plugins", &plugins]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("it is there already"), "{}", err(&again));

    let tape = folder.path().join("my-tape");
    let examined = run(&tape, &["doctor", "--json"]).await;
    assert!(examined.status.success(), "{}{}", out(&examined), err(&examined));
    let findings: Vec<Value> = serde_json::from_slice(&examined.stdout).unwrap();
    let subjects: Vec<&str> = findings.iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["settings", "log", "address", "database", "plugin mock", "chain mock"]);
    assert!(!tape.join("data").exists(), "looking changes nothing");
    let checked = run(&tape, &["check-config", "--json"]).await;
    assert!(checked.status.success(), "{}", err(&checked));
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let chain = json!({ "chain": "mock", "plugin": "mock", "version": "0.1.0", "endpoints": 0 });
    assert_eq!((&report["chains"], &report["problems"]), (&json!([chain]), &json!([])));
    let is_set = |setting: &Value| setting["name"] == "CHAINS_DIR" && setting["value"] == "chains";
    assert!(report["settings"].as_array().unwrap().iter().any(is_set), "{report}");
    for nothing in [&["topics", "--json"][..], &["dlq", "list", "--json"]] {
        let listed = run(&tape, nothing).await;
        assert!(listed.status.success() && listed.stdout.is_empty(), "{nothing:?}: {}{}", out(&listed), err(&listed));
    }
    assert!(!tape.join("data").exists(), "looking changes nothing");

    let _running = chaintape(&tape).env("API_ADDR", "127.0.0.1:0").stdout(std::process::Stdio::null()).spawn().unwrap();
    let waiting = async {
        loop {
            let listed: Value = serde_json::from_slice(&run(&tape, &["chains", "--json"]).await.stdout).unwrap();
            assert_eq!((&listed[0]["chain"], &listed[0]["problem"]), (&json!("mock"), &Value::Null));
            if listed[0]["tape"]["height"].as_u64().is_some_and(|height| height > 0) {
                return;
            }
        }
    };
    tokio::time::timeout(START_TIMEOUT, waiting).await.expect("the chain of a new folder is followed");
    let listed = out(&run(&tape, &["chains"]).await);
    assert!(listed.starts_with("mock ") && listed.contains(" at "), "{listed}");
}

#[tokio::test]
async fn the_doctor_names_what_would_not_work_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins(folder.path());
    assert!(run(folder.path(), &["new", "my-tape", "--plugins", &plugins]).await.status.success());
    let tape = folder.path().join("my-tape");
    std::fs::remove_dir(tape.join("secrets")).unwrap();
    std::fs::write(tape.join("plugins/broken-0.1.0.wasm"), "no component").unwrap();
    std::fs::write(tape.join("chains/lost.toml"), "id = \"lost\"\nplugin = \"nowhere\"\nstart = \"latest\"\n").unwrap();
    let examined = run(&tape, &["doctor"]).await;
    let said = out(&examined);
    assert_eq!(examined.status.code(), Some(1), "{said}");
    assert!(said.contains("FAILS   chain lost: plugin `nowhere` is not in PLUGINS_DIR"), "{said}");
    assert!(said.contains("put the plugin into PLUGINS_DIR") && said.contains("broken-0.1.0.wasm"), "{said}");
    assert!(said.contains("SECRETS_DIR secrets is no folder"), "{said}");
    assert!(err(&examined).contains("3 of 9 would not work"), "{}", err(&examined));
}

/// A node of Base as far as `new` asks one: with raw receipts, and batches of up to 50 calls.
async fn node() -> String {
    let one = |call: &Value| {
        let result = match call["method"].as_str().unwrap() {
            "eth_chainId" => json!("0x2105"),
            "eth_blockNumber" => json!("0x2719c40"),
            "debug_getRawReceipts" => json!(["0x02"]),
            _ => Value::Null,
        };
        json!({ "jsonrpc": "2.0", "id": call["id"], "result": result })
    };
    let answer = move |Json(asked): Json<Value>| async move {
        Json(match &asked {
            Value::Array(calls) if calls.len() > 50 => json!({ "error": { "code": -32600, "message": "too many" } }),
            Value::Array(calls) => calls.iter().map(one).collect(),
            call => one(call),
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/{key}", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/my-key")
}

#[tokio::test]
async fn a_node_is_asked_what_it_is_and_its_address_is_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let url = node().await;
    let made = run(folder.path(), &["new", "on-base", "--rpc", &url]).await;
    let said = out(&made);
    assert!(made.status.success(), "{}", err(&made));
    assert!(said.contains("this is Base: chain id 8453, block 41000000, has raw receipts, batches of 50"), "{said}");
    assert!(said.contains(", answered ") && said.contains("it names no limit"), "{said}");
    let tape = folder.path().join("on-base");
    assert!(std::fs::read_to_string(tape.join("chains/base.toml")).unwrap().contains("${BASE_RPC_URL}"));
    assert_eq!(std::fs::read_to_string(tape.join("secrets/BASE_RPC_URL")).unwrap(), url);
    for entry in ["README.md", "env/.env", "env/.env.prod", "compose.yaml", ".gitignore"] {
        let text = std::fs::read_to_string(tape.join(entry)).unwrap();
        assert!(!text.contains("my-key") && !text.contains("{chain}") && !text.contains("{plugin}"), "{entry}: {text}");
    }
    assert!(std::fs::read_to_string(tape.join("README.md")).unwrap().contains("the chain `base`"));

    let nobody = run(folder.path(), &["new", "on-nothing", "--rpc", "http://127.0.0.1:9/my-key"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(err(&nobody).contains("reach the node") && !err(&nobody).contains("my-key"), "{}", err(&nobody));
    assert!(!folder.path().join("on-nothing").exists(), "nothing is made where the node does not answer");
}
