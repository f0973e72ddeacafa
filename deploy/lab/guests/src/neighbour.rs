//! Names of chains that share a partition of the journal with another chain.

use tape_log::topics::JOURNAL;

/// A name `PREFIX-NUMBER` of a chain whose journal lies in the partition of another chain's.
pub fn neighbour_of(chain: &str, prefix: &str) -> String {
    let partition = JOURNAL.partition_of(chain.as_bytes());
    let names = (0_u32..).map(|number| format!("{prefix}-{number}"));
    names.into_iter().find(|name| name != chain && JOURNAL.partition_of(name.as_bytes()) == partition).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_another_chain_of_the_same_partition() {
        for chain in ["one", "beside-0", "beside-7"] {
            let neighbour = neighbour_of(chain, "beside");
            assert_ne!(neighbour, chain);
            assert_eq!(JOURNAL.partition_of(neighbour.as_bytes()), JOURNAL.partition_of(chain.as_bytes()));
        }
    }
}
