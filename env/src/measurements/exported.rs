//! Measurements on OpenTelemetry's SDK, with the exporters that this process wants.

use crate::telemetry::collector_is_named;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The measurements of one service. Clones share them.
#[derive(Clone, Debug)]
pub struct Measurements {
    service: &'static str,
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Measurements {
    /// Those of a service, none yet.
    pub fn of(service: &'static str) -> Self {
        let registry = Registry::new();
        let resource = Resource::builder().with_service_name(service).build();
        let mut provider = SdkMeterProvider::builder().with_resource(resource);
        let for_prometheus = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        match for_prometheus.without_target_info().scope_info_enabled(false).build() {
            Ok(reader) => provider = provider.with_reader(reader),
            Err(error) => refused(&error),
        }
        if collector_is_named() {
            crate::install_crypto();
            match MetricExporter::builder().with_http().build() {
                Ok(exporter) => provider = provider.with_periodic_exporter(exporter),
                Err(error) => refused(&error),
            }
        }
        Self { service, provider: provider.build(), registry }
    }

    /// Makes instruments.
    pub fn meter(&self) -> Meter {
        self.provider.meter(self.service)
    }

    /// Whose they are.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// All of them as they are now, in the text format of Prometheus.
    pub fn text(&self) -> String {
        self.text_with([])
    }

    /// The same, together with those of other services of this process.
    pub fn text_with<'a>(&'a self, others: impl IntoIterator<Item = &'a Self>) -> String {
        let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
        let all = [self].into_iter().chain(others);
        for mut family in all.flat_map(|measurements| measurements.registry.gather()) {
            match families.entry(family.name().to_owned()) {
                Entry::Vacant(place) => drop(place.insert(family)),
                Entry::Occupied(mut place) => place.get_mut().mut_metric().extend(family.take_metric()),
            }
        }
        let families: Vec<MetricFamily> = families.into_values().collect();
        TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
            tracing::warn!(event = "measurements.unreadable", %error, "measurements cannot be written as text");
            String::new()
        })
    }
}

fn refused(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(event = "measurements.refused", error, "measurements cannot be exported; going on without");
}
