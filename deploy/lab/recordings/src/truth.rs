//! How often a test's answers were right, for the page that `cargo xtask truth` makes: by set, figure and kind.

use std::collections::BTreeMap;
use std::io::Write;

/// Names the file that counts are appended to; without it they are only kept.
pub const TRUTH_FILE: &str = "CHAINTAPE_TRUTH";

/// What was right in one set of recordings. Dropping it reports it.
#[derive(Debug)]
pub struct Truth {
    set: &'static str,
    counts: BTreeMap<(&'static str, String), (u64, u64)>,
}

impl Truth {
    /// Of a set, such as `evm/wallet-trades`.
    pub fn of(set: &'static str) -> Self {
        Self { set, counts: BTreeMap::new() }
    }

    /// Counts one answer of a figure (`sides exact`) and a kind (`chain 1`).
    pub fn count(&mut self, figure: &'static str, kind: &str, is_right: bool) {
        let (right, of) = self.counts.entry((figure, kind.to_owned())).or_default();
        *right += u64::from(is_right);
        *of += 1;
    }

    /// The counts as lines of five columns: set, figure, kind, right, of.
    fn lines(&self) -> String {
        let set = self.set;
        let line = |((figure, kind), (right, of)): (&(&str, String), &(u64, u64))| {
            format!("{set}\t{figure}\t{kind}\t{right}\t{of}\n")
        };
        self.counts.iter().map(line).collect()
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os(TRUTH_FILE).filter(|_| !std::thread::panicking()) else { return };
        let file = std::fs::File::options().create(true).append(true).open(&path);
        // One write, so that lines of tests that run side by side do not mix.
        if let Err(error) = file.and_then(|mut file| file.write_all(self.lines().as_bytes())) {
            println!("the counts of {} cannot be written to {}: {error}", self.set, path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_figure_and_kind() {
        let mut truth = Truth::of("set");
        for (kind, is_right) in [("a", true), ("a", false), ("b", true)] {
            truth.count("sides exact", kind, is_right);
        }
        assert_eq!(truth.lines(), "set\tsides exact\ta\t1\t2\nset\tsides exact\tb\t1\t1\n");
    }
}
