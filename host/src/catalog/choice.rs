//! Which version of its plugin a chain uses: a pure decision over the chain file, the admitted versions and their
//! trials.

use crate::chainfile::{ChainFile, Promote};
use crate::shadow::Diff;
use semver::Version;
use std::collections::BTreeMap;
use tape::Detector;

/// A version that could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) version: Version,
    pub(super) digest: String,
    /// Its file was replaced by another: it stays in use from memory until the other one has passed its trial.
    pub(super) replaced: bool,
}

/// What became of a version on one chain: how the comparison with the version in use came out, or that it failed in
/// use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// It is being compared; the sentence says why there was no comparison the last time.
    Running(Option<String>),
    /// It could not be compared, and is tried again.
    Later(String),
    Passed(Diff),
    Failed(String),
    Withdrawn(String),
}

/// The decision for one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// The digest to be used.
    pub(super) used: Option<String>,
    /// The digest to be compared with the one in use.
    pub(super) try_next: Option<String>,
    /// State and reason of each version that is not used, by digest.
    pub(super) others: BTreeMap<String, (&'static str, Option<String>)>,
    /// Why nothing can be used.
    pub(super) parked: Option<String>,
}

/// The trials of a chain's versions, by digest.
pub(super) type Trials = BTreeMap<String, Trial>;

/// Decides which version a chain uses.
pub(super) fn choose(
    mut candidates: Vec<Candidate>,
    file: &ChainFile,
    in_force: Option<&Detector>,
    trials: &Trials,
) -> Choice {
    // Newest first; what was replaced is only there to fall back on.
    candidates.sort_by(|a, b| (a.replaced, &b.version, &b.digest).cmp(&(b.replaced, &a.version, &a.digest)));
    let mut choice = Choice::default();
    for candidate in &candidates {
        if let Some(why) = withdrawn(candidate, trials) {
            choice.others.insert(candidate.digest.clone(), ("withdrawn", Some(why.to_owned())));
        }
    }
    let sound: Vec<&Candidate> = candidates.iter().filter(|candidate| withdrawn(candidate, trials).is_none()).collect();
    match &file.pinned {
        Some(version) => {
            use_pinned(&mut choice, &sound, version, file, in_force.map(|code| code.digest.as_str()), trials);
        }
        None => use_newest(&mut choice, &sound, file, in_force, trials),
    }
    for candidate in sound {
        let digest = &candidate.digest;
        if choice.used.as_ref() != Some(digest) && !choice.others.contains_key(digest) {
            choice.others.insert(digest.clone(), ("superseded", None));
        }
    }
    if choice.used.is_none() {
        choice.parked = Some(why_parked(&candidates, file, trials));
    }
    choice
}

/// The version that the chain file names; newer ones are compared and reported.
fn use_pinned(
    choice: &mut Choice,
    sound: &[&Candidate],
    version: &Version,
    file: &ChainFile,
    in_force: Option<&str>,
    trials: &Trials,
) {
    let pinned = sound.iter().find(|candidate| file.allows(&candidate.version, &candidate.digest));
    choice.used = pinned.map(|it| it.digest.clone());
    if choice.used.as_deref() != in_force || file.policy.shadow_blocks == 0 {
        return;
    }
    for candidate in sound.iter().filter(|candidate| candidate.version > *version) {
        let cure = format!("to promote it, set plugin = \"{}@{}\"", file.plugin, candidate.version);
        let state = match trials.get(&candidate.digest) {
            untried @ (None | Some(Trial::Later(_))) => {
                choice.try_next.get_or_insert_with(|| candidate.digest.clone());
                ("shadowing", why_uncompared(untried))
            }
            running @ Some(Trial::Running(_)) => ("shadowing", why_uncompared(running)),
            Some(Trial::Passed(diff)) => ("held", Some(format!("{diff}; {cure}"))),
            Some(Trial::Failed(why) | Trial::Withdrawn(why)) => ("held", Some(format!("{why}; {cure} all the same"))),
        };
        choice.others.insert(candidate.digest.clone(), state);
    }
}

