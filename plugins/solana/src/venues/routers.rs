//! Routers: programs that cross pools on somebody's behalf. They make no legs, so nothing is counted twice. A trade's
//! attributes name them, and a program that a known router calls may be an unknown pool.

/// Name and program of each.
pub(crate) const ROUTERS: &[(&str, &str)] = &[
    ("jupiter-v4", "JUP4Fb2cqiRUcaTHdrPC8h2gNsA2ETXiPDD33WcGuJB"),
    ("jupiter-v6", "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"),
    ("dflow", "DF1ow4tspfHX9JwWJsAb9epbkA8hmpSEAtxXy1V27QBH"),
    ("okx", "6m2CDdhRgxpH4WjvdzxAYbGxwdGUz5MziiL5jek2kBma"),
    ("okx-v2", "proVF4pMXVaYqmy4NjniPh4pqKNfMmsihgd4wdkCX3u"),
    ("raydium-route", "routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS"),
    ("titan", "T1TANpTeScyeqVzzgNViGDNrkQ6qHz9KrSBS4aNXvGT"),
];

/// The name of the router that a program is.
pub(crate) fn router_of_program(program: &str) -> Option<&'static str> {
    ROUTERS.iter().find(|(_, known)| *known == program).map(|(name, _)| *name)
}
