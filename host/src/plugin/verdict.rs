//! Why a file is not admitted as a plugin: the stage that it did not pass, the reason and the cure.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A step of admission, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The file is complete and can be read.
    Whole,
    /// It is not too large.
    Size,
    /// Its digest or signature is in `PLUGINS_ALLOW`, where that is set.
    Digest,
    /// It is a WebAssembly component.
    Component,
    /// It imports nothing but what the host offers.
    Imports,
    /// It implements a version of the contract that the host supports.
    Wit,
    /// It compiles within bounds.
    Compile,
    /// It describes itself.
    Describe,
    /// It accepts the chain file's settings.
    Settings,
    /// It reads the chain's last blocks.
    Shadow,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Size => "size",
            Self::Digest => "digest",
            Self::Component => "component",
            Self::Imports => "imports",
            Self::Wit => "wit",
            Self::Compile => "compile",
            Self::Describe => "describe",
            Self::Settings => "settings",
            Self::Shadow => "shadow",
        })
    }
}

/// Where admission stopped, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} ({stage}); {fix}")]
pub struct Verdict {
    /// The step that was not passed.
    pub stage: Stage,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub fix: String,
}

impl Verdict {
    pub(crate) fn new(stage: Stage, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { stage, why: why.into(), fix: fix.into() }
    }
}
