//! Platforms on the mock chain: which of its transactions went through one, and what it charged.
//!
//! Whether a transaction goes through a platform follows from its hash, so a chain without platforms is the same chain
//! without them: the same users trade the same amounts.

use chain_plugin_sdk::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most that a platform may charge: a tenth.
const MAX_FEE_BPS: u64 = 1_000;

/// A platform, as a chain file names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Platform {
    /// The contracts that its users call.
    pub routers: Vec<String>,
    /// What its partners put into calls of other routers.
    pub codes: Vec<String>,
    /// The account that its fees go to.
    pub fee_recipient: String,
    /// What it charges, in hundredths of a percent of the dollars.
    pub fee_bps: u64,
    /// One transaction in so many goes through it.
    pub one_in: u64,
}

impl Default for Platform {
    fn default() -> Self {
        Self { routers: vec![], codes: vec![], fee_recipient: "mock:fees".to_owned(), fee_bps: 50, one_in: 3 }
    }
}

/// How a transaction went through a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlatformUse<'a> {
    /// The platform's name.
    pub(crate) name: &'a str,
    /// Its router that was called; none where a code was given to another.
    pub(crate) router: Option<&'a str>,
    /// The code that was given.
    pub(crate) code: Option<&'a str>,
    /// The account that its fee went to.
    pub(crate) fee_recipient: &'a str,
    /// What it charged, in hundredths of a percent.
    pub(crate) fee_bps: u64,
}

/// Checks platforms.
pub(crate) fn check(platforms: &BTreeMap<String, Platform>) -> Result<(), Failure> {
    for (name, platform) in platforms {
        let bad = |rule: &str| Err(Failure::BadSettings(format!("platforms: {name}: {rule}")));
        if name.is_empty() || name.len() > 64 {
            return bad("its name must have 1 to 64 bytes");
        }
        if platform.routers.is_empty() && platform.codes.is_empty() {
            return bad("it has neither routers nor codes");
        }
        if platform.fee_bps > MAX_FEE_BPS || platform.one_in == 0 {
            return bad("fee-bps must be at most 1000, and one-in at least 1");
        }
        let texts = platform.routers.iter().chain(&platform.codes).chain([&platform.fee_recipient]);
        if texts.into_iter().any(|text| text.is_empty() || text.len() > 128) {
            return bad("routers, codes and fee-recipient must have 1 to 128 bytes");
        }
    }
    Ok(())
}

/// The platform that the transaction of a hash went through, if any: the first by name.
pub(crate) fn used<'a>(platforms: &'a BTreeMap<String, Platform>, hash: &str) -> Option<PlatformUse<'a>> {
    let digits = hash.get(2..16).unwrap_or_default();
    let number = u64::from_str_radix(digits, 16).ok()?;
    let mut numbered = (0_u64..).zip(platforms);
    let (_, (name, platform)) =
        numbered.find(|(at, (_, platform))| number % platform.one_in == at % platform.one_in)?;
    let ways = u64::try_from(platform.routers.len() + platform.codes.len()).ok()?;
    // A component's `usize` has 32 bits: the number is larger than that, its remainder is not.
    let way = usize::try_from((number / platform.one_in).checked_rem(ways)?).ok()?;
    Some(PlatformUse {
        name,
        router: platform.routers.get(way).map(String::as_str),
        code: way.checked_sub(platform.routers.len()).and_then(|at| platform.codes.get(at)).map(String::as_str),
        fee_recipient: &platform.fee_recipient,
        fee_bps: platform.fee_bps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    fn platforms(json: &str) -> BTreeMap<String, Platform> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_part_of_all_transactions_goes_through_a_platform_by_router_or_code() {
        let shop = platforms(r#"{"shop": {"routers": ["r1", "r2"], "codes": ["c"], "fee-bps": 30, "one-in": 4}}"#);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut random = Random::from_words(&[7]);
        for _ in 0..12_000 {
            let hash = random.hex(32);
            let Some(used) = used(&shop, &hash) else { continue };
            assert_eq!((used.name, used.fee_bps, used.fee_recipient), ("shop", 30, "mock:fees"));
            assert!(used.router.is_some() != used.code.is_some(), "{used:?}");
            *counts.entry(used.router.or(used.code).unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["c", "r1", "r2"]);
        assert!(counts.values().all(|count| (900..1_100).contains(count)), "{counts:?}");
        assert_eq!(used(&BTreeMap::new(), &random.hex(32)), None);
    }

    #[test]
    fn wrong_platforms_are_named() {
        for (wrong, said) in [
            (r#"{"shop": {}}"#, "shop: it has neither routers nor codes"),
            (r#"{"shop": {"codes": ["c"], "fee-bps": 1001}}"#, "fee-bps must be at most 1000"),
            (r#"{"shop": {"codes": ["c"], "one-in": 0}}"#, "one-in at least 1"),
            (r#"{"shop": {"routers": [""]}}"#, "must have 1 to 128 bytes"),
            (r#"{"": {"codes": ["c"]}}"#, "its name must have"),
        ] {
            let Err(Failure::BadSettings(why)) = check(&platforms(wrong)) else { panic!("{wrong} passes") };
            assert!(why.contains(said), "{why}");
        }
        assert_eq!(check(&platforms(r#"{"shop": {"codes": ["c"]}}"#)), Ok(()));
    }
}
