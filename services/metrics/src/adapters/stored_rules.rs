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
}

impl From<&BookRules> for StoredRules {
    fn from(rules: &BookRules) -> Self {
        let natives: Vec<String> = rules.natives.iter().map(|(chain, asset)| format!("{chain}={asset}")).collect();
        Self { method: rules.method.name().to_owned(), natives: natives.join(",") }
    }
}

impl StoredRules {
    /// The chains on which these rules and the requested ones differ: the book may be used if it has no trades of them.
    /// Rules that hold for every chain must be the same.
    pub(crate) fn chains_that_differ(&self, requested: &BookRules) -> Result<Vec<String>, OpenError> {
        if self.method != requested.method.name() {
            return Err(OpenError::Method { stored: self.method.clone(), requested: requested.method });
        }
        let stored: BTreeMap<&str, &str> = self.natives.split(',').filter_map(|pair| pair.split_once('=')).collect();
        let requested: BTreeMap<&str, &str> =
            requested.natives.iter().map(|(chain, asset)| (&**chain, &**asset)).collect();
        let chains: BTreeSet<&str> = stored.keys().chain(requested.keys()).copied().collect();
        let differ = chains.into_iter().filter(|chain| stored.get(chain) != requested.get(chain));
        Ok(differ.map(str::to_owned).collect())
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
    fn only_chains_that_differ_are_named() {
        let stored = StoredRules::from(&rules(&[("b", "2"), ("a", "1")]));
        assert_eq!(stored.natives, "a=1,b=2");
        for (requested, differ) in [
            (&[("a", "1"), ("b", "2")][..], &[][..]),
            (&[("a", "1"), ("b", "2"), ("c", "3")], &["c"]),
            (&[("a", "1")], &["b"]),
            (&[("a", "9"), ("b", "2")], &["a"]),
            (&[], &["a", "b"]),
        ] {
            assert_eq!(stored.chains_that_differ(&rules(requested)).unwrap(), differ, "{requested:?}");
        }
        let refused = stored.chains_that_differ(&BookRules { method: Method::Fifo, ..rules(&[]) });
        assert!(matches!(refused, Err(OpenError::Method { .. })), "{refused:?}");
    }
}
