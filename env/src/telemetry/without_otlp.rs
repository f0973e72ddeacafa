//! Telemetry of a binary that was built without OpenTelemetry: logs only, no traces, and no trace is continued.

use tracing::Span;
use tracing_subscriber::{Layer, Registry};

/// Sends nothing.
#[must_use = "what is dropped sends no more"]
#[derive(Debug, Default)]
pub struct Telemetry(());

impl Telemetry {
    /// Nothing begins; where a collector is named, the reason.
    pub(super) fn begin(_service: &'static str) -> (Self, Option<&'static str>) {
        let named = super::collector_is_named();
        let missing = "this binary was built without the feature `otlp` (a default)";
        (Self(()), named.then_some(missing))
    }

    /// No spans become traces.
    #[expect(clippy::unused_self, reason = "the same function as that of the exporter")]
    pub(super) fn layer(&self) -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
        None
    }
}

/// No traces are taken.
pub fn traceparent() -> Option<String> {
    None
}

/// No trace is continued.
pub fn continued(span: Span, _traceparent: Option<&str>) -> Span {
    span
}
