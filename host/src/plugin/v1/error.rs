//! Why a call of a plugin failed: a failure that it returned, a trap, a broken limit, or the host.

use super::wit::Failure;
use crate::plugin::sandbox::BrokenLimit;

/// How wasmtime begins its sentence where a plugin hands over more than `output_bytes` at once.
const TOO_MUCH_COPIED: &str = "too much data is being copied";

/// Functions that are named where a trap happened.
const MAX_FRAMES: usize = 12;
/// What the functions begin with that Rust itself goes through in a panic.
const PANICKING: [&str; 4] = ["__rustc", "rust_", "std::", "core::"];
/// Bytes of a text in a failure.
const MAX_FAILURE_BYTES: usize = 4 << 10;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The plugin returned a failure.
    #[error("{}", failure_text(.0))]
    Failure(Failure),
    /// It trapped or broke a limit, which it would do again.
    #[error("the plugin failed: {0}")]
    Trap(String),
    /// It took too long on this machine at this time.
    #[error("the plugin is too slow: {0}")]
    Slow(String),
    /// It delivered what the contract does not allow.
    #[error("the plugin delivered {0}")]
    Broken(String),
    /// The host could not run it.
    #[error("the host cannot run the plugin: {0}")]
    Host(String),
}

impl CallError {
    /// Whether the same answers from upstream lead to the same failure.
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Failure(Failure::BadData(_)) | Self::Trap(_) | Self::Broken(_))
    }
}

impl CallError {
    /// A failure that a plugin returned, its texts cut: they go to the log, the tape and status files.
    pub(super) fn from_failure(mut failure: Failure) -> Self {
        match &mut failure {
            Failure::Retry((_, why)) | Failure::Elsewhere(why) | Failure::BadSettings(why) | Failure::BadData(why) => {
                cut(why);
            }
            Failure::Other((code, why)) => {
                cut(code);
                cut(why);
            }
            Failure::SpanTooWide(_) | Failure::NotYet(_) | Failure::Reorged => {}
        }
        Self::Failure(failure)
    }
}

/// Cuts a text that is too long.
fn cut(text: &mut String) {
    if text.len() <= MAX_FAILURE_BYTES {
        return;
    }
    let end = (0..=MAX_FAILURE_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text.push('…');
    text.shrink_to_fit();
}

impl From<wasmtime::Error> for CallError {
    fn from(error: wasmtime::Error) -> Self {
        if let Some(broken) = error.downcast_ref::<BrokenLimit>() {
            let why = broken.to_string();
            return if matches!(broken, BrokenLimit::Deadline(_)) { Self::Slow(why) } else { Self::Trap(why) };
        }
        if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
            return Self::Host(first_line(&error));
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => Self::Trap(format!("{trap}{}", named_frames(&error))),
            None => Self::Trap(with_limit(first_line(&error))),
        }
    }
}

/// Where a trap happened, innermost first, as far as the component has names: one built with `plugin build --names`.
fn named_frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return String::new() };
    let names = trace.frames().iter().filter_map(wasmtime::FrameInfo::func_name);
    // What a panic itself goes through says nothing of the plugin.
    let names = names.map(|name| format!("{:#}", rustc_demangle::demangle(name)));
    let of_plugin = names.skip_while(|name| PANICKING.iter().any(|begin| name.starts_with(begin)));
    let names: Vec<String> = of_plugin.take(MAX_FRAMES).collect();
    if names.is_empty() { String::new() } else { format!(", in {}", names.join(" < ")) }
}

/// Adds the limit of this host that a sentence of wasmtime is about.
fn with_limit(why: String) -> String {
    if why.starts_with(TOO_MUCH_COPIED) {
        return format!("{why}; raise `output_bytes` of the chain's `[limits]`, or hand over less at once");
    }
    why
}

fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::Retry((_, why)) | Failure::Elsewhere(why) => why.clone(),
        Failure::SpanTooWide(most) => format!("at most {most} heights at once"),
        Failure::NotYet(height) => format!("height {height} is not there yet"),
        Failure::Reorged => "the branch changed while it was read".to_owned(),
        Failure::BadSettings(why) => format!("bad settings: {why}"),
        Failure::BadData(why) => format!("bad data: {why}"),
        Failure::Other((code, why)) => format!("{code}: {why}"),
    }
}

/// The first line of the root cause, without the WebAssembly backtrace.
pub(super) fn first_line(error: &wasmtime::Error) -> String {
    error.root_cause().to_string().lines().next().unwrap_or_default().to_owned()
}
