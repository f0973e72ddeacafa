//! Which version of its plugin a chain uses: a pure rule over what is there, what was tried and what has failed.

use crate::chainfile::{Policy, Promote};
use crate::shadow::Diff;
use semver::Version;
use std::collections::BTreeMap;

/// A version that could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) version: Version,
    pub(super) digest: String,
    /// Its file was replaced by another: it is in use, in memory alone, until the other one has been tried.
    pub(super) replaced: bool,
}

/// How the comparison with the version in use came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Running,
    Passed(Diff),
    Failed(String),
}

/// What is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// The digest to be used.
    pub(super) used: Option<String>,
    /// The digest to be compared with the one in use.
    pub(super) try_next: Option<String>,
    /// What is said of the others, by digest: state and reason.
    pub(super) others: BTreeMap<String, (&'static str, Option<String>)>,
    /// Why nothing can be used.
    pub(super) parked: Option<String>,
}

/// What one chain asks for, and what it has been through.
pub(super) struct Situation<'a> {
    pub(super) plugin: &'a str,
    pub(super) pinned: Option<&'a Version>,
    pub(super) policy: &'a Policy,
    pub(super) in_use: Option<&'a str>,
    pub(super) withdrawn: &'a BTreeMap<String, String>,
    pub(super) trials: &'a BTreeMap<String, Trial>,
}

/// Decides.
pub(super) fn choose(mut candidates: Vec<Candidate>, situation: &Situation<'_>) -> Choice {
    // Newest first; what was replaced is only there to fall back on.
    candidates.sort_by(|a, b| (a.replaced, &b.version, &b.digest).cmp(&(b.replaced, &a.version, &a.digest)));
    let mut choice = Choice::default();
    for candidate in &candidates {
        if let Some(why) = situation.withdrawn.get(&candidate.digest) {
            choice.others.insert(candidate.digest.clone(), ("withdrawn", Some(why.clone())));
        }
    }
    let sound: Vec<&Candidate> =
        candidates.iter().filter(|candidate| !situation.withdrawn.contains_key(&candidate.digest)).collect();
    match situation.pinned {
        Some(version) => pinned(&mut choice, &sound, version, situation),
        None => newest(&mut choice, &sound, situation),
    }
    for candidate in sound {
        let digest = &candidate.digest;
        if choice.used.as_ref() != Some(digest) && !choice.others.contains_key(digest) {
            choice.others.insert(digest.clone(), ("superseded", None));
        }
    }
    if choice.used.is_none() {
        choice.parked = Some(missing(&candidates, situation));
    }
    choice
}

/// The version that the chain file names; newer ones are compared and reported.
fn pinned(choice: &mut Choice, sound: &[&Candidate], version: &Version, situation: &Situation<'_>) {
    choice.used = sound.iter().find(|candidate| candidate.version == *version).map(|it| it.digest.clone());
    if choice.used.as_deref() != situation.in_use || situation.policy.shadow_blocks == 0 {
        return;
    }
    for candidate in sound.iter().filter(|candidate| candidate.version > *version) {
        let cure = format!("to promote it, set plugin = \"{}@{}\"", situation.plugin, candidate.version);
        let said = match situation.trials.get(&candidate.digest) {
            None => {
                choice.try_next.get_or_insert_with(|| candidate.digest.clone());
                ("shadowing", None)
            }
            Some(Trial::Running) => ("shadowing", None),
            Some(Trial::Passed(diff)) => ("held", Some(format!("{diff}; {cure}"))),
            Some(Trial::Failed(why)) => ("held", Some(format!("{why}; {cure} all the same"))),
        };
        choice.others.insert(candidate.digest.clone(), said);
    }
}

/// The newest version that has passed its trial; the one in use until then.
fn newest(choice: &mut Choice, sound: &[&Candidate], situation: &Situation<'_>) {
    let in_use = situation.in_use.filter(|digest| sound.iter().any(|candidate| candidate.digest == *digest));
    for candidate in sound {
        let digest = &candidate.digest;
        if in_use.is_none() || in_use == Some(digest) || situation.policy.shadow_blocks == 0 {
            choice.used = Some(digest.clone());
            return;
        }
        match situation.trials.get(digest) {
            None => {
                choice.try_next = Some(digest.clone());
                choice.others.insert(digest.clone(), ("shadowing", None));
            }
            Some(Trial::Running) => {
                choice.others.insert(digest.clone(), ("shadowing", None));
            }
            Some(Trial::Passed(diff)) if situation.policy.promote == Promote::Auto || diff.is_superset() => {
                choice.used = Some(digest.clone());
                return;
            }
            Some(Trial::Passed(diff)) => {
                let why = format!("{diff}; policy.promote asks for a superset");
                choice.others.insert(digest.clone(), ("held", Some(why)));
                continue;
            }
            Some(Trial::Failed(why)) => {
                choice.others.insert(digest.clone(), ("held", Some(why.clone())));
                continue;
            }
        }
        // A trial is not over: nothing older needs one before.
        break;
    }
    choice.used = in_use.map(str::to_owned);
}

