//! The throttle of one provider: all requests wait for it, and it learns from what comes back.

use super::pace::Pace;
use crate::settings::RequestRate;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a request waits for the end of a pause; in a longer one it fails, so that a wallet may be asked for elsewhere.
const MAX_AWAITED_PAUSE: Duration = Duration::from_secs(2);

/// Lets requests to one provider through at its pace.
#[derive(Debug)]
pub struct Throttle {
    pace: Mutex<Pace>,
    started: Instant,
}

/// A request was let through at this time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(Duration);

impl Throttle {
    /// A throttle that begins at this rate.
    pub fn new(rate: RequestRate) -> Self {
        Self { pace: Mutex::new(Pace::new(rate)), started: Instant::now() }
    }

    /// Waits until a request may be sent. The error is how long a pause still lasts.
    pub(super) async fn take_turn(&self) -> Result<Turn, Duration> {
        loop {
            let wait = {
                let mut pace = self.pace();
                let pause = pace.pause_left(self.started.elapsed());
                if pause > MAX_AWAITED_PAUSE {
                    return Err(pause);
                }
                pace.reserve(self.started.elapsed())
            };
            tokio::time::sleep(wait).await;
            // A pause may have begun meanwhile.
            let now = self.started.elapsed();
            if self.pace().pause_left(now).is_zero() {
                return Ok(Turn(now));
            }
        }
    }

    /// The provider refused a request because of the rate; returns how long the pause lasts.
    pub(super) fn refused(&self, turn: Turn, asked: Option<Duration>) -> Duration {
        self.pace().refused(turn.0, self.started.elapsed(), asked)
    }

    /// The provider answered a request.
    pub(super) fn answered(&self, turn: Turn) {
        self.pace().answered(turn.0);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Every change of the pace is a few numbers: no panic leaves it half-written.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_waited_for_its_turn_does_not_run_into_a_pause() {
        let throttle = Throttle::new(RequestRate { per_1000s: 1000 });
        let first = throttle.take_turn().await.unwrap();
        let (second, ()) = tokio::join!(throttle.take_turn(), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            throttle.refused(first, None);
        });
        assert!(second.unwrap().0 >= Duration::from_millis(1_400), "{second:?}");
        throttle.refused(second.unwrap(), Some(Duration::from_mins(1)));
        let left = throttle.take_turn().await.unwrap_err();
        assert!(left > Duration::from_secs(55), "a long pause is not waited for: {left:?}");
    }
}
