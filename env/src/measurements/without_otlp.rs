//! Measurements of a binary that was built without OpenTelemetry: none.

use opentelemetry::metrics::Meter;

/// No measurements.
#[derive(Clone, Copy, Debug)]
pub struct Measurements(&'static str);

impl Measurements {
    /// Those of a service: none.
    pub fn of(service: &'static str) -> Self {
        Self(service)
    }

    /// Makes instruments that measure nothing.
    pub fn meter(&self) -> Meter {
        opentelemetry::global::meter(self.0)
    }

    /// Whose they are.
    pub fn service(&self) -> &'static str {
        self.0
    }

    /// No text.
    pub fn text(&self) -> String {
        self.text_with([])
    }

    /// No text.
    #[expect(clippy::unused_self, reason = "the same function as that of the exporter")]
    pub fn text_with<'a>(&'a self, _others: impl IntoIterator<Item = &'a Self>) -> String {
        String::new()
    }
}