/// The newest version that has passed its trial; the one in use until then, or the nearest to it where it is gone.
fn use_newest(
    choice: &mut Choice,
    sound: &[&Candidate],
    file: &ChainFile,
    in_force: Option<&Detector>,
    trials: &Trials,
) {
    let in_force = in_force.and_then(|code| stand_in(sound, code)).map(|candidate| candidate.digest.as_str());
    for candidate in sound {
        let digest = &candidate.digest;
        if in_force.is_none() || in_force == Some(digest) || file.policy.shadow_blocks == 0 {
            choice.used = Some(digest.clone());
            return;
        }
        match trials.get(digest) {
            untried @ (None | Some(Trial::Later(_))) => {
                choice.try_next = Some(digest.clone());
                choice.others.insert(digest.clone(), ("shadowing", why_uncompared(untried)));
            }
            running @ Some(Trial::Running(_)) => {
                choice.others.insert(digest.clone(), ("shadowing", why_uncompared(running)));
            }
            Some(Trial::Passed(diff)) if file.policy.promote == Promote::Auto || diff.is_superset() => {
                choice.used = Some(digest.clone());
                return;
            }
            Some(Trial::Passed(diff)) => {
                let why = format!("{diff}; policy.promote asks for a superset");
                choice.others.insert(digest.clone(), ("held", Some(why)));
                continue;
            }
            Some(Trial::Failed(why) | Trial::Withdrawn(why)) => {
                choice.others.insert(digest.clone(), ("held", Some(why.clone())));
                continue;
            }
        }
        // A trial is not over: nothing older needs one before.
        break;
    }
    choice.used = in_force.map(str::to_owned);
}

/// The code in force, or what comes nearest to it where its file is gone: the newest version that is not above its own, else the
/// oldest above. So a file that only claims a high version never takes a chain over because another file was replaced.
fn stand_in<'c>(sound: &[&'c Candidate], code: &Detector) -> Option<&'c Candidate> {
    let itself = sound.iter().find(|candidate| candidate.digest == code.digest);
    if let Some(itself) = itself {
        return Some(itself);
    }
    let version = Version::parse(&code.version).ok()?;
    // Newest first.
    let not_above = sound.iter().find(|candidate| candidate.version <= version);
    not_above.or(sound.last()).copied()
}

/// Why a version that is still to be compared has not been.
fn why_uncompared(trial: Option<&Trial>) -> Option<String> {
    match trial {
        Some(Trial::Later(why) | Trial::Running(Some(why))) => Some(why.clone()),
        _ => None,
    }
}

fn withdrawn<'t>(candidate: &Candidate, trials: &'t Trials) -> Option<&'t str> {
    match trials.get(&candidate.digest) {
        Some(Trial::Withdrawn(why)) => Some(why),
        _ => None,
    }
}

