//! Emptying an outbox: messages that a service committed beside its tables leave for the log, at least once, soon after.
//!
//! Each message is a state with its place in the log, so a reader keeps the newest whatever arrives twice.

use environment::Backoff;
use std::future::Future;
use std::time::Duration;
use tape::Unavailable;
use tokio::sync::Notify;

/// Longest time between two looks at an empty outbox: a process that died may have left messages behind.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What one look at the outbox came to.
#[derive(Debug)]
pub enum Drained {
    /// So many messages were published and forgotten; none when the outbox was empty.
    Published(usize),
    /// They are still there and will be tried again.
    Delayed(Unavailable),
}

/// Publishes what waits, whenever `written` is notified and at least every second. `drain` publishes the oldest messages,
/// forgets them once they are in the log and says how many there were; `report` receives the result of each look. Never ends.
pub async fn drain_outbox<F>(
    written: &Notify,
    mut backoff: Backoff,
    mut drain: impl FnMut() -> F,
    mut report: impl FnMut(Drained),
) where
    F: Future<Output = Result<usize, Unavailable>>,
{
    loop {
        match drain().await {
            Ok(count) => {
                backoff.reset();
                report(Drained::Published(count));
                if count == 0 {
                    // Either way it is time to look again.
                    let _ = tokio::time::timeout(LOOK_AGAIN, written.notified()).await;
                }
            }
            Err(error) => {
                report(Drained::Delayed(error));
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}
