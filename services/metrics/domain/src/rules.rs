//! The rules by which a book is kept. They are stored with it, because its figures are a function of the trades and of
//! these rules.

use crate::entry::Entry;
use crate::holding::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rules of a book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookRules {
    /// How the cost of what is sold is calculated.
    pub method: Method,
    /// By chain, the native asset where that has a position and realized PnL of its own. Where a chain names none, all
    /// that trades mark as quote is cash.
    pub natives: BTreeMap<Arc<str>, Arc<str>>,
}

impl BookRules {
    /// What counts as cash, as settings, tables and responses name it.
    pub fn quote(&self) -> &'static str {
        if self.natives.is_empty() { Self::DOLLARS_AND_NATIVE } else { Self::DOLLARS }
    }

    /// Only dollars are cash.
    pub const DOLLARS: &'static str = "dollars";
    /// Dollars and native assets are cash.
    pub const DOLLARS_AND_NATIVE: &'static str = "dollars-and-native";

    /// Applies the rules to a trade that was decoded without them.
    pub(crate) fn apply(&self, entry: &mut Entry) {
        let Some(native) = self.natives.get(&entry.user.chain) else { return };
        for lot in [&mut entry.sold, &mut entry.bought] {
            lot.quote &= lot.asset != *native;
        }
    }
}

impl From<Method> for BookRules {
    fn from(method: Method) -> Self {
        Self { method, ..Self::default() }
    }
}