fn why_parked(candidates: &[Candidate], file: &ChainFile, trials: &Trials) -> String {
    let id = &file.plugin;
    let wanted = file.wanted_plugin();
    let mut fitting = candidates.iter().filter(|candidate| file.allows(&candidate.version, &candidate.digest));
    if let Some(why) = fitting.find_map(|candidate| withdrawn(candidate, trials)) {
        return format!("plugin {wanted} is withdrawn and there is no other: {why}");
    }
    if candidates.is_empty() {
        return format!("plugin {wanted} is not in PLUGINS_DIR");
    }
    let named = |candidate: &Candidate| match &file.pinned_digest {
        Some(_) => format!("{}@{}", candidate.version, candidate.digest),
        None => candidate.version.to_string(),
    };
    let versions: Vec<String> = candidates.iter().map(named).collect();
    format!("plugin {wanted} is not in PLUGINS_DIR; of {id} there are {}", versions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(version: &str) -> Candidate {
        Candidate { version: version.parse().unwrap(), digest: format!("d{version}"), replaced: false }
    }

    struct Case {
        file: ChainFile,
        in_force: Option<&'static str>,
        trials: Trials,
    }

    impl Case {
        fn new(in_force: Option<&'static str>) -> Self {
            Self { file: ChainFile { plugin: "evm".into(), ..ChainFile::default() }, in_force, trials: Trials::new() }
        }

        fn choose(&self, versions: &[&str]) -> Choice {
            self.choose_among(versions.iter().map(|version| candidate(version)).collect())
        }

        fn choose_among(&self, candidates: Vec<Candidate>) -> Choice {
            let code = self.in_force.map(|digest| Detector {
                plugin: "evm".to_owned(),
                version: digest.trim_start_matches('d').to_owned(),
                digest: digest.to_owned(),
            });
            choose(candidates, &self.file, code.as_ref(), &self.trials)
        }
    }

    #[test]
    fn a_chain_begins_with_the_newest_version() {
        let choice = Case::new(None).choose(&["1.2.0", "1.10.0", "1.10.0-rc.1"]);
        assert_eq!((choice.used.as_deref(), choice.try_next), (Some("d1.10.0"), None));
        let parked = Case::new(None).choose(&[]).parked.unwrap();
        assert_eq!(parked, "plugin evm is not in PLUGINS_DIR");
    }

    #[test]
    fn a_new_version_is_tried_before_it_takes_over() {
        let mut case = Case::new(Some("d1.0.0"));
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("d1.0.0"), Some("d1.1.0")));
        let why = "the chain cannot be read".to_owned();
        case.trials.insert("d1.1.0".into(), Trial::Later(why.clone()));
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!(choice.try_next.as_deref(), Some("d1.1.0"), "it is tried again");
        assert_eq!(choice.others["d1.1.0"], ("shadowing", Some(why.clone())), "and its status says why it waits");
        case.trials.insert("d1.1.0".into(), Trial::Running(Some(why.clone())));
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!(choice.others["d1.1.0"], ("shadowing", Some(why)), "also while it is tried again");
        assert_eq!((choice.used.as_deref(), choice.try_next), (Some("d1.0.0"), None));
        case.trials.insert("d1.1.0".into(), Trial::Passed(Diff { removed: 2, ..Diff::default() }));
        assert_eq!(case.choose(&["1.0.0", "1.1.0"]).used.as_deref(), Some("d1.1.0"));
        case.file.policy.promote = Promote::IdenticalOrSuperset;
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!(choice.used.as_deref(), Some("d1.0.0"));
        let (state, reason) = &choice.others["d1.1.0"];
        assert_eq!(*state, "held");
        assert!(reason.as_ref().unwrap().contains("removed 2"), "{reason:?}");
        case.trials.insert("d1.1.0".into(), Trial::Passed(Diff { added: 2, ..Diff::default() }));
        assert_eq!(case.choose(&["1.0.0", "1.1.0"]).used.as_deref(), Some("d1.1.0"));
    }

    #[test]
    fn where_the_code_in_force_is_gone_the_nearest_stands_in_and_what_is_newer_is_tried() {
        // The file was replaced while the process was stopped, and another one claims version 99.
        let mut case = Case::new(Some("d1.1.0"));
        let same_version = Candidate { digest: "again".into(), ..candidate("1.1.0") };
        let choice = case.choose_among(vec![same_version, candidate("99.0.0")]);
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("again"), Some("d99.0.0")));
        let choice = case.choose(&["1.0.0", "2.0.0"]);
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("d1.0.0"), Some("d2.0.0")));
        let upgraded = case.choose(&["1.2.0", "99.0.0"]);
        assert_eq!((upgraded.used.as_deref(), upgraded.try_next.as_deref()), (Some("d1.2.0"), Some("d99.0.0")));
        assert_eq!(case.choose(&["2.0.0"]).used.as_deref(), Some("d2.0.0"), "there is no other");
        case.trials.insert("d1.1.0".into(), Trial::Withdrawn("3 strikes".into()));
        let choice = case.choose(&["1.0.0", "1.1.0", "99.0.0"]);
        assert_eq!(choice.used.as_deref(), Some("d1.0.0"), "also where it was withdrawn");
    }

    #[test]
    fn a_held_version_does_not_stand_in_the_way_of_an_older_one() {
        let mut case = Case::new(Some("d1.0.0"));
        case.trials.insert("d1.2.0".into(), Trial::Failed("traps".into()));
        let choice = case.choose(&["1.0.0", "1.1.0", "1.2.0"]);
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("d1.0.0"), Some("d1.1.0")));
    }

    #[test]
    fn taking_the_newest_away_goes_back_and_withdrawing_it_too() {
        let mut case = Case::new(Some("d1.1.0"));
        assert_eq!(case.choose(&["1.0.0"]).used.as_deref(), Some("d1.0.0"));
        case.trials.insert("d1.1.0".into(), Trial::Withdrawn("3 strikes".into()));
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!(choice.used.as_deref(), Some("d1.0.0"));
        assert_eq!(choice.others["d1.1.0"], ("withdrawn", Some("3 strikes".into())));
        let alone = case.choose(&["1.1.0"]);
        assert!(alone.parked.unwrap().contains("withdrawn and there is no other: 3 strikes"));
    }

    #[test]
    fn what_was_replaced_stays_until_the_other_was_tried() {
        let mut case = Case::new(Some("old"));
        let old = Candidate { version: Version::new(1, 1, 0), digest: "old".into(), replaced: true };
        let candidates = || vec![old.clone(), candidate("1.0.0")];
        let choice = case.choose_among(candidates());
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("old"), Some("d1.0.0")));
        case.trials.insert("d1.0.0".into(), Trial::Passed(Diff::default()));
        assert_eq!(case.choose_among(candidates()).used.as_deref(), Some("d1.0.0"), "also when it is older");
    }

    #[test]
    fn a_pinned_version_is_used_and_newer_ones_are_reported() {
        let mut case = Case::new(Some("d1.0.0"));
        case.file.pinned = Some(Version::new(1, 0, 0));
        case.file.policy.promote = Promote::Manual;
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("d1.0.0"), Some("d1.1.0")));
        case.trials.insert("d1.1.0".into(), Trial::Passed(Diff { added: 41, ..Diff::default() }));
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        let reason = choice.others["d1.1.0"].1.clone().unwrap();
        assert!(reason.contains("added 41") && reason.contains("evm@1.1.0"), "{reason}");
        case.file.pinned = Some(Version::new(2, 0, 0));
        let parked = case.choose(&["1.0.0", "1.1.0"]).parked.unwrap();
        assert_eq!(parked, "plugin evm@2.0.0 is not in PLUGINS_DIR; of evm there are 1.1.0, 1.0.0");
    }

    #[test]
    fn a_pinned_component_is_used_and_no_other_of_its_version() {
        let mut case = Case::new(Some("right"));
        let [right, wrong] = ["right", "wrong"].map(|digest| Candidate { digest: digest.into(), ..candidate("1.0.0") });
        case.file.pinned = Some(Version::new(1, 0, 0));
        case.file.pinned_digest = Some("right".to_owned());
        assert_eq!(case.choose_among(vec![wrong.clone(), right]).used.as_deref(), Some("right"));
        let parked = case.choose_among(vec![wrong]).parked.unwrap();
        assert_eq!(parked, "plugin evm@1.0.0@right is not in PLUGINS_DIR; of evm there are 1.0.0@wrong");
    }

    #[test]
    fn without_shadow_blocks_the_newest_takes_over_at_once() {
        let mut case = Case::new(Some("d1.0.0"));
        case.file.policy.shadow_blocks = 0;
        assert_eq!(case.choose(&["1.0.0", "1.1.0"]).used.as_deref(), Some("d1.1.0"));
    }
}
