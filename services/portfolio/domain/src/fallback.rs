//! Several providers, asked in order: the first that returns a snapshot is used. Those whose circuit rests are passed over.

use crate::circuit::Circuits;
use crate::ports::{Clock, Provider, ProviderError};
use crate::snapshot::Snapshot;
use crate::wallet::Wallet;

/// A snapshot, and which provider returned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvidedSnapshot {
    /// The provider.
    pub provider: &'static str,
    /// Everything the wallet holds.
    pub snapshot: Snapshot,
    /// How many providers before it failed or were passed over.
    pub failed_before: usize,
}

/// Asks one provider after the other. When all of them fail, the error with the best prospects is returned: as long as
/// one provider may succeed later, the wallet is not given up.
pub async fn snapshot_from_first(
    providers: &[impl Provider],
    wallet: &Wallet,
    circuits: &Circuits,
    clock: &impl Clock,
) -> Result<ProvidedSnapshot, ProviderError> {
    let mut errors = vec![];
    for (failed_before, provider) in providers.iter().enumerate() {
        let (name, asked_at) = (provider.name(), clock.now_ms());
        if !circuits.take_turn(name, &wallet.chain, asked_at) {
            continue;
        }
        match provider.snapshot(wallet).await {
            Ok(snapshot) => {
                circuits.answered(name, &wallet.chain);
                return Ok(ProvidedSnapshot { provider: name, snapshot, failed_before });
            }
            Err(error) => {
                let now = clock.now_ms();
                circuits.failed(name, wallet, &error, now, now.saturating_sub(asked_at));
                errors.push(error);
            }
        }
    }
    // Where all were passed over, another worker took the turn since the wallet was taken.
    let best_prospects = errors.into_iter().min_by_key(retry_rank);
    Err(best_prospects.unwrap_or(ProviderError::Limited { after_ms: 0 }))
}

/// Orders errors by what a retry can be expected to bring: the lower, the sooner it may succeed.
fn retry_rank(error: &ProviderError) -> u64 {
    match error {
        ProviderError::Limited { after_ms } => (*after_ms).min(u64::MAX - 8),
        ProviderError::Unavailable(_) => u64::MAX - 4,
        ProviderError::Malformed(_) => u64::MAX - 3,
        ProviderError::UnknownChain(_) => u64::MAX - 2,
        ProviderError::Denied(_) => u64::MAX - 1,
        ProviderError::Rejected(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    struct ScriptedProvider(&'static str, Mutex<RefCell<Option<Result<Snapshot, ProviderError>>>>);

    impl Provider for ScriptedProvider {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn snapshot(&self, _: &Wallet) -> Result<Snapshot, ProviderError> {
            self.1.lock().unwrap().take().unwrap()
        }
    }

    struct StandingClock;

    impl Clock for StandingClock {
        fn now_ms(&self) -> u64 {
            0
        }

        fn draw(&self, bound: u64) -> u64 {
            bound
        }
    }

    fn ask_providers(results: Vec<Result<Snapshot, ProviderError>>) -> Result<ProvidedSnapshot, ProviderError> {
        let names = ["first", "second", "third"];
        let providers: Vec<ScriptedProvider> = names
            .into_iter()
            .zip(results)
            .map(|(name, result)| ScriptedProvider(name, Mutex::new(RefCell::new(Some(result)))))
            .collect();
        let wallet = Wallet::new("chain", "address");
        let circuits = Circuits::default();
        let asked = pin!(snapshot_from_first(&providers, &wallet, &circuits, &StandingClock));
        match asked.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("scripted providers never wait"),
        }
    }

    fn limited(after_ms: u64) -> Result<Snapshot, ProviderError> {
        Err(ProviderError::Limited { after_ms })
    }

    #[test]
    fn the_first_snapshot_is_used() {
        let provided = ask_providers(vec![limited(5), Ok(Snapshot::default()), Ok(Snapshot::default())]).unwrap();
        assert_eq!((provided.provider, provided.failed_before), ("second", 1));
    }

    #[test]
    fn when_all_fail_the_error_with_the_best_prospects_is_returned() {
        let rejected = || Err(ProviderError::Rejected("no".to_owned()));
        let denied = || Err(ProviderError::Denied("key".to_owned()));
        let sooner = ask_providers(vec![limited(900), rejected(), limited(20)]).unwrap_err();
        assert!(matches!(sooner, ProviderError::Limited { after_ms: 20 }), "{sooner:?}");
        assert!(matches!(ask_providers(vec![rejected(), denied()]), Err(ProviderError::Denied(_))));
        assert!(matches!(ask_providers(vec![rejected(), rejected()]), Err(ProviderError::Rejected(_))));
    }

    #[test]
    fn a_provider_whose_circuit_rests_is_passed_over() {
        let circuits = Circuits::default();
        circuits.failed("first", &Wallet::new("chain", "other"), &limited(1).unwrap_err(), 0, 0);
        let scripted = |name, result| ScriptedProvider(name, Mutex::new(RefCell::new(result)));
        let providers = [scripted("first", None), scripted("second", Some(Ok(Snapshot::default())))];
        let wallet = Wallet::new("chain", "address");
        let asked = pin!(snapshot_from_first(&providers, &wallet, &circuits, &StandingClock));
        let Poll::Ready(provided) = asked.poll(&mut Context::from_waker(Waker::noop())) else { panic!("waits") };
        let provided = provided.unwrap();
        assert_eq!((provided.provider, provided.failed_before), ("second", 1));
    }
}
