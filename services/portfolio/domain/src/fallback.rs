//! Several providers, in the order in which they are asked: the first that tells is believed.

use crate::ports::{Provider, ProviderError};
use crate::snapshot::Snapshot;
use crate::wallet::Wallet;

/// What a wallet holds, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The provider.
    pub by: &'static str,
    /// Everything the wallet holds.
    pub snapshot: Snapshot,
    /// Providers that were asked before and did not tell.
    pub after: usize,
}

/// Asks one provider after the other. When none tells, the most hopeful of their reasons stands for all: as long as one
/// of them may tell later, the wallet is not given up.
pub async fn ask(providers: &[impl Provider], wallet: &Wallet) -> Result<Told, ProviderError> {
    let mut reasons = vec![];
    for (after, provider) in providers.iter().enumerate() {
        match provider.snapshot(wallet).await {
            Ok(snapshot) => return Ok(Told { by: provider.name(), snapshot, after }),
            Err(why) => reasons.push(why),
        }
    }
    let most_hopeful = reasons.into_iter().min_by_key(despair);
    Err(most_hopeful.unwrap_or_else(|| ProviderError::UnknownChain(wallet.chain.to_string())))
}

/// How little can be expected of asking again.
fn despair(why: &ProviderError) -> u64 {
    match why {
        // The sooner, the more hopeful.
        ProviderError::Limited { after_ms } => after_ms.unwrap_or(0).min(u64::MAX - 8),
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

    struct Scripted(&'static str, Mutex<RefCell<Option<Result<Snapshot, ProviderError>>>>);

    impl Provider for Scripted {
        fn name(&self) -> &'static str {
            self.0
        }

        async fn snapshot(&self, _: &Wallet) -> Result<Snapshot, ProviderError> {
            self.1.lock().unwrap().take().unwrap()
        }
    }

    fn asked(answers: Vec<Result<Snapshot, ProviderError>>) -> Result<Told, ProviderError> {
        let names = ["first", "second", "third"];
        let providers: Vec<Scripted> = names
            .into_iter()
            .zip(answers)
            .map(|(name, one)| Scripted(name, Mutex::new(RefCell::new(Some(one)))))
            .collect();
        let wallet = Wallet::new("chain", "address");
        let answer = pin!(ask(&providers, &wallet));
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("nothing in it waits"),
        }
    }

    fn limited(after_ms: u64) -> Result<Snapshot, ProviderError> {
        Err(ProviderError::Limited { after_ms: Some(after_ms) })
    }

    #[test]
    fn the_first_that_tells_is_believed() {
        let told = asked(vec![limited(5), Ok(Snapshot::default()), Ok(Snapshot::default())]).unwrap();
        assert_eq!((told.by, told.after), ("second", 1));
    }

    #[test]
    fn the_most_hopeful_reason_stands_for_all() {
        let rejected = || Err(ProviderError::Rejected("no".to_owned()));
        let denied = || Err(ProviderError::Denied("key".to_owned()));
        let sooner = asked(vec![limited(900), rejected(), limited(20)]).unwrap_err();
        assert!(matches!(sooner, ProviderError::Limited { after_ms: Some(20) }), "{sooner:?}");
        assert!(matches!(asked(vec![rejected(), denied()]), Err(ProviderError::Denied(_))));
        assert!(matches!(asked(vec![rejected(), rejected()]), Err(ProviderError::Rejected(_))));
        assert!(matches!(asked(vec![]), Err(ProviderError::UnknownChain(_))));
    }
}
