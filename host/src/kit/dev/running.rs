//! What the running system makes of a component that was put into its folder: its status files and its tape say so.

use crate::in_use::is_in_use;
use crate::status::{self, FileStatus, VersionUse};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tape::{Partition, Start, Trade};
use tape_log::{Arrival, Log, Target, topics};

/// Between two looks.
const TAPE_POLL_EVERY: Duration = Duration::from_millis(100);
/// How long the first trade may take.
const FIRST_TRADE_TIMEOUT: Duration = Duration::from_mins(1);

/// The system that runs on a log, as it was before a component was put into its folder.
pub(super) struct RunningSystem<'a> {
    log: &'a Target,
    plugins: &'a Path,
    chain: &'a str,
    /// When it was, milliseconds since the Unix epoch.
    at: u64,
    /// Where each partition of the trades ended.
    ends: BTreeMap<Partition, u64>,
}

/// What became of the component so far.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    /// Nothing is said of it yet.
    Unknown,
    /// It is on its way, or already in use: the sentence.
    Passing(String),
    /// It will not be used: the sentence.
    Ended(String),
}

impl<'a> RunningSystem<'a> {
    /// Looks where the tape ends; none where nothing runs on the log.
    pub(super) async fn before_a_drop(
        log: &'a Target,
        plugins: &'a Path,
        chain: &'a str,
    ) -> anyhow::Result<Option<Self>> {
        if !is_in_use(log) {
            return Ok(None);
        }
        let ends = Log::open(log).await?.ends(&topics::TRADES).await?.into_iter().collect();
        Ok(Some(Self { log, plugins, chain, at: environment::now_ms(), ends }))
    }

    /// Says what becomes of the component with this digest, until its first trade is on the tape or it is clear that there
    /// will be none.
    pub(super) async fn follow(mut self, file: &str, digest: &str, edited_at: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut said = Use::Unknown;
        while begun.elapsed() < FIRST_TRADE_TIMEOUT {
            if let Some(trade) = self.first_trade_of(digest).await? {
                let took = Duration::from_millis(environment::now_ms().saturating_sub(edited_at)).as_secs_f64();
                environment::print_line!("  first trade of it on the tape {took:.1} s after the edit: {}", trade.id());
                return Ok(());
            }
            let statuses = status::read_statuses(self.plugins).context("read the status files in PLUGINS_DIR")?;
            let refused = statuses.iter().find_map(|status| refusal(status, file, self.at));
            let now = refused.unwrap_or_else(|| use_of(&statuses, digest, self.chain));
            if let Use::Passing(sentence) | Use::Ended(sentence) = &now
                && now != said
            {
                environment::print_line!("  {sentence}");
            }
            if let Use::Ended(_) = now {
                return Ok(());
            }
            said = now;
            tokio::time::sleep(TAPE_POLL_EVERY).await;
        }
        environment::print_line!(
            "  no trade of it is on the tape after {} s: does the chain go on (`chaintape chains`), and has it trades?",
            FIRST_TRADE_TIMEOUT.as_secs()
        );
        Ok(())
    }

    /// The first trade that this component found, among what was appended since the last look.
    async fn first_trade_of(&mut self, digest: &str) -> anyhow::Result<Option<Trade>> {
        // An embedded log is written by another process: it is opened anew for each look.
        let log = Log::open(self.log).await?;
        let ends: BTreeMap<Partition, u64> = log.ends(&topics::TRADES).await?.into_iter().collect();
        let from = |partition: &Partition| self.ends.get(partition).copied().unwrap_or(0);
        let mut grown: BTreeMap<Partition, u64> = ends
            .iter()
            .filter(|(partition, end)| **end > from(partition))
            .map(|(it, end)| (it.clone(), *end))
            .collect();
        let starts = grown.keys().map(|partition| (partition.clone(), Start::At(from(partition)))).collect();
        let mut reader = log.assigned(starts).await?;
        while !grown.is_empty() {
            let Arrival::Records { partition, records, next } = reader.next().await? else { continue };
            for value in records.into_iter().filter_map(|record| record.value) {
                // What cannot be read is for its reader to say.
                if let Ok(event) = wire::v1::trade::decode(&value)
                    && event.trade.detector.digest == digest
                {
                    return Ok(Some(*event.trade));
                }
            }
            if grown.get(&partition).is_some_and(|end| next >= *end) {
                grown.remove(&partition);
                reader.let_go(&partition);
            }
        }
        self.ends = ends;
        Ok(None)
    }
}

