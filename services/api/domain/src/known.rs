//! What is known of the followed chains, to say what is wrong with a name that means nothing.
//!
//! **Invariant:** a name is refused only where it certainly means nothing: of a chain whose notation is not known, and
//! before it is known which chains are followed, every name may mean something.

use crate::notation::Notation;
use std::fmt::Write;

/// One chain that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownChain {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// How it writes names.
    pub notation: Notation,
}

/// The chains that are followed; none where it is not known yet which are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownChains(Vec<KnownChain>);

/// Names listed in a sentence at most.
const MAX_LISTED: usize = 24;
/// Characters of what a client sent that are repeated in a sentence at most.
const MAX_REPEATED: usize = 64;

impl KnownChains {
    /// These chains are followed, and no others.
    pub fn new(mut chains: Vec<KnownChain>) -> Self {
        chains.sort_by(|a, b| a.id.cmp(&b.id));
        Self(chains)
    }

    /// Whether a chain of this id is followed; a sentence where none is.
    pub fn check_chain(&self, text: &str) -> Result<(), String> {
        if self.0.is_empty() || self.0.iter().any(|chain| chain.id == text) {
            return Ok(());
        }
        let ids: Vec<String> = self.0.iter().map(|chain| chain.id.clone()).collect();
        let mut sentence = format!("is `{}`, but no such chain is followed; followed are {}", cut(text), list(&ids));
        if let Some(meant) = self.meant_chain(text) {
            let _ = write!(sentence, "; did you mean `{meant}`?");
        }
        Err(sentence)
    }

    /// Whether a text may be an address on a chain, or on any that is followed; a sentence where it is none.
    pub fn check_address(&self, chain: Option<&str>, text: &str) -> Result<(), String> {
        self.check(chain, text, "an address", Notation::is_address, Notation::address_in_words)
    }

    /// Whether a text may be the hash of a transaction; a sentence where it is none.
    pub fn check_transaction(&self, chain: Option<&str>, text: &str) -> Result<(), String> {
        let words = Notation::transaction_in_words;
        self.check(chain, text, "the hash of a transaction", Notation::is_transaction, words)
    }

    /// Whether a text may be the id of an asset; a sentence where it is none. It may be a ticker then.
    pub fn check_asset(&self, chain: Option<&str>, text: &str) -> Result<(), String> {
        self.check(chain, text, "the id of an asset", Notation::is_asset, Notation::asset_in_words)
    }

    /// The transaction's hash as the chain, or the only kind of chain that it may be of, publishes it.
    pub fn normalized_transaction(&self, chain: Option<&str>, text: &str) -> String {
        let mut of = self.of_chain(chain).filter(|known| known.notation.is_transaction(text));
        of.next().map_or(Notation::Unknown, |known| known.notation).normalized_transaction(text)
    }

    fn of_chain(&self, chain: Option<&str>) -> impl Iterator<Item = &KnownChain> {
        self.0.iter().filter(move |known| chain.is_none_or(|chain| known.id == chain))
    }

    fn check(
        &self,
        chain: Option<&str>,
        text: &str,
        what: &str,
        may_be: impl Fn(Notation, &str) -> bool,
        in_words: impl Fn(Notation) -> &'static str,
    ) -> Result<(), String> {
        let mut forms: Vec<(&'static str, Vec<String>)> = vec![];
        for known in self.of_chain(chain) {
            if may_be(known.notation, text) {
                return Ok(());
            }
            let form = in_words(known.notation);
            match forms.iter_mut().find(|(words, _)| *words == form) {
                Some((_, ids)) => ids.push(known.id.clone()),
                None => forms.push((form, vec![known.id.clone()])),
            }
        }
        if forms.is_empty() {
            return Ok(());
        }
        let forms: Vec<String> = forms.iter().map(|(words, ids)| format!("on {} it is {words}", list(ids))).collect();
        let of = if chain.is_some() { "" } else { " on any chain that is followed" };
        Err(format!("is `{}`, which is not {what}{of}: {}", cut(text), forms.join("; ")))
    }

    /// The chain that was probably meant.
    fn meant_chain(&self, text: &str) -> Option<&str> {
        let text = text.to_lowercase();
        let distance = |chain: &KnownChain| {
            let names = [Some(&chain.id), chain.name.as_ref()].into_iter().flatten();
            names.map(|name| distance_of_names(&text, &name.to_lowercase())).min().unwrap_or(usize::MAX)
        };
        let nearest = self.0.iter().min_by_key(|chain| distance(chain))?;
        (distance(nearest) <= 2).then_some(&*nearest.id)
    }
}

/// How far two names are apart: 1 where one begins with the other, else the letters to change.
fn distance_of_names(a: &str, b: &str) -> usize {
    if a == b {
        return 0;
    }
    let begins = |long: &str, short: &str| short.len() >= 3 && long.starts_with(short);
    if begins(a, b) || begins(b, a) {
        return 1;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(MAX_REPEATED).collect(), b.chars().collect());
    // A short name becomes any other with few changes.
    if a.len().min(b.len()) < 4 {
        return usize::MAX;
    }
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, letter) in a.iter().enumerate() {
        let mut corner = row;
        let mut left = row + 1;
        for (at, other) in b.iter().enumerate() {
            let up = above[at + 1];
            let here = (corner + usize::from(letter != other)).min(up + 1).min(left + 1);
            above[at] = left;
            (corner, left) = (up, here);
        }
        above[b.len()] = left;
    }
    above[b.len()]
}

