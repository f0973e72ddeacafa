//! Names of chains that share something with another chain, such as a partition of the journal.

/// A name `PREFIX-NUMBER` of another chain that lies where this one does; `place` says where a chain of a name lies.
pub fn neighbour_of<P: PartialEq>(chain: &str, prefix: &str, place: impl Fn(&str) -> P) -> String {
    let wanted = place(chain);
    let names = (0_u32..).map(|number| format!("{prefix}-{number}"));
    names.into_iter().find(|name| name != chain && place(name) == wanted).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_another_chain_in_the_same_place() {
        let place = |name: &str| name.len();
        assert_eq!(neighbour_of("chain-0", "chain", place), "chain-1");
        assert_eq!(neighbour_of("elsewhere", "chain", place), "chain-100");
    }
}
