//! What is said of an asset beside its amount. What was not told is unknown, which is not the same as false or none.

/// What is said of an asset beside its amount; none where it was not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoration {
    /// The ticker, cleaned.
    pub symbol: Option<String>,
    /// How many digits are fractional.
    pub decimals: Option<u8>,
    /// Whether it is called spam.
    pub spam: Option<bool>,
    /// Whether its contract is called verified.
    pub verified: Option<bool>,
}

impl Decoration {
    /// What this one tells, and beyond it what the other does.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            symbol: self.symbol.or_else(|| other.symbol.clone()),
            decimals: self.decimals.or(other.decimals),
            spam: self.spam.or(other.spam),
            verified: self.verified.or(other.verified),
        }
    }

    /// What two rows tell of one asset: it is no spam where one of them says so, and verified where one of them says so.
    #[must_use]
    pub fn joined_with(self, other: &Self) -> Self {
        let spam = if other.spam == Some(false) { other.spam } else { self.spam };
        let verified = if other.verified == Some(true) { other.verified } else { self.verified };
        Self { spam, verified, ..self }.or(other)
    }
}

/// What a provider said of an asset in its newest snapshot of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDecoration {
    /// The provider.
    pub provider: String,
    /// The asset.
    pub asset: String,
    /// What it said.
    pub decoration: Decoration,
}

/// What is shown of an asset: what the provider told now, and where it tells nothing, what was told last. A ticker and
/// decimals that a preferred provider told stay, so that a fallback does not rename an asset.
pub fn decoration_to_show(
    told: &Decoration,
    known_newest_first: &[&KnownDecoration],
    preferred: &[&'static str],
) -> Decoration {
    let of_provider = |name: &&str| known_newest_first.iter().find(|known| known.provider == **name);
    let first = preferred.iter().filter_map(|name| of_provider(name).map(|known| &known.decoration));
    let first = first.fold(Decoration::default(), Decoration::or);
    let named = Decoration { spam: None, verified: None, ..first };
    known_newest_first.iter().fold(named.or(told), |told, known| told.or(&known.decoration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(symbol: &str, spam: Option<bool>) -> Decoration {
        let symbol = Some(symbol.to_owned()).filter(|symbol| !symbol.is_empty());
        Decoration { symbol, spam, ..Decoration::default() }
    }

    fn known(provider: &str, decoration: Decoration) -> KnownDecoration {
        KnownDecoration { provider: provider.to_owned(), asset: "coin".to_owned(), decoration }
    }

    #[test]
    fn what_is_not_told_is_what_was_told_last() {
        let (yes, no) = (Some(true), Some(false));
        let first = || known("first", said("CLAIM", yes));
        // What was told now, what is known (newest first), the preferred providers, what is shown.
        let cases = [
            (said("", None), vec![], vec![], said("", None)),
            (said("S", no), vec![first()], vec![], said("S", no)),
            (said("S", None), vec![first()], vec!["first"], said("CLAIM", yes)),
            (said("S", no), vec![first()], vec!["first"], said("CLAIM", no)),
            (said("S", None), vec![known("first", said("", yes))], vec!["first"], said("S", yes)),
            (said("", None), vec![known("second", said("S", no)), first()], vec!["zero"], said("S", no)),
        ];
        for (told, known, preferred, shown) in cases {
            let known: Vec<&KnownDecoration> = known.iter().collect();
            assert_eq!(decoration_to_show(&told, &known, &preferred), shown, "{told:?} {known:?} {preferred:?}");
        }
    }

    #[test]
    fn rows_of_one_asset_are_spam_only_where_none_denies_it() {
        let (yes, no) = (Some(true), Some(false));
        for (one, other, both) in
            [(yes, yes, yes), (yes, no, no), (no, yes, no), (None, yes, yes), (yes, None, yes), (None, None, None)]
        {
            assert_eq!(said("", one).joined_with(&said("", other)).spam, both, "{one:?} {other:?}");
        }
    }
}
