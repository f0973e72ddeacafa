//! Trying again until something outside works: the one retry loop of the workspace.

use crate::Backoff;
use std::future::Future;
use std::time::Duration;

/// Calls `attempt` until it succeeds and returns what it answered. After each failure `failed` receives the error and
/// the time until the next attempt, to log it and to mark what is waited for.
///
/// It never gives up. To stop it with the process, wrap it in [`Shutdown::or_stop`](crate::Shutdown::or_stop).
pub async fn retry<T, E, F>(
    mut backoff: Backoff,
    mut attempt: impl FnMut() -> F,
    mut failed: impl FnMut(&E, Duration),
) -> T
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(error) => {
                let wait = backoff.next();
                failed(&error, wait);
                tokio::time::sleep(wait).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shutdown;

    const BACKOFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(4));

    #[tokio::test]
    async fn failures_are_reported_until_an_attempt_succeeds() {
        let (mut attempts, mut failures) = (0, vec![]);
        let attempt = || {
            attempts += 1;
            std::future::ready(if attempts < 4 { Err(attempts) } else { Ok(attempts) })
        };
        let answer = retry(Backoff::new(BACKOFF.0, BACKOFF.1), attempt, |error: &u32, wait| {
            assert!(wait <= BACKOFF.1);
            failures.push(*error);
        });
        assert_eq!(answer.await, 4);
        assert_eq!(failures, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_stop_of_the_process_ends_it() {
        let shutdown = Shutdown::default();
        let attempt = || std::future::ready(Err::<(), _>("no broker"));
        let endless = retry(Backoff::new(BACKOFF.0, BACKOFF.1), attempt, |_, _| shutdown.trigger());
        assert_eq!(shutdown.or_stop(endless).await, None);
    }
}
