//! How long work shows how far it is, on standard error: a bar on a terminal, else a plain line for each tenth.

use indicatif::{ProgressBar as Bar, ProgressStyle};
use std::io::IsTerminal;

/// How far one piece of work is.
pub struct ProgressBar {
    /// What is counted, such as "heights".
    what: &'static str,
    total: u64,
    bar: Option<Bar>,
    tenths_said: Option<u64>,
}

impl ProgressBar {
    /// Nothing of it is done yet.
    pub fn begin(what: &'static str, total: u64) -> Self {
        Self::on(std::io::stderr().is_terminal(), what, total)
    }

    fn on(terminal: bool, what: &'static str, total: u64) -> Self {
        let bar = terminal.then(|| {
            let template = "{bar:40} {pos}/{len} {msg}, {per_sec}, {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            Bar::new(total).with_style(style).with_message(what)
        });
        Self { what, total, bar, tenths_said: None }
    }

    /// So much of it is done.
    pub fn set(&mut self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None => self.line(done).into_iter().for_each(|line| eprintln!("{line}")),
        }
    }

    /// The line that is due, if one is.
    fn line(&mut self, done: u64) -> Option<String> {
        let tenths = done.saturating_mul(10).checked_div(self.total).unwrap_or(10);
        let is_due = self.tenths_said.is_none_or(|said| tenths > said);
        is_due.then(|| {
            self.tenths_said = Some(tenths);
            format!("{done} of {} {}", self.total, self.what)
        })
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_there_is_a_line_for_each_tenth() {
        let mut progress = ProgressBar::on(false, "heights", 200);
        let lines: Vec<String> = [0, 1, 19, 20, 100, 100, 200].iter().filter_map(|done| progress.line(*done)).collect();
        assert_eq!(lines, ["0 of 200 heights", "20 of 200 heights", "100 of 200 heights", "200 of 200 heights"]);
    }

    #[test]
    fn on_a_terminal_there_is_a_bar() {
        let mut progress = ProgressBar::on(true, "heights", 200);
        progress.set(70);
        assert_eq!(progress.bar.as_ref().map(Bar::position), Some(70));
        progress.end();
    }
}
