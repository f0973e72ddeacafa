//! How sure the sides of a trade are, in the words of its attribute `confidence`, and volume counted by these words. Pure.

use crate::amounts::Dollars;
use tape::Trade;

/// How sure the sides of a trade are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// Both sides are what moved: the trade carries no such attribute.
    #[default]
    Exact,
    /// A router's or an order's word alone tells a side.
    Reported,
    /// A trace alone would tell a side, and there is none.
    Estimated,
    /// A trace told a side.
    Traced,
    /// The attribute holds another word, or was not stored with the trade.
    Unknown,
}

/// Volume by the confidence of its trades. What is of unknown confidence is the rest of the volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfidenceVolumes {
    /// Worth of swaps both of whose sides are what moved.
    pub exact: Dollars,
    /// Worth of swaps of which a report alone tells a side.
    pub reported: Dollars,
    /// Worth of swaps of which a trace alone would tell a side.
    pub estimated: Dollars,
    /// Worth of swaps of which a trace told a side.
    pub traced: Dollars,
}

/// The words as tables hold them; where both sides are what moved, a column is null.
const WORDS: [(Confidence, &str); 4] = [
    (Confidence::Reported, "reported"),
    (Confidence::Estimated, "estimated"),
    (Confidence::Traced, "traced"),
    (Confidence::Unknown, "unknown"),
];

impl Confidence {
    /// That of a trade.
    pub(crate) fn of_trade(trade: &Trade) -> Self {
        Self::from_word(trade.attributes.get(Trade::CONFIDENCE).map(String::as_str))
    }

    /// The confidence that a word stands for, in the attribute of a trade or in a column.
    pub fn from_word(word: Option<&str>) -> Self {
        let Some(word) = word.filter(|word| *word != "exact") else { return Self::Exact };
        WORDS.iter().find(|(_, known)| *known == word).map_or(Self::Unknown, |(confidence, _)| *confidence)
    }

    /// The word that a column holds; none where both sides are what moved.
    pub fn word(self) -> Option<&'static str> {
        WORDS.iter().find(|(confidence, _)| *confidence == self).map(|(_, word)| *word)
    }
}

impl ConfidenceVolumes {
    /// The columns that hold the amounts, in the order of [`Self::amounts`].
    pub const COLUMNS: [&'static str; 4] =
        ["volume_exact_usd", "volume_reported_usd", "volume_estimated_usd", "volume_traced_usd"];

    /// All amounts.
    pub fn amounts(&self) -> [&Dollars; 4] {
        [&self.exact, &self.reported, &self.estimated, &self.traced]
    }

    /// All amounts, to be changed.
    pub fn amounts_mut(&mut self) -> [&mut Dollars; 4] {
        [&mut self.exact, &mut self.reported, &mut self.estimated, &mut self.traced]
    }

    /// The part of a volume whose confidence is unknown.
    pub fn unknown(&self, volume: &Dollars) -> Dollars {
        self.amounts().into_iter().fold(volume.clone(), |rest, known| &rest - known)
    }

    /// Adds other volumes.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, one) in self.amounts_mut().into_iter().zip(other.amounts()) {
            *sum += one;
        }
    }

    /// The amount to which a trade of this confidence belongs; none where it is unknown.
    pub(crate) fn amount_mut(&mut self, confidence: Confidence) -> Option<&mut Dollars> {
        match confidence {
            Confidence::Exact => Some(&mut self.exact),
            Confidence::Reported => Some(&mut self.reported),
            Confidence::Estimated => Some(&mut self.estimated),
            Confidence::Traced => Some(&mut self.traced),
            Confidence::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for confidence in
            [Confidence::Exact, Confidence::Reported, Confidence::Estimated, Confidence::Traced, Confidence::Unknown]
        {
            assert_eq!(Confidence::from_word(confidence.word()), confidence);
        }
        assert_eq!(Confidence::from_word(Some("exact")), Confidence::Exact, "said in so many words");
        for word in ["", "Exact", "guessed", "exact "] {
            assert_eq!(Confidence::from_word(Some(word)), Confidence::Unknown, "{word:?}");
        }
    }

    #[test]
    fn what_no_word_tells_is_the_rest_of_the_volume() {
        let usd = |text: &str| text.parse::<Dollars>().unwrap();
        let mut volumes = ConfidenceVolumes::default();
        *volumes.amount_mut(Confidence::Traced).unwrap() += &usd("2.5");
        *volumes.amount_mut(Confidence::Reported).unwrap() += &usd("1");
        assert!(volumes.amount_mut(Confidence::Unknown).is_none());
        assert_eq!(volumes.unknown(&usd("10")), usd("6.5"));
        let known: Vec<String> = volumes.amounts().into_iter().map(ToString::to_string).collect();
        assert_eq!(known, ["0", "1", "0", "2.5"]);
    }
}
