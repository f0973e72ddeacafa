//! A range of the partitions of trades: what one database owns where several share the users among them.

use crate::topics::TRADES;
use std::fmt;
use std::str::FromStr;
use tape::Partition;

/// Partitions from a first to a last index, both included, of the topics that are partitioned by user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRange {
    first: u32,
    last: u32,
}

impl PartitionRange {
    /// Whether a partition is one of them.
    pub fn contains(self, partition: &Partition) -> bool {
        (self.first..=self.last).contains(&partition.index)
    }

    /// The name of the group that reads these partitions for a service: each range has a group of its own.
    pub fn group_of(self, service: &str) -> String {
        format!("{service}-{self}")
    }
}

/// A text that is no range of partitions.
#[derive(Debug, thiserror::Error)]
#[error("it is no range of the {} partitions of trades, FIRST-LAST from 0 to {}", TRADES.partitions, TRADES.partitions - 1)]
pub struct NotARange;

impl FromStr for PartitionRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let (first, last) = text.split_once('-').ok_or(NotARange)?;
        let index = |text: &str| text.trim().parse::<u32>().map_err(|_| NotARange);
        let (first, last) = (index(first)?, index(last)?);
        if first > last || last >= TRADES.partitions {
            return Err(NotARange);
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for PartitionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_a_range() {
        let range: PartitionRange = "32 - 63".parse().unwrap();
        let within = |index| range.contains(&TRADES.partition(index));
        assert_eq!([31, 32, 63].map(within), [false, true, true]);
        assert_eq!((range.to_string(), range.group_of("metrics")), ("32-63".to_owned(), "metrics-32-63".to_owned()));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "5", "5-", "-5", "9-3", "0-64", "a-b", "1-2-3"] {
            assert!(text.parse::<PartitionRange>().is_err(), "{text}");
        }
    }
}
