//! Where a collector is configured, metrics reach it, each with its chain and code, and so do traces.
#![expect(clippy::unwrap_used, reason = "tests")]

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape_log::{Log, Target, topics};
use tokio::io::{AsyncBufReadExt, BufReader};

type Attributes = BTreeMap<String, String>;

/// What has arrived.
#[derive(Clone, Default)]
struct Collected {
    /// By name, the attributes that figures came with.
    figures: Arc<Mutex<BTreeMap<String, BTreeSet<Attributes>>>>,
    spans: Arc<Mutex<BTreeSet<String>>>,
    /// Ids of traces, as hex.
    traces: Arc<Mutex<BTreeSet<String>>>,
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |pair: &KeyValue| match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn points(metric: &Metric) -> Vec<Attributes> {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().map(|point| attributes(&point.attributes)).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(|point| attributes(&point.attributes)).collect(),
        Data::Histogram(all) => all.data_points.iter().map(|point| attributes(&point.attributes)).collect(),
        other => panic!("{other:?}"),
    }
}

async fn take_figures(State(collected): State<Collected>, body: Bytes) {
    let sent = ExportMetricsServiceRequest::decode(body).unwrap();
    let scopes = sent.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let mut figures = collected.figures.lock().unwrap();
    for metric in scopes.flat_map(|scope| scope.metrics) {
        figures.entry(metric.name.clone()).or_default().extend(points(&metric));
    }
}

async fn take_spans(State(collected): State<Collected>, body: Bytes) {
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = sent.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    for span in scopes.flat_map(|scope| scope.spans) {
        collected.traces.lock().unwrap().insert(hex::encode(span.trace_id));
        collected.spans.lock().unwrap().insert(span.name);
    }
}

/// An ingestor that follows a mock chain and exports to a collector.
fn ingestor(folder: &Path, collector: &str) -> tokio::process::Command {
    let path = |name: &str| folder.join(name);
    for name in ["plugins", "chains"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let mock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wit-1.1.0-mock-0.1.0.wasm");
    std::fs::copy(mock, path("plugins/mock-0.1.0.wasm")).unwrap();
    std::fs::write(path("chains/mock.toml"), "id = \"mock\"\nplugin = \"mock\"\nstart = \"latest\"\n").unwrap();
    let mut ingestor = tokio::process::Command::new(env!("CARGO_BIN_EXE_chain-ingestor"));
    ingestor.arg("run").env_clear().current_dir(folder);
    ingestor.env("PLUGINS_DIR", path("plugins")).env("CHAINS_DIR", path("chains"));
    ingestor.env("LOG", format!("sqlite:{}", path("tape.db").display()));
    ingestor.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    ingestor.env("OTEL_METRIC_EXPORT_INTERVAL", "200").env("OTEL_BSP_SCHEDULE_DELAY", "200");
    ingestor.kill_on_drop(true);
    ingestor
}

/// A collector that cannot be reached is logged, and the chain is followed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_cannot_be_reached_is_logged() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut running = ingestor(folder.path(), &format!("http://{nobody}")).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let logged = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            let target = entry["target"].as_str().unwrap_or_default();
            if target.starts_with("opentelemetry") && ["warn", "error"].contains(&entry["level"].as_str().unwrap()) {
                return line;
            }
        }
        panic!("the ingestor has ended");
    };
    tokio::time::timeout(Duration::from_mins(1), logged).await.expect("a log line within a minute");
    let log = Log::open(&Target::Sqlite(folder.path().join("tape.db"))).await.unwrap();
    let followed = async {
        while log.read_all(&topics::PROGRESS.partition(0)).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), followed).await.expect("progress within a minute");
}

#[tokio::test]
async fn figures_and_traces_name_the_chain_and_the_code() {
    let collected = Collected::default();
    let app = Router::new()
        .route("/v1/metrics", post(take_figures))
        .route("/v1/traces", post(take_spans))
        .with_state(collected.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let folder = tempfile::tempdir().unwrap();
    let _running = ingestor(folder.path(), &collector).stdout(Stdio::null()).spawn().unwrap();

    let wanted = ["plugin.scan.duration", "plugin.trades", "tape.step.duration", "tape.records", "chain.published"];
    let all_there = async {
        loop {
            let figures: Vec<String> = collected.figures.lock().unwrap().keys().cloned().collect();
            let spans = collected.spans.lock().unwrap().clone();
            let has = |name: &&str| figures.iter().any(|figure| figure == name);
            if wanted.iter().all(has) && spans.contains("tape.step.append") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), all_there).await.expect("all figures within a minute");
    // Each trade on the tape names the trace of its step.
    let log = Log::open(&Target::Sqlite(folder.path().join("tape.db"))).await.unwrap();
    let mut named = 0;
    for partition in topics::TRADES.partitions() {
        for record in log.read_all(&partition).await.unwrap() {
            let trace = record.traceparent().expect("a traceparent");
            named +=
                usize::from(trace.split('-').nth(1).is_some_and(|id| collected.traces.lock().unwrap().contains(id)));
        }
    }
    assert!(named > 0, "no trace on the tape is one that was collected");
    for (name, points) in &*collected.figures.lock().unwrap() {
        for point in points {
            let attribute = |key: &str| point.get(key).map(String::as_str).unwrap_or_default();
            assert_eq!((attribute("chain.id"), attribute("plugin.name")), ("mock", "mock"), "{name}: {point:?}");
            assert_eq!(attribute("plugin.version"), "0.1.0", "{name}");
            assert!(attribute("plugin.digest").starts_with("sha256:"), "{name}: {point:?}");
        }
    }
}
