//! The rules by which a book is kept. They are stored with it, because its figures are a function of the trades and of
//! these rules.

use crate::amounts::Dollars;
use crate::entry::Entry;
use crate::holding::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use tape::Usd;

/// The rules of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookRules {
    /// How the cost of what is sold is calculated.
    pub method: Method,
    /// By chain, the native asset where that has a position and realized PnL of its own. Where a chain names none, all
    /// that trades mark as quote is cash.
    pub natives: BTreeMap<Arc<str>, Arc<str>>,
    /// A trade whose worth or fee exceeds this is implausible: it is counted apart, and is not valued otherwise.
    pub max_notional: Dollars,
}

/// What a trade may be worth at most where no setting says: a billion dollars. No trade that is known was worth more.
const DEFAULT_MAX_NOTIONAL: Usd = Usd(Usd::ONE.0 * 1_000_000_000);

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
        let claimed = entry.notional.as_ref().max(entry.fee.as_ref());
        if claimed.is_some_and(|usd| *usd > self.max_notional) {
            entry.implausible = claimed.cloned();
            (entry.notional, entry.fee) = (None, None);
        }
        let Some(native) = self.natives.get(&entry.user.chain) else { return };
        for lot in [&mut entry.sold, &mut entry.bought] {
            lot.quote &= lot.asset != *native;
        }
    }
}

impl Default for BookRules {
    fn default() -> Self {
        Self { method: Method::default(), natives: BTreeMap::new(), max_notional: DEFAULT_MAX_NOTIONAL.into() }
    }
}

impl From<Method> for BookRules {
    fn from(method: Method) -> Self {
        Self { method, ..Self::default() }
    }
}
