//! A provider whose calls are measured: how long each took, and how it ended.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use portfolio_domain::{Provider, ProviderError, Snapshot, Wallet};
use std::time::Instant;

/// Upper bounds of the buckets for times; a call may be given up after 20 seconds.
const CALL_BOUNDARIES: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];

/// A provider and the measurement of its calls.
pub(crate) struct MeasuredProvider<P> {
    inner: P,
    calls: Histogram<f64>,
}

impl<P> MeasuredProvider<P> {
    pub(crate) fn new(inner: P, meter: &Meter) -> Self {
        let calls = meter.f64_histogram("chaintape.provider.call").with_unit("s");
        let calls = calls.with_description("How long a provider took to tell a wallet's balances, or not to.");
        Self { inner, calls: calls.with_boundaries(CALL_BOUNDARIES.to_vec()).build() }
    }
}

impl<P: Provider> Provider for MeasuredProvider<P> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn snapshot(&self, wallet: &Wallet) -> Result<Snapshot, ProviderError> {
        let begun = Instant::now();
        let told = self.inner.snapshot(wallet).await;
        let labels = [KeyValue::new("provider", self.name()), KeyValue::new("outcome", outcome(&told))];
        self.calls.record(begun.elapsed().as_secs_f64(), &labels);
        told
    }
}

fn outcome(told: &Result<Snapshot, ProviderError>) -> &'static str {
    match told {
        Ok(_) => "ok",
        Err(ProviderError::UnknownChain(_)) => "unknown-chain",
        Err(ProviderError::Limited { .. }) => "limited",
        Err(ProviderError::Denied(_)) => "denied",
        Err(ProviderError::Rejected(_)) => "rejected",
        Err(ProviderError::Malformed(_)) => "malformed",
        Err(ProviderError::Unavailable(_)) => "unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use environment::Measurements;

    struct Telling(fn() -> Result<Snapshot, ProviderError>);

    impl Provider for Telling {
        fn name(&self) -> &'static str {
            "telling"
        }

        async fn snapshot(&self, _: &Wallet) -> Result<Snapshot, ProviderError> {
            (self.0)()
        }
    }

    #[tokio::test]
    async fn each_call_is_measured_by_its_outcome() {
        let measurements = Measurements::of("portfolio");
        let wallet = Wallet::new("mock", "0xa");
        let answers: [fn() -> Result<Snapshot, ProviderError>; 3] =
            [|| Ok(Snapshot::default()), || Ok(Snapshot::default()), || Err(ProviderError::Limited { after_ms: 5 })];
        for answer in answers {
            let provider = MeasuredProvider::new(Telling(answer), &measurements.meter());
            drop(provider.snapshot(&wallet).await);
        }
        let text = measurements.text();
        for (outcome, count) in [("ok", 2), ("limited", 1)] {
            let line =
                format!("chaintape_provider_call_seconds_count{{outcome=\"{outcome}\",provider=\"telling\"}} {count}");
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}
