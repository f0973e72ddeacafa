//! Counts of events that look like trades and became none, by reason and venue, as a block's attributes tell them.

use std::collections::BTreeMap;

/// What the names of these attributes begin with; the reason and the venue follow, with a dot between.
const PREFIX: &str = "dropped";

/// Events that became no trade, by reason and venue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedEvents(BTreeMap<(&'static str, &'static str), u64>);

impl DroppedEvents {
    /// Counts one more.
    pub fn count(&mut self, reason: &'static str, venue: &'static str) {
        *self.0.entry((reason, venue)).or_default() += 1;
    }

    /// Adds the counts of another part of the same block.
    pub fn add(&mut self, other: Self) {
        for (of, count) in other.0 {
            *self.0.entry(of).or_default() += count;
        }
    }

    /// How many there are of a reason, of all venues.
    pub fn total(&self, reason: &str) -> u64 {
        self.0.iter().filter(|((of, _), _)| *of == reason).map(|(_, count)| count).sum()
    }

    /// The block's attributes: the total of each reason by its name, and `dropped.REASON.VENUE`.
    pub fn attributes(&self) -> impl Iterator<Item = (String, String)> {
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for ((reason, _), count) in &self.0 {
            *totals.entry(reason).or_default() += count;
        }
        let totals = totals.into_iter().map(|(reason, count)| (reason.to_owned(), count.to_string()));
        let each = self.0.iter();
        totals.chain(each.map(|((reason, venue), count)| (format!("{PREFIX}.{reason}.{venue}"), count.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_tell_the_total_and_each_venue() {
        let mut dropped = DroppedEvents::default();
        dropped.count("unbacked", "v2");
        dropped.count("unbacked", "v3");
        let mut more = DroppedEvents::default();
        more.count("unbacked", "v2");
        more.count("unlisted", "v4");
        dropped.add(more);
        assert_eq!((dropped.total("unbacked"), dropped.total("unlisted"), dropped.total("other")), (3, 1, 0));
        let attributes: Vec<_> = dropped.attributes().map(|(name, count)| format!("{name}={count}")).collect();
        let right =
            ["unbacked=3", "unlisted=1", "dropped.unbacked.v2=2", "dropped.unbacked.v3=1", "dropped.unlisted.v4=1"];
        assert_eq!(attributes, right);
        assert_eq!(DroppedEvents::default().attributes().count(), 0);
    }
}
