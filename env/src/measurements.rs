//! What one service measures of itself: for Prometheus to read at `/metrics`, and where `OTEL_EXPORTER_OTLP_ENDPOINT` is
//! set sent by OTLP too.
//!
//! Names are dotted, as OpenTelemetry has them; for Prometheus `chaintape.outbox.age` in seconds is
//! `chaintape_outbox_age_seconds`, and a counter ends in `_total`.

#[cfg(feature = "otlp")]
mod exported;
#[cfg(not(feature = "otlp"))]
#[path = "measurements/without_otlp.rs"]
mod exported;

pub use exported::Measurements;

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;

    #[test]
    fn measurements_read_as_prometheus_writes_them() {
        let measurements = Measurements::of("metrics");
        let meter = measurements.meter();
        let label = |value: &'static str| [KeyValue::new("outcome", value)];
        meter.u64_counter("chaintape.calls").with_description("Calls made.").build().add(2, &label("ok"));
        let age = meter.u64_observable_gauge("chaintape.age").with_unit("s");
        let _age = age.with_callback(|observer| observer.observe(7, &[])).build();
        let sizes = meter.u64_histogram("chaintape.size").with_boundaries(vec![1.0, 10.0]).build();
        sizes.record(4, &[]);
        let text = measurements.text();
        for line in [
            "# HELP chaintape_calls_total Calls made.",
            "chaintape_calls_total{outcome=\"ok\"} 2",
            "chaintape_age_seconds 7",
            "chaintape_size_bucket{le=\"1\"} 0",
            "chaintape_size_bucket{le=\"10\"} 1",
            "chaintape_size_count 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn each_service_of_a_process_has_its_own() {
        let (one, other) = (Measurements::of("metrics"), Measurements::of("portfolio"));
        one.meter().u64_counter("chaintape.calls").build().add(1, &[]);
        assert!(one.text().contains("chaintape_calls_total"));
        assert_eq!(other.text(), "");
        other.meter().u64_counter("chaintape.calls").build().add(2, &[KeyValue::new("service", "portfolio")]);
        let both = one.text_with([&other]);
        assert_eq!(both.lines().filter(|line| line.starts_with("# TYPE")).count(), 1, "{both}");
        for line in ["chaintape_calls_total 1", "chaintape_calls_total{service=\"portfolio\"} 2"] {
            assert!(both.lines().any(|shown| shown == line), "{line} is not in\n{both}");
        }
    }
}
