//! The log lines of a line of services in this process, gathered for tests that read them.

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static BYTES: Mutex<Vec<u8>> = Mutex::new(vec![]);
static BEGUN: Once = Once::new();

struct Gathered;

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        gathered().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gathered() -> MutexGuard<'static, Vec<u8>> {
    BYTES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to gather the lines of this process, of whatever runs in it; beginning again changes nothing.
pub fn gather() {
    BEGUN.call_once(|| environment::telemetry::start_lines("line", || Gathered));
}

/// All lines until now; the first one that is no JSON object, or names no service or no event, is the error.
pub fn lines() -> Result<Vec<Value>, String> {
    let text = String::from_utf8_lossy(&gathered()).into_owned();
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let names = |field: &str| value[field].as_str().is_some_and(|text| !text.is_empty());
        if names("service") && names("event") { Ok(value) } else { Err(line.to_owned()) }
    };
    text.lines().map(read).collect()
}

/// The services with a line about an event.
pub fn services_about(lines: &[Value], event_id: &str) -> BTreeSet<String> {
    let about = lines.iter().filter(|line| line["eventId"] == event_id);
    about.filter_map(|line| line["service"].as_str()).map(str::to_owned).collect()
}
