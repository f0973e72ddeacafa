//! One trace follows a block from the ingestor through metrics to the WebSocket of the api, and log lines name it.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/mock_chain.rs"]
mod mock_chain;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// By trace id, the names of its spans; the topic follows the name where a span has one.
type Traces = Arc<Mutex<BTreeMap<Vec<u8>, BTreeSet<String>>>>;

fn name_of_span(span: &Span) -> String {
    let log = span.attributes.iter().find(|attribute| attribute.key == "log");
    match log.and_then(|log| log.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(log)) => format!("{} {log}", span.name),
        _ => span.name.clone(),
    }
}

async fn collect(State(traces): State<Traces>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    for span in scopes.flat_map(|scope| scope.spans) {
        traces.lock().unwrap().entry(span.trace_id.clone()).or_default().insert(name_of_span(&span));
    }
}

#[tokio::test]
async fn one_trace_runs_from_the_ingestor_to_the_stream() {
    let traces = Traces::default();
    let app = Router::new().route("/v1/traces", post(collect)).with_state(Arc::clone(&traces));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    mock_chain::lay_out(folder.path());
    let mut chaintape = tokio::process::Command::new(env!("CARGO_BIN_EXE_chaintape"));
    chaintape.env_clear().current_dir(folder.path()).stdout(Stdio::piped()).kill_on_drop(true);
    chaintape.env("PLUGINS_DIR", path("plugins")).env("CHAINS_DIR", path("chains"));
    chaintape.env("API_ADDR", "127.0.0.1:0").env("PORTFOLIO_PROVIDER", "mock");
    chaintape.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector).env("OTEL_BSP_SCHEDULE_DELAY", "200");
    let mut running = chaintape.spawn().unwrap();
    let lines: Arc<Mutex<Vec<serde_json::Value>>> = Arc::default();
    let (mut output, read) = (BufReader::new(running.stdout.take().unwrap()).lines(), Arc::clone(&lines));
    tokio::spawn(async move {
        while let Ok(Some(line)) = output.next_line().await {
            read.lock().unwrap().push(serde_json::from_str(&line).unwrap());
        }
    });

    let wanted = [
        "tape.step.append",
        "store.facts.commit trades.executed.v1",
        "api.records.deliver trades.executed.v1",
        "api.records.deliver metrics.updated.v1",
    ];
    // Lines of all services name the trace.
    let writers = ["api", "chain-ingestor", "metrics", "portfolio"];
    let is_complete = |(id, spans): (&Vec<u8>, &BTreeSet<String>)| {
        let id = format!("{:032x}", u128::from_be_bytes(id.as_slice().try_into().unwrap()));
        let lines = lines.lock().unwrap();
        let in_trace = lines.iter().filter(|line| line["traceId"] == *id && line["spanId"].is_string());
        let services: BTreeSet<&str> = in_trace.filter_map(|line| line["service"].as_str()).collect();
        wanted.iter().all(|name| spans.contains(*name)) && services.into_iter().eq(writers)
    };
    let arrived = async {
        while !traces.lock().unwrap().iter().any(is_complete) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), arrived).await.is_ok();
    assert!(in_time, "no trace has all of {wanted:?} and lines of {writers:?}: {:?}", traces.lock().unwrap());
}
