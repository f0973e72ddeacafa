//! The ingestor's metrics: each figure carries the chain and the plugin's name, version and digest. They are exported
//! by OTLP (see `environment::telemetry`); where no collector is configured they cost next to nothing.

use crate::plugin::v1::{CallError, Failure};
use ingest_domain::{Scanned, Step};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use std::sync::LazyLock;
use std::time::Duration;
use tape::Detector;

/// Upper bounds of the buckets for times: the SDK's own begin at five seconds.
const SECONDS_BOUNDARIES: [f64; 13] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The chain and the code that a figure belongs to.
pub(crate) struct Subject<'a> {
    pub(crate) chain: &'a str,
    pub(crate) detector: &'a Detector,
}

struct Instruments {
    scan_time: Histogram<f64>,
    blocks: Counter<u64>,
    trades: Counter<u64>,
    dropped: Counter<u64>,
    step_time: Histogram<f64>,
    records: Counter<u64>,
    published: Gauge<u64>,
    lag: Gauge<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter("chain-ingestor");
    let counter = |name, what| meter.u64_counter(name).with_description(what).build();
    let gauge = |name, what| meter.u64_gauge(name).with_description(what).build();
    let seconds = |name, what| {
        let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
        histogram.with_boundaries(SECONDS_BOUNDARIES.to_vec()).build()
    };
    Instruments {
        scan_time: seconds("plugin.scan.duration", "one scan of a span, waiting for the node included"),
        blocks: counter("plugin.blocks", "blocks that scans gave"),
        trades: counter("plugin.trades", "trades that scans gave"),
        dropped: counter("plugin.dropped", "what looks like a trade and became none, by reason and venue"),
        step_time: seconds("tape.step.duration", "one step, from its transaction's begin to its end"),
        records: counter("tape.records", "trades put on the tape or taken back"),
        published: gauge("chain.published", "height of the newest block on the tape"),
        lag: gauge("chain.lag", "blocks between the tape and the node's head"),
    }
});

impl Subject<'_> {
    /// Records a scan that took so long.
    pub(crate) fn record_scan(&self, took: Duration, scanned: &Result<Scanned, CallError>) {
        let instruments = &*INSTRUMENTS;
        instruments.scan_time.record(took.as_secs_f64(), &self.attributes(Some(("outcome", outcome(scanned).into()))));
        if let Ok(scanned) = scanned {
            let trades: usize = scanned.blocks.iter().map(|block| block.trades.len()).sum();
            instruments.blocks.add(scanned.blocks.len() as u64, &self.attributes(None));
            instruments.trades.add(trades as u64, &self.attributes(None));
            for (kind, count) in scanned.blocks.iter().flat_map(|block| block.dropped.iter()) {
                instruments.dropped.add(count, &self.attributes(Some(("kind", kind.to_string().into()))));
            }
        }
    }

    /// Records a step that was appended after so long.
    pub(crate) fn record_append(&self, took: Duration, step: &Step) {
        let instruments = &*INSTRUMENTS;
        instruments.step_time.record(took.as_secs_f64(), &self.attributes(None));
        let reverted = step.changes.iter().filter(|(status, _)| *status == tape::Status::Reverted).count();
        for (status, count) in [("present", step.changes.len() - reverted), ("reverted", reverted)] {
            if count > 0 {
                instruments.records.add(count as u64, &self.attributes(Some(("status", status.into()))));
            }
        }
        instruments.published.record(step.cursor.through, &self.attributes(None));
        if let Some(latest) = &step.progress.latest {
            instruments.lag.record(latest.height.saturating_sub(step.cursor.through), &self.attributes(None));
        }
    }

    fn attributes(&self, more: Option<(&'static str, opentelemetry::Value)>) -> Vec<KeyValue> {
        let Detector { plugin, version, digest } = self.detector;
        let mut attributes = vec![
            KeyValue::new("chain.id", self.chain.to_owned()),
            KeyValue::new("plugin.name", plugin.clone()),
            KeyValue::new("plugin.version", version.clone()),
            KeyValue::new("plugin.digest", digest.clone()),
        ];
        attributes.extend(more.map(|(name, value)| KeyValue::new(name, value)));
        attributes
    }
}

fn outcome(scanned: &Result<Scanned, CallError>) -> &'static str {
    match scanned {
        Ok(_) => "ok",
        Err(CallError::Failure(Failure::Retry(_))) => "retry",
        Err(CallError::Failure(Failure::Elsewhere(_))) => "elsewhere",
        Err(CallError::Failure(Failure::SpanTooWide(_))) => "span-too-wide",
        Err(CallError::Failure(Failure::NotYet(_))) => "not-yet",
        Err(CallError::Failure(Failure::Reorged)) => "reorged",
        Err(CallError::Failure(Failure::BadSettings(_))) => "bad-settings",
        Err(CallError::Failure(Failure::BadData(_))) => "bad-data",
        Err(CallError::Failure(Failure::Other(_))) => "other",
        Err(CallError::Trap(_)) => "trap",
        Err(CallError::Slow(_)) => "slow",
        Err(CallError::Broken(_)) => "broken",
        Err(CallError::Host(_)) => "host",
    }
}
