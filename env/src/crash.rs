//! Named places where a test may end the process as a power cut would, nothing flushed, closed or said, or hold it up.
//!
//! `CHAINTAPE_CRASH=tape.append.produced:3` ends it when that place is passed for the third time.
//! `CHAINTAPE_LINGER=tape.partition.fenced:3000` holds up for so many milliseconds whoever passes there. Unset, as everywhere but
//! in the chaos suite, a place costs one load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static ORDERED: OnceLock<Option<Order>> = OnceLock::new();
static HELD_UP: OnceLock<Option<Order>> = OnceLock::new();

struct Order {
    place: String,
    left: AtomicU64,
}

/// The process passes a place.
pub fn point(place: &str) {
    let Some(order) = ORDERED.get_or_init(|| ordered("CHAINTAPE_CRASH")) else { return };
    if order.place == place && order.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

/// Passes a place slowly, where that is ordered.
pub async fn linger(place: &str) {
    let Some(order) = HELD_UP.get_or_init(|| ordered("CHAINTAPE_LINGER")) else { return };
    if order.place == place {
        tokio::time::sleep(Duration::from_millis(order.left.load(Ordering::Relaxed))).await;
    }
}

fn ordered(variable: &str) -> Option<Order> {
    parse(&std::env::var(variable).ok()?)
}

fn parse(text: &str) -> Option<Order> {
    let (place, times) = text.split_once(':').unwrap_or((text, "1"));
    let times: u64 = times.parse().ok().filter(|times| *times > 0)?;
    Some(Order { place: place.to_owned(), left: AtomicU64::new(times) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_place_and_how_often_it_is_passed() {
        let order = parse("a.b:3").unwrap();
        assert_eq!((order.place.as_str(), order.left.into_inner()), ("a.b", 3));
        assert_eq!(parse("a.b").unwrap().left.into_inner(), 1);
        assert!(parse("a.b:0").is_none() && parse("a.b:x").is_none());
    }
}
