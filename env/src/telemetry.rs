//! Logs, as JSON lines or, on a terminal, as lines for people; and where configured, traces and measurements.

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "telemetry/without_otlp.rs"]
mod otlp;
mod pace;

pub use otlp::{Telemetry, continued, traceparent};
pub use pace::has_event_line;

use serde_json::{Map, Value};
use std::fmt;
use std::io::IsTerminal;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// What is logged where nothing else is wanted; of what OpenTelemetry says only what is wrong.
const DEFAULT_FILTER: &str = "info,opentelemetry=warn,opentelemetry_sdk=warn";

/// Starts the logs of a process on standard output; `RUST_LOG` filters them (default `info`). Where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` is set, traces and measurements go there, for as long as what is returned is kept.
/// Starting again changes nothing.
pub fn start(service: &'static str) -> Telemetry {
    let (telemetry, refused) = Telemetry::begin(service);
    begin(service, std::io::stdout().is_terminal(), std::io::stdout, telemetry.layer());
    if let Some(error) = refused {
        tracing::warn!(event = "telemetry.refused", %error, "traces and measurements cannot be sent; going on without");
    }
    telemetry
}

/// Whether traces and measurements are sent to a collector.
pub(crate) fn collector_is_named() -> bool {
    !std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_default().is_empty()
}

/// JSON lines alone, to this writer: for tests that read them.
pub fn start_lines<W>(service: &'static str, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    begin(service, false, writer, None);
}

/// Logs alone, on standard error: for commands whose standard output is their result. `more` is added to the filter.
pub fn start_on_stderr(service: &'static str, more: Option<&'static str>) {
    begin_filtered(service, std::io::stderr().is_terminal(), std::io::stderr, None, more);
}

fn begin<W>(service: &'static str, on_terminal: bool, writer: W, traces: Option<Box<dyn Layer<Registry> + Send + Sync>>)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    begin_filtered(service, on_terminal, writer, traces, None);
}

fn begin_filtered<W>(
    service: &'static str,
    on_terminal: bool,
    writer: W,
    traces: Option<Box<dyn Layer<Registry> + Send + Sync>>,
    more: Option<&'static str>,
) where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, refused) = match EnvFilter::try_new(if wanted.is_empty() { DEFAULT_FILTER } else { &wanted }) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT_FILTER), Some(error)),
    };
    let filter = match more.map(str::parse::<Directive>) {
        Some(Ok(directive)) => filter.add_directive(directive),
        _ => filter,
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
        tracing::warn!(event = "telemetry.filter.refused", %error, "RUST_LOG cannot be read; logging at info");
    }
}

/// One JSON object per line: time, level, service, target, message, the trace, the spans' fields and the event's own.
///
/// In a process with several services the line belongs to the service whose crate wrote it, else to the one whose span
/// it was written in; a line of the process itself, and of a library outside of any span, to the process.
struct Lines {
    service: &'static str,
}

/// The `event` of lines that a library writes, which name none.
const LIBRARY_EVENT: &str = "library.line";

/// The service that a module belongs to, if it is the module of one.
fn service_of(target: &str) -> Option<&'static str> {
    match target.split("::").next()? {
        "chain_ingestor" | "ingest_domain" => Some("chain-ingestor"),
        "metrics" | "metrics_domain" => Some("metrics"),
        "portfolio" | "portfolio_domain" => Some("portfolio"),
        "api" | "api_domain" => Some("api"),
        _ => None,
    }
}

/// Ids of the trace and the span that a line is written in, where traces are taken.
fn trace_and_span(target: &str) -> Option<(String, String)> {
    // What takes the traces writes lines while it holds them.
    let sent = (!target.starts_with("opentelemetry")).then(traceparent)??;
    let mut parts = sent.split('-').skip(1).map(str::to_owned);
    Some((parts.next()?, parts.next()?))
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
        let target = event.metadata().target();
        line.insert("target".to_owned(), target.into());
        line.insert("event".to_owned(), LIBRARY_EVENT.into());
        if let Some((trace, span)) = trace_and_span(target) {
            line.insert("traceId".to_owned(), trace.into());
            line.insert("spanId".to_owned(), span.into());
        }
        let mut of_span = None;
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            of_span = service_of(span.metadata().target()).or(of_span);
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            if let Ok(Value::Object(fields)) = serde_json::from_str(fields) {
                line.extend(fields);
            }
        }
        if let Some(service) = service_of(target).or_else(|| of_span.filter(|_| !line.contains_key("service"))) {
            line.insert("service".to_owned(), service.into());
        }
        line.entry("service").or_insert_with(|| self.service.into());
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

    /// The lines that a process of this name writes meanwhile.
    fn lines_of(service: &'static str, write: impl FnOnce()) -> Vec<Value> {
        let memory = Memory::default();
        let writer = memory.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(Lines { service })
            .finish();
        tracing::subscriber::with_default(logs, write);
        let bytes = memory.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_one_object_with_service_message_and_fields() {
        let lines = lines_of("metrics", || {
            let _span = tracing::info_span!("store.step.commit", chain.id = "mock").entered();
            tracing::warn!(event = "metrics.updated", count = 3, "a \"quoted\"\nmessage");
        });
        let [line] = &*lines else { panic!("{lines:?}") };
        for (key, expected) in [
            ("service", Value::from("metrics")),
            ("level", "warn".into()),
            ("message", "a \"quoted\"\nmessage".into()),
            ("chain.id", "mock".into()),
            ("event", "metrics.updated".into()),
            ("count", 3.into()),
        ] {
            assert_eq!(line[key], expected, "{line}");
        }
    }

    #[test]
    fn in_one_process_each_line_belongs_to_the_service_that_wrote_it() {
        let lines = lines_of("chaintape", || {
            tracing::info!(target: "chain_ingestor::tape", event = "step.published", "of a service");
            tracing::info!(target: "tape_log::guard", event = "tape.noted", service = "portfolio", "it says itself");
            tracing::info!(target: "sqlx::query", "of a library, outside of any span");
            let _span = tracing::info_span!(target: "metrics::retry", "store.facts.commit").entered();
            tracing::info!(target: "sqlx::query", "of a library, in the span of a service");
            tracing::info!(target: "api::live", event = "api.stopped", "of another service");
        });
        let said = |line: &Value| ["service", "event"].map(|key| line[key].as_str().unwrap_or_default().to_owned());
        let expected = [
            ["chain-ingestor", "step.published"],
            ["portfolio", "tape.noted"],
            ["chaintape", LIBRARY_EVENT],
            ["metrics", LIBRARY_EVENT],
            ["api", "api.stopped"],
        ];
        assert_eq!(lines.iter().map(said).collect::<Vec<_>>(), expected.map(|pair| pair.map(str::to_owned)));
    }
}
