//! The rules of the book as a database stores them, and whether a book may be used with the rules that are asked for.

use crate::adapters::OpenError;
use metrics_domain::BookRules;
use std::collections::{BTreeMap, BTreeSet};

/// The rules as they stand in a row of the table `method`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRules {
    /// The name of the cost method.
    pub(crate) method: String,
    /// The native assets with positions, `chain=asset` separated by commas.
    pub(crate) natives: String,
    /// The largest plausible worth of a trade, in dollars.
    pub(crate) max_notional: String,
}

/// Rules that differ from the requested ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RulesDiffer {
    /// The chain whose trades they are about; none where they are about all.
    pub(crate) chain: Option<String>,
    /// The settings that say so.
    pub(crate) settings: &'static str,
    /// What the book was built with.
    pub(crate) stored: String,
}

impl From<&BookRules> for StoredRules {
    fn from(rules: &BookRules) -> Self {
        let natives: Vec<String> = rules.natives.iter().map(|(chain, asset)| format!("{chain}={asset}")).collect();
        let (method, natives) = (rules.method.name().to_owned(), natives.join(","));
        Self { method, natives, max_notional: rules.max_notional.to_string() }
    }
}

impl StoredRules {
    /// Where these rules differ from the requested ones: the book may be used if it has no trades that they are about.
    /// The method must be the same.
    pub(crate) fn differences(&self, requested: &BookRules) -> Result<Vec<RulesDiffer>, OpenError> {
        if self.method != requested.method.name() {
            return Err(OpenError::Method { stored: self.method.clone(), requested: requested.method });
        }
        let mut differences = vec![];
        if self.max_notional != requested.max_notional.to_string() {
            let (settings, stored) = ("METRICS_MAX_NOTIONAL_USD", self.max_notional.clone());
            differences.push(RulesDiffer { chain: None, settings, stored });
        }
        let stored: BTreeMap<&str, &str> = self.natives.split(',').filter_map(|pair| pair.split_once('=')).collect();
        let requested: BTreeMap<&str, &str> =
            requested.natives.iter().map(|(chain, asset)| (&**chain, &**asset)).collect();
        let chains: BTreeSet<&str> = stored.keys().chain(requested.keys()).copied().collect();
        let differ = chains.into_iter().filter(|chain| stored.get(chain) != requested.get(chain));
        differences.extend(differ.map(|chain| RulesDiffer {
            chain: Some(chain.to_owned()),
            settings: "METRICS_QUOTE and METRICS_NATIVE",
            stored: self.natives.clone(),
        }));
        Ok(differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_domain::Method;

    fn rules(natives: &[(&str, &str)]) -> BookRules {
        let natives = natives.iter().map(|(chain, asset)| ((*chain).into(), (*asset).into())).collect();
        BookRules { natives, ..BookRules::default() }
    }

    #[test]
    fn only_what_differs_is_named() {
        let stored = StoredRules::from(&rules(&[("b", "2"), ("a", "1")]));
        assert_eq!((stored.natives.as_str(), stored.max_notional.as_str()), ("a=1,b=2", "1000000000"));
        for (requested, differ) in [
            (&[("a", "1"), ("b", "2")][..], &[][..]),
            (&[("a", "1"), ("b", "2"), ("c", "3")], &["c"]),
            (&[("a", "1")], &["b"]),
            (&[("a", "9"), ("b", "2")], &["a"]),
            (&[], &["a", "b"]),
        ] {
            let differences = stored.differences(&rules(requested)).unwrap();
            let chains: Vec<&str> = differences.iter().filter_map(|one| one.chain.as_deref()).collect();
            assert_eq!(chains, differ, "{requested:?}");
        }
        let other = BookRules { max_notional: "5".parse().unwrap(), ..rules(&[("a", "1"), ("b", "2")]) };
        let differences = stored.differences(&other).unwrap();
        assert_eq!(differences.iter().map(|one| one.chain.clone()).collect::<Vec<_>>(), [None]);
        let refused = stored.differences(&BookRules { method: Method::Fifo, ..rules(&[]) });
        assert!(matches!(refused, Err(OpenError::Method { .. })), "{refused:?}");
    }
}
