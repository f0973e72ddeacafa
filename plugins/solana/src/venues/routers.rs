//! Routers: programs that cross pools on somebody's behalf. They make no legs, so nothing is counted twice; they are
//! named in a trade's attributes, and what a known one calls may be a pool that nobody has heard of.

/// Name and program.
pub const KNOWN: &[(&str, &str)] = &[
    ("jupiter-v4", "JUP4Fb2cqiRUcaTHdrPC8h2gNsA2ETXiPDD33WcGuJB"),
    ("jupiter-v6", "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"),
    ("dflow", "DF1ow4tspfHX9JwWJsAb9epbkA8hmpSEAtxXy1V27QBH"),
    ("okx", "6m2CDdhRgxpH4WjvdzxAYbGxwdGUz5MziiL5jek2kBma"),
    ("okx-v2", "proVF4pMXVaYqmy4NjniPh4pqKNfMmsihgd4wdkCX3u"),
    ("raydium-route", "routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS"),
    ("titan", "T1TANpTeScyeqVzzgNViGDNrkQ6qHz9KrSBS4aNXvGT"),
];

/// The router that a program is.
pub fn of(program: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(_, known)| *known == program).map(|(name, _)| *name)
}
