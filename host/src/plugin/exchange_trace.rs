//! `--trace upstream`: a line for each request of a plugin and for what was answered.

use crate::upstream::{Request, Response, UpstreamError};
use std::time::Duration;
use tracing::Level;

/// The target of these lines; [`telemetry`](environment::telemetry) lets them pass where it is asked to.
const TARGET: &str = "upstream_trace";
/// Bytes of a body that are shown.
const SHOWN_BYTES: usize = 200;

/// Whether anybody wants to see them.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

/// One line for each request, with the size and the beginning of what was sent and answered.
pub(super) fn trace(chain: &str, requests: &[Request], answers: &[Result<Response, UpstreamError>], took: Duration) {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    for (request, answer) in requests.iter().zip(answers) {
        let sent = request.body.as_deref().unwrap_or_default();
        let (status, body) = match answer {
            Ok(response) => (response.status.to_string(), response.body.as_slice()),
            Err(error) => (error.to_string(), &[][..]),
        };
        let verb = if request.body.is_some() { "POST" } else { "GET" };
        tracing::trace!(
            target: TARGET,
            event = "upstream.exchanged",
            chain.id = chain,
            request = format!("{verb} {}", request.path),
            sent_bytes = sent.len(),
            sent = beginning(sent),
            status,
            bytes = body.len(),
            body = beginning(body),
            took_ms,
            "asked and answered"
        );
    }
}

/// The first bytes of a body as text.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
    if body.len() > SHOWN_BYTES { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_cut() {
        assert_eq!(beginning(b"{}"), "{}");
        let long = beginning(&[b'x'; 1_000]);
        assert!(long.chars().count() == SHOWN_BYTES + 1 && long.ends_with('…'));
    }
}
