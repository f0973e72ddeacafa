//! Logs, as JSON lines or, on a terminal, as lines for people; and where configured, traces and measurements.

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "telemetry/without_otlp.rs"]
mod otlp;

pub use otlp::{Telemetry, continued, traceparent};

use serde_json::{Map, Value};
use std::fmt;
use std::io::IsTerminal;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Starts the logs of a process on standard output; `RUST_LOG` filters them (default `info`). Where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` is set, traces and measurements go there, for as long as what is returned is kept.
/// Starting again changes nothing.
pub fn start(service: &'static str) -> Telemetry {
    let (telemetry, refused) = Telemetry::begin(service);
    begin(service, std::io::stdout().is_terminal(), std::io::stdout, telemetry.layer());
    if let Some(error) = refused {
        tracing::warn!(%error, "traces and measurements cannot be sent; going on without");
    }
    telemetry
}

/// Logs alone, on standard error: for commands whose standard output is their result.
pub fn start_on_stderr(service: &'static str) {
    begin(service, std::io::stderr().is_terminal(), std::io::stderr, None);
}

fn begin<W>(service: &'static str, on_terminal: bool, writer: W, traces: Option<Box<dyn Layer<Registry> + Send + Sync>>)
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, refused) = match EnvFilter::try_new(if wanted.is_empty() { "info" } else { &wanted }) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = if on_terminal {
        lines.boxed()
    } else {
        lines.fmt_fields(JsonFields::new()).event_format(Lines { service }).boxed()
    };
    // Refused only when another subscriber is in place, which then keeps the logs.
    let _ = tracing_subscriber::registry().with(traces).with(lines).with(filter).try_init();
    if let Some(error) = refused {
        tracing::warn!(%error, "RUST_LOG cannot be read; logging at info");
    }
}

/// One JSON object per line: time, level, service, target, message, the spans' fields and the event's own.
struct Lines {
    service: &'static str,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("time".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().to_lowercase().into());
        line.insert("service".to_owned(), self.service.into());
        line.insert("target".to_owned(), event.metadata().target().into());
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            if let Ok(Value::Object(fields)) = serde_json::from_str(fields) {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        writeln!(out, "{}", Value::Object(line))
    }
}

/// Puts an event's fields into its line; numbers and booleans stay such.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.insert(field, crate::with_causes(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_service_message_and_fields() {
        let memory = Memory::default();
        let writer = memory.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(Lines { service: "metrics" })
            .finish();
        tracing::subscriber::with_default(logs, || {
            let _span = tracing::info_span!("store.step.commit", chain.id = "mock").entered();
            tracing::warn!(event = "metrics.updated", count = 3, "a \"quoted\"\nmessage");
        });
        let bytes = memory.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        for (key, expected) in [
            ("service", Value::from("metrics")),
            ("level", "warn".into()),
            ("message", "a \"quoted\"\nmessage".into()),
            ("chain.id", "mock".into()),
            ("event", "metrics.updated".into()),
            ("count", 3.into()),
        ] {
            assert_eq!(line[key], expected, "{text}");
        }
    }
}
