//! `cargo xtask truth`: runs every recorded truth set, and holds the page `plugins/TRUTH.md` to what comes out.

use crate::process::{self, root};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The page that is made.
const PAGE: &str = "plugins/TRUTH.md";
/// The tests that report to it.
const TESTS: [&str; 4] = ["wallets", "blocks", "v4", "recorded"];
/// Where rows begin on the page.
const TABLE_HEAD: &str = "| set | figure | kind | right | of | share |\n|---|---|---|---:|---:|---:|\n";

/// How many are right of how many, by set, figure and kind.
type Counts = BTreeMap<[String; 3], (u64, u64)>;

/// Prints the table; with `write` makes the page anew, else fails where a figure of the page is better.
pub(crate) fn run(write: bool) -> anyhow::Result<()> {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).context("make target/bench")?;
    let counted = folder.join("truth.tsv");
    if counted.exists() {
        std::fs::remove_file(&counted).context("remove the counts of before")?;
    }
    let mut command = process::cargo(&["test", "--quiet", "--workspace"]);
    command.args(TESTS.iter().flat_map(|test| ["--test", test]));
    process::run(command.env("CHAINTAPE_TRUTH", &counted))?;
    let found = read_counts(&std::fs::read_to_string(&counted).context("read what the tests counted")?)?;
    let page = page(&found);
    println!("{page}");
    let path = root().join(PAGE);
    if write {
        return std::fs::write(&path, page).with_context(|| PAGE.to_owned());
    }
    let fallen = fallen(&read_page(&path)?, &found);
    if !fallen.is_empty() {
        bail!("hold {PAGE}: {}", fallen.join("; "));
    }
    Ok(())
}

/// What of the page does not hold any more; a set that could not be run here (its recordings are not in the repository)
/// is left out.
fn fallen(page: &Counts, found: &Counts) -> Vec<String> {
    let is_here = |set: &String| found.keys().any(|[other, ..]| other == set);
    let mut fallen = vec![];
    for (of @ [set, figure, kind], (right, all)) in page.iter().filter(|([set, ..], _)| is_here(set)) {
        let (now, now_of) = found.get(of).copied().unwrap_or((0, 0));
        if u128::from(now) * u128::from(*all) < u128::from(*right) * u128::from(now_of) || now_of < *all {
            fallen.push(format!("{figure} of {kind} in {set} fell from {right} of {all} to {now} of {now_of}"));
        }
    }
    fallen
}

fn read_counts(text: &str) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    for line in text.lines() {
        let &[set, figure, kind, right, of] = &*line.split('\t').collect::<Vec<_>>() else {
            bail!("read the line of counts {line:?}: it has no five columns");
        };
        let count = counts.entry([set, figure, kind].map(str::to_owned)).or_default();
        let read = |number: &str| number.parse::<u64>().with_context(|| format!("read the line of counts {line:?}"));
        *count = (count.0 + read(right)?, count.1 + read(of)?);
    }
    Ok(counts)
}

fn read_page(path: &Path) -> anyhow::Result<Counts> {
    let text = std::fs::read_to_string(path).with_context(|| PAGE.to_owned())?;
    let (_, table) = text.split_once(TABLE_HEAD).with_context(|| format!("find the table of {PAGE}"))?;
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = table.lines().filter(|line| line.starts_with('|')).map(cells);
    let rows = rows.filter(|cells| cells.get(2).is_some_and(|kind| kind != "**all**"));
    read_counts(&rows.map(|cells| cells[..5].join("\t") + "\n").collect::<String>())
}

fn page(counts: &Counts) -> String {
    let mut page = format!(
        "# Truth: what is right of what is known\n\n\
         Recorded transactions and blocks whose right answers were found by others, each held against what the plugins give. Made by\n\
         `cargo xtask truth --write`; without `--write` it fails where a figure has fallen. What differs in the wallets stands, with its\n\
         reason, in [evm/WALLETS.md](evm/WALLETS.md). On Solana a balance also changes by deposits for accounts and by payments beside a\n\
         trade, which are no part of a side and are accounted for apart.\n\n{TABLE_HEAD}"
    );
    let mut sums: BTreeMap<(&String, &String), (u64, u64)> = BTreeMap::new();
    for ([set, figure, _], (right, of)) in counts {
        let sum = sums.entry((set, figure)).or_default();
        *sum = (sum.0 + right, sum.1 + of);
    }
    for ((set, figure), sum) in sums {
        add_row(&mut page, [set, figure, "**all**"], sum);
        for ([_, _, kind], count) in counts.iter().filter(|([of_set, of, _], _)| of_set == set && of == figure) {
            add_row(&mut page, [set, figure, kind], *count);
        }
    }
    page
}

fn add_row(page: &mut String, [set, figure, kind]: [&str; 3], (right, of): (u64, u64)) {
    // Rounded down: what is not all is not 100 %.
    let tenths = (right * 1_000).checked_div(of).unwrap_or(0);
    let share = format!("{}.{} %", tenths / 10, tenths % 10);
    let _ = writeln!(page, "| {set} | {figure} | {kind} | {right} | {of} | {share} |");
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "wallets\tsides exact\tchain 1\t9\t10\nwallets\tsides exact\tchain 10\t4\t4\n";

    #[test]
    fn a_page_is_read_back_as_it_was_counted() {
        let counts = read_counts(&format!("{LINES}wallets\tsides exact\tchain 10\t1\t2\n")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        std::fs::write(&path, page(&counts)).unwrap();
        assert_eq!(read_page(&path).unwrap(), counts);
        assert!(page(&counts).contains("| wallets | sides exact | **all** | 14 | 16 | 87.5 % |"), "{}", page(&counts));
    }

    #[test]
    fn a_figure_that_fell_is_named() {
        let page = read_counts(LINES).unwrap();
        assert!(fallen(&page, &page).is_empty());
        let worse = read_counts(&LINES.replace("9\t10", "8\t10")).unwrap();
        assert_eq!(fallen(&page, &worse), ["sides exact of chain 1 in wallets fell from 9 of 10 to 8 of 10"]);
        let fewer = read_counts(&LINES.replace("9\t10", "9\t9")).unwrap();
        assert_eq!(fallen(&page, &fewer).len(), 1, "leaving out what is wrong is no better");
        let elsewhere = read_counts("blocks\tlegs found\tv2\t1\t1\n").unwrap();
        assert!(fallen(&page, &elsewhere).is_empty(), "a set that is not here");
    }
}
