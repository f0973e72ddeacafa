//! Why not: lists the versions of a chain's plugin that are not in force, for `chains.progress.v1`, whose readers
//! cannot see the status files.

use super::choice::Choice;
use crate::plugin::{Admitted, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wire::v1::progress::{Candidate, MAX_CANDIDATES};

/// The versions that an operator may be waiting for; not those that a newer one has superseded.
pub(super) fn versions_not_in_force(
    plugin: &str,
    choice: &Choice,
    admitted: &BTreeMap<PathBuf, Admitted>,
    refused: &BTreeMap<PathBuf, Verdict>,
) -> Vec<Candidate> {
    let refused = refused.iter().filter(|(path, _)| is_named_after(path, plugin)).map(|(path, verdict)| Candidate {
        file: file_name(path),
        version: None,
        digest: None,
        state: "refused".to_owned(),
        stage: Some(verdict.stage.to_string()),
        reason: Some(verdict.why.clone()),
        fix: Some(verdict.fix.clone()),
    });
    let others = admitted.iter().filter_map(|(path, plugin)| {
        let (state, reason) = choice.others.get(&plugin.detector.digest).filter(|(state, _)| *state != "superseded")?;
        Some(Candidate {
            file: file_name(path),
            version: Some(plugin.version.to_string()),
            digest: Some(plugin.detector.digest.clone()),
            state: (*state).to_owned(),
            stage: None,
            reason: reason.clone(),
            fix: None,
        })
    });
    refused.chain(others).take(MAX_CANDIDATES).collect()
}

/// Whether a file is named after a plugin: of a refused file nothing else is known.
fn is_named_after(path: &Path, plugin: &str) -> bool {
    file_name(path).strip_prefix(plugin).is_some_and(|rest| rest.starts_with(['-', '.']))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
