//! How fast a provider may be asked: slower after each refusal, faster again after successes, and not at all in a pause.
//!
//! Pure: times are handed in. The rate halves with a refusal and grows by a twentieth of the configured one with a success
//! (AIMD), so that it settles at what the provider lets through, whatever was configured. A refusal pauses all requests: as
//! long as the provider says, and at least for a time that doubles with each refusal in a row, because providers say
//! nothing, `0`, or a time that is over.

use crate::settings::RequestRate;
use environment::TokenBucket;
use std::time::Duration;

/// The first pause after a success, and the shortest at all.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, whatever the provider says.
pub(super) const MAX_PAUSE: Duration = Duration::from_mins(10);
/// The configured rate, in the unit of what is in force of it.
const FULL_SHARE: u32 = 1000;
/// The slowest rate: a sixty-fourth of the configured one.
const MIN_SHARE: u32 = FULL_SHARE / 64;
/// What a success adds.
const SHARE_STEP: u32 = FULL_SHARE / 20;

/// The pace of the requests to one provider. All times are since one fixed moment.
#[derive(Debug)]
pub(super) struct Pace {
    configured: RequestRate,
    share: u32,
    bucket: TokenBucket,
    paused_until: Duration,
    /// When the newest refusal arrived: what was sent before belongs to it.
    refused_at: Duration,
    refusals_in_a_row: u32,
}

impl Pace {
    /// Requests at this rate, and one second's worth of them at once after a rest.
    pub(super) fn new(configured: RequestRate) -> Self {
        let (bucket, never) = (TokenBucket::default(), Duration::ZERO);
        Self { configured, share: FULL_SHARE, bucket, paused_until: never, refused_at: never, refusals_in_a_row: 0 }
    }

    /// How long the pause still lasts; zero without one.
    pub(super) fn pause_left(&self, now: Duration) -> Duration {
        self.paused_until.saturating_sub(now)
    }

    /// Takes a turn, and says how long to wait for it.
    pub(super) fn reserve(&mut self, now: Duration) -> Duration {
        let rate =
            if self.share == FULL_SHARE { self.configured.rate() } else { self.configured.slowed_to(self.share) };
        self.bucket.reserve(rate, now, 1)
    }

    /// The provider refused a request because of the rate; returns how long the pause lasts. `asked` is what the provider
    /// asks for. Requests that were sent before the newest refusal arrived are of the same wave and add nothing.
    pub(super) fn refused(&mut self, sent_at: Duration, now: Duration, asked: Option<Duration>) -> Duration {
        let mut pause = asked.unwrap_or_default().clamp(MIN_PAUSE, MAX_PAUSE);
        if self.refusals_in_a_row == 0 || sent_at > self.refused_at {
            let grown = MIN_PAUSE.saturating_mul(1 << self.refusals_in_a_row.min(16));
            pause = pause.max(grown.min(MAX_PAUSE));
            self.refusals_in_a_row = self.refusals_in_a_row.saturating_add(1);
            self.share = (self.share / 2).max(MIN_SHARE);
            self.refused_at = now;
        }
        self.paused_until = self.paused_until.max(now.saturating_add(pause));
        self.bucket.pause_until(self.paused_until);
        self.pause_left(now)
    }

    /// The provider answered a request.
    pub(super) fn answered(&mut self, sent_at: Duration) {
        if sent_at >= self.paused_until {
            self.refusals_in_a_row = 0;
            self.share = (self.share + SHARE_STEP).min(FULL_SHARE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pace(per_second: u64) -> Pace {
        Pace::new(RequestRate { per_1000s: per_second * 1000 })
    }

    #[test]
    fn pauses_grow_whatever_the_provider_asks_for_and_begin_anew_after_an_answer() {
        for asked in [None, Some(Duration::ZERO), Some(Duration::from_millis(300)), Some(seconds(1))] {
            let (mut pace, mut now) = (pace(5), START);
            let mut pauses = vec![];
            for _ in 0..12 {
                let pause = pace.refused(now, now, asked);
                pauses.push(pause.as_secs());
                now += pause;
            }
            assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600], "{asked:?}");
            pace.answered(now);
            assert_eq!(pace.refused(now, now, asked), seconds(1), "{asked:?}");
        }
        assert_eq!(pace(5).refused(START, START, Some(seconds(7))), seconds(7), "as long as it asks for");
        assert_eq!(pace(5).refused(START, START, Some(seconds(86_400))), MAX_PAUSE);
    }

    #[test]
    fn refusals_of_requests_that_were_under_way_count_once() {
        let mut pace = pace(5);
        let sent: Vec<Duration> = (0..4).map(|number| START + Duration::from_millis(number)).collect();
        let arrived = START + Duration::from_millis(50);
        for sent in sent {
            pace.refused(sent, arrived, None);
        }
        assert_eq!(pace.pause_left(arrived), seconds(1));
        pace.answered(START);
        let again = arrived + seconds(1);
        assert_eq!(pace.refused(again, again, None), seconds(2), "an answer to what was sent before is no success");
    }

    #[test]
    fn nothing_passes_in_a_pause_and_what_follows_passes_at_half_the_rate() {
        let mut pace = pace(10);
        assert_eq!(pace.reserve(START), Duration::ZERO);
        pace.refused(START, START, None);
        assert_eq!(pace.reserve(START), seconds(1));
        assert_eq!(pace.reserve(START + seconds(1)), Duration::from_millis(200));
    }

    #[test]
    fn the_rate_comes_back_with_answers() {
        let mut pace = pace(10);
        pace.refused(START, START, None);
        let mut now = START + seconds(1);
        let mut answers = 0;
        while pace.share < FULL_SHARE {
            now += pace.reserve(now);
            pace.answered(now);
            answers += 1;
        }
        assert_eq!(answers, 10);
        for _ in 0..100 {
            pace.refused(now + seconds(1), now + seconds(2), None);
        }
        assert!(pace.share >= MIN_SHARE && pace.share < FULL_SHARE);
    }
}
