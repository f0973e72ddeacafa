//! Measurements: requests by status, how long they took, how the streams are, and how the chains are.

use super::params::Params;
use super::problem::Problem;
use crate::App;
use crate::freshness::Freshness;
use crate::live::{Hub, StreamHealth};
use crate::views::{ChainState, ChainView, DroppedView, WatchView};
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::Response;
use environment::health::measurements_response;
use environment::now_ms;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Upper bounds of the buckets for times, seconds.
const LATENCY_BOUNDARIES: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
/// Classes of status, by the first digit from 1 on.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is measured of requests.
#[derive(Debug)]
pub(crate) struct RequestFigures {
    requests: Counter<u64>,
    times: Histogram<f64>,
}

impl RequestFigures {
    pub(crate) fn on(meter: &Meter) -> Self {
        let requests = meter.u64_counter("chaintape.api.requests");
        let times = meter.f64_histogram("chaintape.api.request").with_unit("s");
        let figures = Self {
            requests: requests.with_description("Requests answered, by class of status.").build(),
            times: times
                .with_description("How long answers took.")
                .with_boundaries(LATENCY_BOUNDARIES.to_vec())
                .build(),
        };
        // A class without requests counts 0, so that its first one is seen to rise.
        for class in CLASSES {
            figures.requests.add(0, &[KeyValue::new("status", class)]);
        }
        figures
    }

    fn count(&self, status: u16, took: Duration) {
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|class| CLASSES.get(class)) {
            self.requests.add(1, &[KeyValue::new("status", *class)]);
        }
        self.times.record(took.as_secs_f64(), &[]);
    }
}

/// Counts every response; a stream counts when it is opened.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    app.request_figures.count(response.status().as_u16(), begun.elapsed());
    response
}

/// Measurements in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "measurements",
    responses(
        (status = 200, description = "Measurements", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let of_consumers = app.consumers.iter().map(|consumer| &consumer.measurements);
    Ok(measurements_response(app.measurements.text_with(of_consumers)))
}

/// The name of a measurement of the streams, what it is, and its value.
type OfStreams = (&'static str, &'static str, fn(&StreamHealth) -> u64);
/// The name of a measurement of a chain, what it is, and what observes it.
type OfChain = (&'static str, &'static str, fn(&dyn AsyncInstrument<u64>, &ChainView));

/// Measures the streams and the chains whenever somebody asks.
pub(crate) fn observe(meter: &Meter, hub: &Arc<Hub>, freshness: &Arc<Freshness>) {
    let freshness = Arc::clone(freshness);
    let age = meter.u64_observable_gauge("chaintape.api.reads.age").with_unit("s");
    age.with_description("Age of what REST answers are read from: the lag of metrics, and of a replica.")
        .with_callback(move |it| {
            if let Some(as_of) = freshness.as_of_ms() {
                it.observe(now_ms().saturating_sub(as_of) / 1_000, &[]);
            }
        })
        .build();
    let gauges: [OfStreams; 3] = [
        ("chaintape.api.stream.readers", "Open WebSocket connections.", |it| it.readers as u64),
        ("chaintape.api.log.following", "1 when the log is being followed.", |it| it.started.into()),
        ("chaintape.api.log.unfolded", "Trades read here and not folded by metrics yet.", |it| it.unfolded),
    ];
    for (name, what, value) in gauges {
        let hub = Arc::clone(hub);
        let observed = meter.u64_observable_gauge(name).with_description(what);
        observed.with_callback(move |it| it.observe(value(&hub.health()), &[])).build();
    }
    let counters: [OfStreams; 4] = [
        ("chaintape.api.poison", "Records that could not be read and were left out.", |it| it.poison),
        ("chaintape.api.deliveries", "Changes handed to readers.", |it| it.delivered),
        ("chaintape.api.missed", "Changes that slow readers missed.", |it| it.missed),
        ("chaintape.api.conflated", "States that waited for a slow reader and became one.", |it| it.conflated),
    ];
    for (name, what, value) in counters {
        let hub = Arc::clone(hub);
        let observed = meter.u64_observable_counter(name).with_description(what);
        observed.with_callback(move |it| it.observe(value(&hub.health()), &[])).build();
    }
    observe_chains(meter, hub);
}

/// How each chain is doing: its state, how far behind it is, and what its plugin did not understand.
fn observe_chains(meter: &Meter, hub: &Arc<Hub>) {
    let gauges: [OfChain; 3] = [
        ("chaintape.chain.state", "1 for the state that the chain is in.", observe_state),
        ("chaintape.chain.lag.blocks", "Heights between the newest block of the node and of the tape.", observe_lag),
        ("chaintape.chain.watch", "Counts that must be zero.", observe_watch),
    ];
    for (name, what, observe) in gauges {
        let hub = Arc::clone(hub);
        let observed = meter.u64_observable_gauge(name).with_description(what);
        observed.with_callback(move |it| hub.chains().iter().for_each(|view| observe(it, view))).build();
    }
    let hub = Arc::clone(hub);
    meter
        .u64_observable_counter("chaintape.chain.dropped")
        .with_description("What looks like a trade and became none.")
        .with_callback(move |it| hub.chains().iter().for_each(|view| observe_dropped(it, view)))
        .build();
}

fn chain_label(view: &ChainView) -> KeyValue {
    KeyValue::new("chain", view.chain.clone())
}

/// One gauge per chain and state: 1 for the state that it is in.
fn observe_state(it: &dyn AsyncInstrument<u64>, view: &ChainView) {
    for state in ChainState::ALL {
        it.observe((view.state == state).into(), &[chain_label(view), KeyValue::new("state", state.word())]);
    }
}

fn observe_lag(it: &dyn AsyncInstrument<u64>, view: &ChainView) {
    it.observe(view.lag_blocks, &[chain_label(view)]);
}

fn observe_watch(it: &dyn AsyncInstrument<u64>, view: &ChainView) {
    let WatchView { lost, doubled, gap, dead_lettered } = view.watch;
    for (count, value) in [("lost", lost), ("doubled", doubled), ("gap", gap), ("dead-lettered", dead_lettered)] {
        it.observe(value, &[chain_label(view), KeyValue::new("count", count)]);
    }
}

fn observe_dropped(it: &dyn AsyncInstrument<u64>, view: &ChainView) {
    for DroppedView { reason, venue, count } in &view.dropped {
        let (reason, venue) = (KeyValue::new("reason", reason.clone()), KeyValue::new("venue", venue.clone()));
        it.observe(*count, &[chain_label(view), reason, venue]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let measurements = environment::Measurements::of("api");
        let figures = RequestFigures::on(&measurements.meter());
        for (status, us) in [(200, 900), (200, 1_000), (404, 30_000), (503, 9_000_000)] {
            figures.count(status, Duration::from_micros(us));
        }
        let text = measurements.text();
        for line in [
            "chaintape_api_requests_total{status=\"2xx\"} 2",
            "chaintape_api_requests_total{status=\"3xx\"} 0",
            "chaintape_api_requests_total{status=\"5xx\"} 1",
            "chaintape_api_request_seconds_bucket{le=\"0.001\"} 2",
            "chaintape_api_request_seconds_bucket{le=\"0.05\"} 3",
            "chaintape_api_request_seconds_bucket{le=\"+Inf\"} 4",
            "chaintape_api_request_seconds_sum 9.0319",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}
