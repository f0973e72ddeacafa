//! Lateness: a snapshot of a height below the wallet's newest trade does not show that trade yet.
//!
//! It is stored and shown with its height, and the wallet is asked for again, twice at most. Heights are only compared where
//! the provider counts as the tape does: a number that never moves, whichever wallet is asked for, is no head.

use crate::circuit::Circuits;
use crate::ports::{Clock, Job, Postponement};

/// How long a wallet waits until it is asked for again, the first time and the second, in milliseconds.
const AGAIN_AFTER_MS: [u64; 2] = [30_000, 120_000];

/// When the wallet is due again because the snapshot is late; none where it is not, or was asked for often enough.
pub fn due_again_at(job: &Job, height: Option<u64>, now: u64) -> Option<u64> {
    let is_late = height.is_some_and(|height| height < job.last_trade_height);
    let wait_ms = AGAIN_AFTER_MS.get(job.late as usize).filter(|_| is_late)?;
    Some(now.saturating_add(*wait_ms))
}

/// Why a wallet that waits because of lateness is not asked for now: its network is in trouble, or its heights do not move.
pub fn not_yet(job: &Job, circuits: &Circuits, providers: &[&'static str], clock: &impl Clock) -> Option<Postponement> {
    let chain = &job.wallet.chain;
    let (wait_ms, late) = if job.late == 0 {
        return None;
    } else if providers.iter().all(|provider| circuits.is_in_trouble(provider, chain)) {
        (AGAIN_AFTER_MS[0], job.late)
    } else if job.late == 1 && !circuits.do_heights_move(providers, chain) {
        (AGAIN_AFTER_MS[1], 2)
    } else {
        return None;
    };
    let due_at = clock.now_ms().saturating_add(wait_ms);
    Some(Postponement { due_at, attempts: job.attempts, late, asked_at: None, failure: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ProviderError;
    use crate::wallet::Wallet;
    use tape::Unavailable;

    struct StandingClock;

    impl Clock for StandingClock {
        fn now_ms(&self) -> u64 {
            1_000
        }

        fn draw(&self, bound: u64) -> u64 {
            bound
        }
    }

    fn job(late: u32) -> Job {
        let wallet = Wallet::new("c", "0xa");
        Job { wallet, lease: 1, generation: 1, attempts: 0, last_trade_height: 101, late }
    }

    #[test]
    fn a_snapshot_below_the_newest_trade_is_asked_for_again_after_30_and_120_seconds() {
        let cases = [
            (0, None, None),
            (0, Some(101), None),
            (0, Some(500), None),
            (0, Some(100), Some(30_000)),
            (1, Some(100), Some(120_000)),
            (2, Some(100), None),
            (1, Some(101), None),
        ];
        for (late, height, expected) in cases {
            assert_eq!(due_again_at(&job(late), height, 0), expected, "{late} {height:?}");
        }
    }

    #[test]
    fn heights_that_never_move_and_networks_in_trouble_make_it_wait_for_longer() {
        let (circuits, wallet) = (Circuits::default(), |number: u64| Wallet::new("c", number.to_string()));
        let wait = |late| not_yet(&job(late), &circuits, &["p"], &StandingClock).map(|to| (to.due_at, to.late));
        assert_eq!((wait(0), wait(1)), (None, None), "nothing is known");
        for number in 0..2 {
            circuits.told_height("p", &wallet(number), 100);
        }
        assert_eq!(wait(1), None, "too few to tell");
        circuits.told_height("p", &wallet(2), 100);
        assert_eq!((wait(0), wait(1), wait(2)), (None, Some((121_000, 2)), None), "three wallets, one height");
        circuits.told_height("p", &wallet(2), 101);
        assert_eq!(wait(1), None, "it moves");
        for number in 0..3 {
            let error = ProviderError::Unavailable(Unavailable::new("ask", "down"));
            circuits.failed("p", &wallet(number), &error, 0, 0);
        }
        assert_eq!((wait(0), wait(1), wait(2)), (None, Some((31_000, 1)), Some((31_000, 2))), "in trouble");
    }
}
