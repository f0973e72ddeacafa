//! Traces and measurements to an OpenTelemetry collector, by OTLP over HTTP: where `OTEL_EXPORTER_OTLP_ENDPOINT` says.
//!
//! The other `OTEL_…` variables mean what OpenTelemetry says they mean: headers, timeouts, sampling, how often
//! measurements leave. They are read from the process environment alone, as every OpenTelemetry SDK does.

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, Registry};

/// What sends traces and measurements; dropped, it sends what it still has and ends.
#[must_use = "what is dropped sends no more"]
#[derive(Debug, Default)]
pub struct Telemetry(Option<Providers>);

#[derive(Debug)]
struct Providers {
    service: &'static str,
    traces: SdkTracerProvider,
    measurements: SdkMeterProvider,
}

impl Telemetry {
    /// Begins, if a collector is named; with the error where it cannot.
    pub(super) fn begin(service: &'static str) -> (Self, Option<ExporterBuildError>) {
        if !super::collector_is_named() {
            return (Self(None), None);
        }
        crate::install_crypto();
        match Providers::build(service) {
            Ok(providers) => {
                opentelemetry::global::set_meter_provider(providers.measurements.clone());
                (Self(Some(providers)), None)
            }
            Err(error) => (Self(None), Some(error)),
        }
    }

    /// Turns spans into traces.
    pub(super) fn layer(&self) -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
        let Providers { service, traces, .. } = self.0.as_ref()?;
        Some(tracing_opentelemetry::layer().with_tracer(traces.tracer(*service)).boxed())
    }
}

impl Providers {
    fn build(service: &'static str) -> Result<Self, ExporterBuildError> {
        let resource = || Resource::builder().with_service_name(service).build();
        let spans = SpanExporter::builder().with_http().build()?;
        let figures = MetricExporter::builder().with_http().build()?;
        let traces = SdkTracerProvider::builder().with_batch_exporter(spans).with_resource(resource()).build();
        let measurements =
            SdkMeterProvider::builder().with_periodic_exporter(figures).with_resource(resource()).build();
        Ok(Self { service, traces, measurements })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some(Providers { traces, measurements, .. }) = self.0.take() else { return };
        for ended in [traces.shutdown(), measurements.shutdown()] {
            if let Err(error) = ended {
                tracing::warn!(event = "telemetry.unsent", %error, "the last traces or measurements were not sent");
            }
        }
    }
}

/// The trace that this moment belongs to, as W3C's `traceparent`; none where no traces are taken.
pub fn traceparent() -> Option<String> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    let text = || format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    span.is_valid().then(text)
}

/// Makes a span that has not begun part of the trace that a `traceparent` names. It comes from outside: a malformed one
/// is ignored.
pub fn continued(span: Span, traceparent: Option<&str>) -> Span {
    let Some(sent) = traceparent else { return span };
    let headers = HashMap::from([("traceparent".to_owned(), sent.to_owned())]);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    if parent.span().span_context().is_valid() {
        // Where no traces are taken there is nothing to be part of.
        let _ = span.set_parent(parent);
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace_of(span: &Span) -> String {
        span.in_scope(traceparent).expect("traces are taken").split('-').nth(1).unwrap().to_owned()
    }

    #[test]
    fn a_span_continues_the_trace_that_it_is_sent() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            let outer = tracing::info_span!("outer");
            outer.in_scope(|| {
                let inner = |sent| trace_of(&continued(tracing::info_span!("inner"), sent));
                assert_eq!(inner(Some(SENT)), "0af7651916cd43dd8448eb211c80319c");
                for none in [None, Some(""), Some("00-0-0-01"), Some("00-0af7651916cd43dd8448eb211c80319c"), Some("é")]
                {
                    assert_eq!(inner(none), trace_of(&outer), "{none:?}");
                }
            });
        });
    }

    #[test]
    fn where_no_traces_are_taken_none_is_continued() {
        let span = continued(tracing::info_span!("alone"), Some(SENT));
        assert_eq!(span.in_scope(traceparent), None);
    }
}