fn cut(text: &str) -> String {
    let mut letters = text.chars();
    let cut: String = letters.by_ref().take(MAX_REPEATED).collect();
    if letters.next().is_some() { cut + "…" } else { cut }
}

fn list(ids: &[String]) -> String {
    let mut listed: Vec<String> = ids.iter().take(MAX_LISTED).map(|id| format!("`{id}`")).collect();
    if ids.len() > MAX_LISTED {
        listed.push(format!("and {} more", ids.len() - MAX_LISTED));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains() -> KnownChains {
        let chain = |id: &str, name: &str, network: &str| KnownChain {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            notation: Notation::of_network(network),
        };
        KnownChains::new(vec![
            chain("sol", "Solana", "solana:5eykt"),
            chain("eth", "Ethereum", "eip155:1"),
            chain("base", "Base", "eip155:8453"),
        ])
    }

    #[test]
    fn a_chain_that_is_not_followed_is_named_with_those_that_are() {
        let known = chains();
        let said = |text: &str| known.check_chain(text).unwrap_err();
        let followed = "followed are `base`, `eth`, `sol`";
        let but = "but no such chain is followed";
        assert_eq!(said("ethereum"), format!("is `ethereum`, {but}; {followed}; did you mean `eth`?"));
        for (text, meant) in [("ETH", "eth"), ("solana", "sol"), ("bsae", "base"), ("Etherium", "eth")] {
            assert_eq!(said(text), format!("is `{text}`, {but}; {followed}; did you mean `{meant}`?"));
        }
        assert_eq!(said("polygon"), format!("is `polygon`, {but}; {followed}"));
        assert_eq!(said("e"), format!("is `e`, {but}; {followed}"));
        assert!(said(&"é".repeat(200)).contains(&format!("`{}…`", "é".repeat(64))));
        assert_eq!(known.check_chain("eth"), Ok(()));
        assert_eq!(KnownChains::default().check_chain("ethereum"), Ok(()), "it is not known yet which are followed");
    }

    #[test]
    fn what_is_no_address_of_any_chain_is_said() {
        let known = chains();
        let (address, mint) =
            ("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", "So11111111111111111111111111111111111111112");
        for chain in [None, Some("eth")] {
            assert_eq!(known.check_address(chain, address), Ok(()));
        }
        assert_eq!(known.check_address(None, mint), Ok(()));
        let hexadecimal = "`0x` and 40 hexadecimal digits";
        let said = "is `0x12`, which is not an address on any chain that is followed: on `base`, `eth` it is";
        let base58 = "on `sol` it is 32 bytes in base58, in which case matters";
        assert_eq!(known.check_address(None, "0x12"), Err(format!("{said} {hexadecimal}; {base58}")));
        let said = format!("is `{mint}`, which is not an address: on `eth` it is {hexadecimal}");
        assert_eq!(known.check_address(Some("eth"), mint), Err(said));
        assert_eq!(KnownChains::default().check_address(None, "0x12"), Ok(()));
        let mut open = chains().0;
        open.push(KnownChain { id: "new".into(), name: None, notation: Notation::Unknown });
        assert_eq!(KnownChains::new(open).check_address(None, "anything"), Ok(()));
    }

    #[test]
    fn a_ticker_is_no_id() {
        let said = chains().check_asset(Some("eth"), "WETH").unwrap_err();
        assert!(said.starts_with("is `WETH`, which is not the id of an asset: on `eth` it is a contract"), "{said}");
    }

    #[test]
    fn a_hash_is_normalized_as_its_chain_writes_it() {
        let hash = format!("0x{}", "AB".repeat(32));
        assert_eq!(chains().normalized_transaction(None, &hash), hash.to_ascii_lowercase());
        assert_eq!(chains().normalized_transaction(Some("new"), "0xAB"), "0xab");
        assert_eq!(chains().normalized_transaction(Some("sol"), "aB"), "aB");
    }
}