/// The refusal of a file that was put into place since then.
fn refusal(status: &FileStatus, file: &str, since: u64) -> Option<Use> {
    let is_refused = status.file == file && status.verdict == "refused" && status.at >= since;
    let said = [&status.stage, &status.reason, &status.fix].map(|it| it.as_deref().unwrap_or_default());
    is_refused.then(|| Use::Ended(format!("refused by {}: {}: {}; {}", status.instance, said[0], said[1], said[2])))
}

/// What the status files say of a component on a chain.
fn use_of(statuses: &[FileStatus], digest: &str, chain: &str) -> Use {
    let Some(status) = statuses.iter().find(|status| status.digest.as_deref() == Some(digest)) else {
        return Use::Unknown;
    };
    let Some(VersionUse { state, reason, .. }) = status.chains.iter().find(|it| it.chain == chain) else {
        return Use::Passing(format!("admitted by {}", status.instance));
    };
    let sentence = match reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state.clone(),
    };
    match state.as_str() {
        "held" | "withdrawn" => Use::Ended(sentence),
        "superseded" => Use::Ended(format!("{sentence}: a newer version of this plugin is in PLUGINS_DIR")),
        _ => Use::Passing(sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: &str, reason: Option<&str>) -> Vec<FileStatus> {
        let on_chain = VersionUse {
            chain: "mine".to_owned(),
            state: state.to_owned(),
            generation: None,
            reason: reason.map(str::to_owned),
        };
        let (digest, instance) = (Some("d".to_owned()), "local".to_owned());
        vec![FileStatus { digest, instance, chains: vec![on_chain], ..FileStatus::default() }]
    }

    #[test]
    fn what_will_not_be_used_ends_the_waiting_with_its_reason() {
        assert_eq!(use_of(&status("in-use", None), "other", "mine"), Use::Unknown);
        assert_eq!(use_of(&status("in-use", None), "d", "another"), Use::Passing("admitted by local".to_owned()));
        assert_eq!(use_of(&status("shadowing", None), "d", "mine"), Use::Passing("shadowing".to_owned()));
        let held = use_of(&status("held", Some("reads another network")), "d", "mine");
        assert_eq!(held, Use::Ended("held: reads another network".to_owned()));
        assert!(matches!(use_of(&status("superseded", None), "d", "mine"), Use::Ended(why) if why.contains("newer")));
    }

    #[test]
    fn a_refusal_counts_for_the_file_that_was_put_into_place() {
        let [stage, reason, fix] = ["digest", "is not in PLUGINS_ALLOW", "sign it"].map(|text| Some(text.to_owned()));
        let (file, verdict, instance) = ("a-1.0.0.wasm".to_owned(), "refused".to_owned(), "local".to_owned());
        let status = FileStatus { file, verdict, instance, at: 7, stage, reason, fix, ..FileStatus::default() };
        let said = "refused by local: digest: is not in PLUGINS_ALLOW; sign it".to_owned();
        assert_eq!(refusal(&status, "a-1.0.0.wasm", 7), Some(Use::Ended(said)));
        assert_eq!(refusal(&status, "a-1.0.0.wasm", 8), None, "that was the file before");
        assert_eq!(refusal(&status, "b-1.0.0.wasm", 7), None);
    }
}