fn missing(candidates: &[Candidate], situation: &Situation<'_>) -> String {
    let id = situation.plugin;
    let wanted = situation.pinned.map_or_else(|| id.to_owned(), |version| format!("{id}@{version}"));
    let withdrawn = candidates.iter().find_map(|candidate| {
        let fits = situation.pinned.is_none_or(|version| *version == candidate.version);
        situation.withdrawn.get(&candidate.digest).filter(|_| fits)
    });
    if let Some(why) = withdrawn {
        return format!("plugin {wanted} is withdrawn and there is no other: {why}");
    }
    if candidates.is_empty() {
        return format!("plugin {wanted} is not in PLUGINS_DIR");
    }
    let there: Vec<String> = candidates.iter().map(|candidate| candidate.version.to_string()).collect();
    format!("plugin {wanted} is not in PLUGINS_DIR; of {id} there are {}", there.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(version: &str) -> Candidate {
        Candidate { version: version.parse().unwrap(), digest: format!("d{version}"), replaced: false }
    }

    struct Case {
        policy: Policy,
        pinned: Option<Version>,
        in_use: Option<&'static str>,
        withdrawn: BTreeMap<String, String>,
        trials: BTreeMap<String, Trial>,
    }

    impl Case {
        fn new(in_use: Option<&'static str>) -> Self {
            let (withdrawn, trials) = (BTreeMap::new(), BTreeMap::new());
            Self { policy: Policy::default(), pinned: None, in_use, withdrawn, trials }
        }

        fn choose(&self, versions: &[&str]) -> Choice {
            let candidates = versions.iter().map(|version| candidate(version)).collect();
            self.choose_of(candidates)
        }

        fn choose_of(&self, candidates: Vec<Candidate>) -> Choice {
            let situation = Situation {
                plugin: "evm",
                pinned: self.pinned.as_ref(),
                policy: &self.policy,
                in_use: self.in_use,
                withdrawn: &self.withdrawn,
                trials: &self.trials,
            };
            choose(candidates, &situation)
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
        case.trials.insert("d1.1.0".into(), Trial::Running);
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!((choice.used.as_deref(), choice.try_next), (Some("d1.0.0"), None));
        case.trials.insert("d1.1.0".into(), Trial::Passed(Diff { removed: 2, ..Diff::default() }));
        assert_eq!(case.choose(&["1.0.0", "1.1.0"]).used.as_deref(), Some("d1.1.0"));
        case.policy.promote = Promote::IdenticalOrSuperset;
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!(choice.used.as_deref(), Some("d1.0.0"));
        let (state, reason) = &choice.others["d1.1.0"];
        assert_eq!(*state, "held");
        assert!(reason.as_ref().unwrap().contains("removed 2"), "{reason:?}");
        case.trials.insert("d1.1.0".into(), Trial::Passed(Diff { added: 2, ..Diff::default() }));
        assert_eq!(case.choose(&["1.0.0", "1.1.0"]).used.as_deref(), Some("d1.1.0"));
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
        case.withdrawn.insert("d1.1.0".into(), "3 strikes".into());
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
        let choice = case.choose_of(candidates());
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("old"), Some("d1.0.0")));
        case.trials.insert("d1.0.0".into(), Trial::Passed(Diff::default()));
        assert_eq!(case.choose_of(candidates()).used.as_deref(), Some("d1.0.0"), "also when it is older");
    }

    #[test]
    fn a_pinned_version_is_used_and_newer_ones_are_reported() {
        let mut case = Case::new(Some("d1.0.0"));
        case.pinned = Some(Version::new(1, 0, 0));
        case.policy.promote = Promote::Manual;
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        assert_eq!((choice.used.as_deref(), choice.try_next.as_deref()), (Some("d1.0.0"), Some("d1.1.0")));
        case.trials.insert("d1.1.0".into(), Trial::Passed(Diff { added: 41, ..Diff::default() }));
        let choice = case.choose(&["1.0.0", "1.1.0"]);
        let reason = choice.others["d1.1.0"].1.clone().unwrap();
        assert!(reason.contains("added 41") && reason.contains("evm@1.1.0"), "{reason}");
        case.pinned = Some(Version::new(2, 0, 0));
        let parked = case.choose(&["1.0.0", "1.1.0"]).parked.unwrap();
        assert_eq!(parked, "plugin evm@2.0.0 is not in PLUGINS_DIR; of evm there are 1.1.0, 1.0.0");
    }

    #[test]
    fn without_shadow_blocks_the_newest_takes_over_at_once() {
        let mut case = Case::new(Some("d1.0.0"));
        case.policy.shadow_blocks = 0;
        assert_eq!(case.choose(&["1.0.0", "1.1.0"]).used.as_deref(), Some("d1.1.0"));
    }
}
