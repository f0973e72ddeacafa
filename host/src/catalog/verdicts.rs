//! What became of the versions of a plugin that are not in force, for progress: beside the files only who has the machine
//! can read it.

use super::choice::Choice;
use crate::plugin::{Admitted, Verdict};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wire::v1::progress::{Candidate, MAX_CANDIDATES};

/// The versions of a chain's plugin that somebody may wait for; not those that a newer one has replaced.
pub(super) fn of(
    plugin: &str,
    choice: &Choice,
    there: &BTreeMap<PathBuf, Admitted>,
    refused: &BTreeMap<PathBuf, Verdict>,
) -> Vec<Candidate> {
    let refused = refused.iter().filter(|(path, _)| is_named_after(path, plugin)).map(|(path, verdict)| Candidate {
        file: name(path),
        version: None,
        digest: None,
        state: "refused".to_owned(),
        stage: Some(verdict.stage.to_string()),
        reason: Some(verdict.why.clone()),
        fix: Some(verdict.fix.clone()),
    });
    let others = there.iter().filter_map(|(path, plugin)| {
        let (state, reason) = choice.others.get(&plugin.detector.digest).filter(|(state, _)| *state != "superseded")?;
        Some(Candidate {
            file: name(path),
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

/// A file that was refused has told no id: its name is all there is.
fn is_named_after(path: &Path, plugin: &str) -> bool {
    name(path).strip_prefix(plugin).is_some_and(|rest| rest.starts_with(['-', '.']))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
