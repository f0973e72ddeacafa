//! The log lines of a running process: each has its service and its event, and one event is found in those of all four.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/running.rs"]
mod running;

use running::start;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

const SERVICES: [&str; 4] = ["chain-ingestor", "metrics", "portfolio", "api"];
/// What the process says of itself, on behalf of no service.
const OF_THE_PROCESS: [&str; 2] = ["process.stopping", "chaintape"];

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// The events that `deploy/LOGS.md` lists.
fn listed_events() -> BTreeSet<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/LOGS.md")).unwrap();
    let (_, tables) = page.split_once("\n## Events\n").unwrap();
    let first_cells = tables.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[tokio::test]
async fn one_event_is_found_in_the_lines_of_all_services() {
    let folder = tempfile::tempdir().unwrap();
    let (mut running, mut lines) = start(folder.path());
    let mut read: Vec<Value> = vec![];
    // Which services have a line about an event, and which events a line names.
    let mut services_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut events_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let wanted = [["metrics.updated", "metrics.delivered"], ["portfolio.updated", "portfolio.delivered"]];
    let complete = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the process runs");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            let id = text(&line, "eventId").to_owned();
            if !id.is_empty() {
                services_of.entry(id.clone()).or_default().insert(text(&line, "service").to_owned());
                events_of.entry(id).or_default().insert(text(&line, "event").to_owned());
            }
            read.push(line);
            let in_all = services_of.values().any(|services| services.len() == SERVICES.len());
            let has = |events: &[&str; 2]| events_of.values().any(|of| events.iter().all(|event| of.contains(*event)));
            if in_all && wanted.iter().all(has) {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), complete).await.is_ok();
    assert!(in_time, "no event is found in all services: {services_of:?}, {events_of:?}");

    let pid = running.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    while let Some(line) = lines.next_line().await.unwrap() {
        read.push(serde_json::from_str(&line).unwrap());
    }
    assert!(running.wait().await.unwrap().success());

    let listed = listed_events();
    for line in &read {
        let (service, event) = (text(line, "service"), text(line, "event"));
        assert!(SERVICES.contains(&service) || [event, service] == OF_THE_PROCESS, "{line}");
        assert!(listed.contains(event), "deploy/LOGS.md does not list the event of {line}");
        assert!(!["warn", "error"].contains(&text(line, "level")), "a healthy start has nothing to warn about: {line}");
    }
    let about_one = ["trade.published", "trade.read", "trade.delivered", "metrics.updated", "portfolio.updated"];
    let without_id =
        read.iter().find(|line| about_one.contains(&text(line, "event")) && text(line, "eventId").is_empty());
    assert_eq!(without_id, None);
    // One line for all partitions, not one for each.
    let changed = read.iter().filter(|line| text(line, "event") == "partitions.changed").count();
    assert!((2..=4).contains(&changed), "{changed} lines about partitions");
}
