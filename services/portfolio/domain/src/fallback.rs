//! Several providers, asked in order: the first that returns a snapshot is used.

use crate::ports::{Provider, ProviderError};
use crate::snapshot::Snapshot;
use crate::wallet::Wallet;

/// A snapshot, and which provider returned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvidedSnapshot {
    /// The provider.
    pub provider: &'static str,
    /// Everything the wallet holds.
    pub snapshot: Snapshot,
    /// How many providers were asked before it and failed.
    pub failed_before: usize,
}

/// Asks one provider after the other. When all of them fail, the error with the best prospects is returned: as long as
/// one provider may succeed later, the wallet is not given up.
pub async fn snapshot_from_first(
    providers: &[impl Provider],
    wallet: &Wallet,
) -> Result<ProvidedSnapshot, ProviderError> {
    let mut errors = vec![];
    for (failed_before, provider) in providers.iter().enumerate() {
        match provider.snapshot(wallet).await {
            Ok(snapshot) => return Ok(ProvidedSnapshot { provider: provider.name(), snapshot, failed_before }),
            Err(error) => errors.push(error),
        }
    }
    let best_prospects = errors.into_iter().min_by_key(retry_rank);
    Err(best_prospects.unwrap_or_else(|| ProviderError::UnknownChain(wallet.chain.to_string())))
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

    fn ask_providers(results: Vec<Result<Snapshot, ProviderError>>) -> Result<ProvidedSnapshot, ProviderError> {
        let names = ["first", "second", "third"];
        let providers: Vec<ScriptedProvider> = names
            .into_iter()
            .zip(results)
            .map(|(name, result)| ScriptedProvider(name, Mutex::new(RefCell::new(Some(result)))))
            .collect();
        let wallet = Wallet::new("chain", "address");
        let asked = pin!(snapshot_from_first(&providers, &wallet));
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
        assert!(matches!(ask_providers(vec![]), Err(ProviderError::UnknownChain(_))));
    }
}
