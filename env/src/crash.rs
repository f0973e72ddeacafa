//! Named places where a test ends the process as a power cut would, without flushing or closing anything, or delays it.
//!
//! `CHAINTAPE_CRASH=tape.append.produced:3` ends the process when it passes that place for the third time.
//! `CHAINTAPE_LINGER=tape.partition.fenced:3000` delays whoever passes that place by so many milliseconds. Unset, as
//! everywhere but in the chaos suite, a place costs one load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static CRASH: OnceLock<Option<Injection>> = OnceLock::new();
static LINGER: OnceLock<Option<Injection>> = OnceLock::new();

/// A place, and how many passes are left or how many milliseconds to wait there.
struct Injection {
    place: String,
    number: AtomicU64,
}

/// Ends the process here, if this pass of the place is the one that `CHAINTAPE_CRASH` names.
pub fn point(place: &str) {
    let Some(injection) = CRASH.get_or_init(|| injection("CHAINTAPE_CRASH")) else { return };
    if injection.place == place && injection.number.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

/// Waits here, if `CHAINTAPE_LINGER` names the place.
pub async fn linger(place: &str) {
    let Some(injection) = LINGER.get_or_init(|| injection("CHAINTAPE_LINGER")) else { return };
    if injection.place == place {
        tokio::time::sleep(Duration::from_millis(injection.number.load(Ordering::Relaxed))).await;
    }
}

fn injection(variable: &str) -> Option<Injection> {
    parse(&std::env::var(variable).ok()?)
}

fn parse(text: &str) -> Option<Injection> {
    let (place, number) = text.split_once(':').unwrap_or((text, "1"));
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    Some(Injection { place: place.to_owned(), number: AtomicU64::new(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_with_a_number_or_with_one() {
        let injection = parse("a.b:3").unwrap();
        assert_eq!((injection.place.as_str(), injection.number.into_inner()), ("a.b", 3));
        assert_eq!(parse("a.b").unwrap().number.into_inner(), 1);
        assert!(parse("a.b:0").is_none() && parse("a.b:x").is_none());
    }
}
