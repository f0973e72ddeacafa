//! Metrics for Prometheus: requests by status, how long they took, and the health of the stream.

use super::params::Params;
use super::problem::Problem;
use crate::App;
use crate::views::{ChainState, ChainView, DroppedView, WatchView};
use axum::extract::{Request, State};
use axum::http::{Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Upper bounds of the latency histogram: microseconds, and the seconds they are shown as.
const LATENCY_BOUNDS: [(u64, &str); 9] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (2_500_000, "2.5"),
];

/// The requests counted since the start.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    /// By the first digit of the status.
    by_class: [AtomicU64; 6],
    /// Requests by the smallest bound that they did not exceed; the last one counts those above all bounds.
    by_latency: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    total_us: AtomicU64,
}

impl RequestCounters {
    fn count(&self, status: u16, us: u64) {
        if let Some(class) = self.by_class.get(usize::from(status / 100)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        let slot = LATENCY_BOUNDS.iter().position(|(bound, _)| us <= *bound).unwrap_or(LATENCY_BOUNDS.len());
        self.by_latency[slot].fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String) {
        text.push_str("# HELP chaintape_api_requests_total Requests answered, by class of status.\n");
        text.push_str("# TYPE chaintape_api_requests_total counter\n");
        for (class, count) in self.by_class.iter().enumerate().skip(1) {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "chaintape_api_requests_total{{status=\"{class}xx\"}} {count}");
        }
        text.push_str("# HELP chaintape_api_request_seconds How long answers took.\n");
        text.push_str("# TYPE chaintape_api_request_seconds histogram\n");
        let mut sum = 0;
        for ((_, shown), count) in LATENCY_BOUNDS.iter().zip(&self.by_latency) {
            sum += count.load(Ordering::Relaxed);
            let _ = writeln!(text, "chaintape_api_request_seconds_bucket{{le=\"{shown}\"}} {sum}");
        }
        sum += self.by_latency[LATENCY_BOUNDS.len()].load(Ordering::Relaxed);
        let us = self.total_us.load(Ordering::Relaxed);
        let _ = writeln!(text, "chaintape_api_request_seconds_bucket{{le=\"+Inf\"}} {sum}");
        let _ = writeln!(text, "chaintape_api_request_seconds_sum {}.{:06}", us / 1_000_000, us % 1_000_000);
        let _ = writeln!(text, "chaintape_api_request_seconds_count {sum}");
    }
}

/// Counts every response; a stream counts when it is opened.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    app.request_counters.count(response.status().as_u16(), us);
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
    let health = app.hub.health();
    let mut text = String::new();
    app.request_counters.write(&mut text);
    let gauges = [
        ("chaintape_api_stream_readers", "Open WebSocket connections.", health.readers as u64),
        ("chaintape_api_log_following", "1 when the log is being followed.", u64::from(health.started)),
        ("chaintape_api_log_unfolded", "Trades read here and not folded by metrics yet.", health.unfolded),
    ];
    for (name, help, value) in gauges {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    write_chains(&mut text, &app.hub.chains());
    let counters = [
        ("chaintape_api_poison_total", "Records that could not be read and were left out.", health.poison),
        ("chaintape_api_deliveries_total", "Changes handed to readers.", health.delivered),
        ("chaintape_api_missed_total", "Changes that slow readers missed.", health.missed),
    ];
    for (name, help, value) in counters {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
    }
    let headers =
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

/// How each chain is doing: its state, how far behind it is, and what its plugin did not understand.
fn write_chains(text: &mut String, chains: &[ChainView]) {
    write_states(text, chains);
    text.push_str("# HELP chaintape_chain_lag_blocks Heights between the newest block of the node and of the tape.\n");
    text.push_str("# TYPE chaintape_chain_lag_blocks gauge\n");
    for ChainView { chain, lag_blocks, .. } in chains {
        let _ = writeln!(text, "chaintape_chain_lag_blocks{{chain=\"{chain}\"}} {lag_blocks}");
    }
    text.push_str("# HELP chaintape_chain_watch Counts that must be zero.\n# TYPE chaintape_chain_watch gauge\n");
    for ChainView { chain, watch, .. } in chains {
        let WatchView { lost, doubled, gap, dead_lettered } = watch;
        for (count, value) in [("lost", lost), ("doubled", doubled), ("gap", gap), ("dead-lettered", dead_lettered)] {
            let _ = writeln!(text, "chaintape_chain_watch{{chain=\"{chain}\",count=\"{count}\"}} {value}");
        }
    }
    text.push_str("# HELP chaintape_chain_dropped_total What looks like a trade and became none.\n");
    text.push_str("# TYPE chaintape_chain_dropped_total counter\n");
    for ChainView { chain, dropped, .. } in chains {
        for DroppedView { reason, venue, count } in dropped {
            let labels = format!("chain=\"{chain}\",reason=\"{reason}\",venue=\"{venue}\"");
            let _ = writeln!(text, "chaintape_chain_dropped_total{{{labels}}} {count}");
        }
    }
}

/// One gauge per chain and state: 1 for the state that it is in.
fn write_states(text: &mut String, chains: &[ChainView]) {
    text.push_str("# HELP chaintape_chain_state 1 for the state that the chain is in.\n");
    text.push_str("# TYPE chaintape_chain_state gauge\n");
    for view in chains {
        for state in ChainState::ALL {
            let (chain, is_so) = (&view.chain, u8::from(view.state == state));
            let _ = writeln!(text, "chaintape_chain_state{{chain=\"{chain}\",state=\"{}\"}} {is_so}", state.word());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let counters = RequestCounters::default();
        for (status, us) in [(200, 900), (200, 1_000), (404, 30_000), (503, 9_000_000)] {
            counters.count(status, us);
        }
        let mut text = String::new();
        counters.write(&mut text);
        for line in [
            "chaintape_api_requests_total{status=\"2xx\"} 2",
            "chaintape_api_requests_total{status=\"5xx\"} 1",
            "chaintape_api_request_seconds_bucket{le=\"0.001\"} 2",
            "chaintape_api_request_seconds_bucket{le=\"0.05\"} 3",
            "chaintape_api_request_seconds_bucket{le=\"+Inf\"} 4",
            "chaintape_api_request_seconds_sum 9.031900",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}
