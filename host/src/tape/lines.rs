//! The log lines about a step: one for the step, and one for each of its events as far as the pace of lines allows.

use environment::telemetry::has_event_line;
use ingest_domain::Step;
use tape::Status;

/// The id of an event: it names the chain, the step and the place in it.
pub(super) fn event_id(chain: &str, step: u64, index: usize) -> String {
    format!("{chain}/{step}/{index}")
}

/// Logs a step that is on the tape; a step that changed no trade is no news.
pub(super) fn log_published(chain: &str, step: &Step) {
    if step.changes.is_empty() {
        return;
    }
    let (number, through) = (step.cursor.step, step.cursor.through);
    let reverted = step.changes.iter().filter(|(status, _)| *status == Status::Reverted).count();
    let applied = step.changes.len() - reverted;
    tracing::info!(
        event = "step.published",
        chain.id = chain,
        step = number,
        block.height = through,
        applied,
        reverted,
        "step published"
    );
    for (index, (status, trade)) in step.changes.iter().enumerate() {
        let event_id = event_id(chain, number, index);
        if has_event_line(&event_id) {
            let is_reverted = *status == Status::Reverted;
            tracing::info!(
                event = "trade.published",
                eventId = event_id,
                chain.id = chain,
                trade.at = trade.id(),
                reverted = is_reverted,
                "trade published"
            );
        }
    }
}
