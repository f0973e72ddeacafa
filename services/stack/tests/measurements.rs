//! What a running process measures: each name that alerts and dashboards rest on, of all the services that have a port.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/running.rs"]
mod running;

use running::start;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Measured only once there is something to measure, which the mock chain does not have.
const NEVER_HERE: [&str; 1] = ["chaintape_chain_dropped_total"];

/// The names of ours in the files of a folder.
fn names_in(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == extension));
    let texts: Vec<String> = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let words = texts.iter().flat_map(|text| text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_'));
    words.filter(|word| word.starts_with("chaintape_")).map(str::to_owned).collect()
}

async fn measured(api: &str) -> String {
    let mut stream = TcpStream::connect(api).await.unwrap();
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {api}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn everything_that_alerts_and_dashboards_name_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut lines) = start(folder.path());
    let api = loop {
        let line = lines.next_line().await.unwrap().expect("the process runs");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["event"] == "api.serving" {
            break line["addr"].as_str().unwrap().to_owned();
        }
    };
    // Whatever else it logs must be read, or it waits.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let mut named = names_in("alerts", "yaml");
    named.extend(names_in("grafana", "json"));
    assert!(named.len() > 25, "{named:?}");
    let has = |text: &str, name: &str| text.lines().any(|line| line.split(['{', ' ']).next() == Some(name));
    let complete = async {
        loop {
            let text = measured(&api).await;
            let missing: Vec<&String> = named.iter().filter(|name| !has(&text, name)).collect();
            let of_both = ["metrics", "portfolio"]
                .map(|service| format!("chaintape_consumer_commits_total{{service=\"{service}\"}}"));
            let has_both = of_both.iter().all(|series| text.contains(series.as_str()));
            if has_both && missing.iter().all(|name| NEVER_HERE.contains(&name.as_str())) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), complete).await;
    let Ok(text) = in_time else {
        let text = measured(&api).await;
        let missing: Vec<&String> = named.iter().filter(|name| !has(&text, name)).collect();
        panic!("{missing:?} are not measured");
    };
    // A family is described once, though two services measure it.
    let described: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    assert_eq!(described.iter().collect::<BTreeSet<_>>().len(), described.len(), "{described:?}");
}
