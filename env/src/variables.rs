//! The variables that processes know, and a word on those that nobody reads: a typing error is not silence.

use crate::Strings;

/// Every variable of the table in `env/README.md` whose name is fixed.
const KNOWN: &[&str] = &[
    "APP_ENV",
    "ENV_DIR",
    "LOG",
    "RUST_LOG",
    "TOPIC_PREFIX",
    "TOPIC_REPLICATION",
    "TOPIC_MIN_INSYNC",
    "TOPIC_SETTINGS_OMITTED",
    "HEALTH_ADDR",
    "CHAINS_DIR",
    "PLUGINS_DIR",
    "PLUGINS_ALLOW",
    "SECRETS_DIR",
    "INSTANCE",
    "SCANS_AT_ONCE",
    "METRICS_METHOD",
    "METRICS_WORKERS",
    "METRICS_PARTITIONS",
    "METRICS_RETENTION_DAYS",
    "METRICS_BATCH_EVENTS",
    "METRICS_REMEMBERED",
    "METRICS_QUOTE",
    "METRICS_NATIVE",
    "METRICS_MAX_NOTIONAL_USD",
    "METRICS_PRICE_FLOOR_USD",
    "METRICS_PRICE_BAND",
    "PORTFOLIO_PROVIDER",
    "PORTFOLIO_TRACK",
    "PORTFOLIO_LIST",
    "PORTFOLIO_RATE",
    "PORTFOLIO_DEBOUNCE_MS",
    "PORTFOLIO_QUEUE_MAX",
    "MORALIS_URL",
    "MORALIS_SOLANA_URL",
    "MORALIS_RATE",
    "ALCHEMY_URL",
    "ALCHEMY_NODE_URL",
    "ALCHEMY_RATE",
    "API_ADDR",
    "API_CORS_ORIGINS",
    "API_RATE_PER_SECOND",
    "API_TRUSTED_PROXIES",
    "API_LOOKBACK_MINUTES",
    "API_MAX_CONNECTIONS",
    "API_STREAMS_PER_CLIENT",
    "API_MAX_SOCKETS",
    "API_SOCKETS_PER_CLIENT",
    "API_KEYS_FILE",
    "ADMIN_ADDR",
    "DRAIN_SECONDS",
    "KAFKA_BROKERS",
    "KAFKA_CREATE_TOPICS",
    "KAFKA_MAX_MESSAGE_BYTES",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_CERTIFICATE_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_OAUTH_TOKEN_URL",
    "KAFKA_OAUTH_CLIENT_ID",
    "KAFKA_OAUTH_SCOPE",
    "KAFKA_OAUTH_CA_LOCATION",
];

/// The variables that hold a secret; each may be given as `<name>_FILE` instead.
const SECRETS: &[&str] = &[
    "DATABASE_URL",
    "DATABASE_READ_URL",
    "MORALIS_API_KEY",
    "ALCHEMY_API_KEY",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SSL_KEY_PASSWORD",
    "KAFKA_OAUTH_CLIENT_SECRET",
];

/// What begins a property of Kafka's client; which properties there are the client knows.
pub const KAFKA_CLIENT: &str = "KAFKA_CLIENT_";

/// Beginnings that are ours alone: whatever else begins so was meant for us.
const FAMILIES: &[&str] = &["KAFKA_", "TOPIC_", "API_", "METRICS_", "PORTFOLIO_", "CHAINS_", "PLUGINS_", "SCANS_"];

/// Shorter names are near to too many others.
const MIN_LENGTH_OF_A_TYPO: usize = 8;
/// Letters that are wrong, missing, too many or swapped in a name that was meant for us.
const MAX_WRONG_LETTERS: usize = 2;
/// How alike a known name must be to be proposed, from 0 to 1.
const MIN_LIKENESS: f64 = 0.8;

/// A sentence about each variable that is set and that no process reads, though it looks like one of ours.
pub fn unknown(strings: &impl Strings) -> Vec<String> {
    let mut names = strings.names();
    names.sort_unstable();
    let odd = names.iter().filter(|name| !is_known(name) && !is_service_link(name, strings));
    odd.filter_map(|name| sentence(name)).collect()
}

fn is_known(name: &str) -> bool {
    let without_file = name.strip_suffix("_FILE").unwrap_or(name);
    KNOWN.contains(&name) || SECRETS.contains(&without_file) || name.starts_with(KAFKA_CLIENT)
}

/// Kubernetes and Docker set variables named after services, such as `KAFKA_SERVICE_HOST` and `API_PORT_8080_TCP_ADDR`.
fn is_service_link(name: &str, strings: &impl Strings) -> bool {
    let is_address =
        || strings.get(name).is_some_and(|value| value.starts_with("tcp://") || value.starts_with("udp://"));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP")))
        || (name.ends_with("_PORT") && is_address())
}

fn sentence(name: &str) -> Option<String> {
    let all = || KNOWN.iter().chain(SECRETS).copied();
    if FAMILIES.iter().any(|family| name.starts_with(family)) {
        let likeness = |known: &str| strsim::jaro(name, known);
        let likely = all().filter(|known| likeness(known) >= MIN_LIKENESS);
        let nearest = likely.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let proposal = nearest.map_or_else(String::new, |known| format!("; did you mean {known}?"));
        return Some(format!("{name} is set, but no process reads a variable of that name{proposal}"));
    }
    let wrong_letters = |known: &str| strsim::osa_distance(name, known);
    let nearest = all().min_by_key(|known| wrong_letters(known))?;
    let is_near = name.len() >= MIN_LENGTH_OF_A_TYPO && wrong_letters(nearest) <= MAX_WRONG_LETTERS;
    is_near.then(|| format!("{name} is set, but no process reads it; did you mean {nearest}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashMap};

    fn unknown_of(pairs: &[(&str, &str)]) -> Vec<String> {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        unknown(&strings)
    }

    #[test]
    fn a_typing_error_is_named_with_what_was_meant() {
        for (wrong, meant) in [
            ("KAFKA_BROKER", "KAFKA_BROKERS"),
            ("KAFKA_SASL_PASWORD", "KAFKA_SASL_PASSWORD"),
            ("KAFKA_SASL_PASSWORD_FIEL", "KAFKA_SASL_PASSWORD"),
            ("METRICS_WORKER", "METRICS_WORKERS"),
            ("PORTFOLIO_DEBOUNCE", "PORTFOLIO_DEBOUNCE_MS"),
            ("API_RATE_PER_SECONDS", "API_RATE_PER_SECOND"),
            ("PLUGINS_ALOW", "PLUGINS_ALLOW"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("DATABASE_ULR", "DATABASE_URL"),
            ("MORALIS_API_KEYS", "MORALIS_API_KEY"),
        ] {
            let sentences = unknown_of(&[(wrong, "x")]);
            assert_eq!(sentences.len(), 1, "{wrong}");
            assert!(
                sentences[0].starts_with(wrong) && sentences[0].ends_with(&format!("mean {meant}?")),
                "{sentences:?}"
            );
        }
        assert_eq!(
            unknown_of(&[("API_QQQ_ZZZ_WWW", "x")]),
            ["API_QQQ_ZZZ_WWW is set, but no process reads a variable of that name"]
        );
    }

    #[test]
    fn what_is_ours_and_what_was_meant_for_others_is_left_alone() {
        let ours = ["KAFKA_CLIENT_SOCKET_TIMEOUT_MS", "DATABASE_URL_FILE", "KAFKA_SASL_PASSWORD_FILE", "API_ADDR"];
        let others =
            ["PATH", "HOSTNAME", "ETH_RPC_URL", "OTEL_SERVICE_NAME", "LOGNAME", "CHAINTAPE_FIXTURES", "PGHOST"];
        let injected = [
            "KAFKA_SERVICE_HOST",
            "KAFKA_SERVICE_PORT",
            "API_SERVICE_PORT_HTTP",
            "API_PORT_8080_TCP",
            "API_PORT_8080_TCP_ADDR",
        ];
        for name in ours.iter().chain(&others).chain(&injected) {
            assert_eq!(unknown_of(&[(name, "x")]), [""; 0], "{name}");
        }
        assert_eq!(unknown_of(&[("API_PORT", "tcp://10.0.0.1:80")]), [""; 0], "set by Kubernetes");
        assert_eq!(unknown_of(&[("API_PORT", "8080")]).len(), 1);
    }

    /// `.env` says of each variable what it is; this list and those sentences name the same.
    #[test]
    fn every_known_variable_is_documented_and_every_documented_one_is_known() {
        let documents = ["/.env", "/README.md"]
            .map(|file| std::fs::read_to_string(format!("{}{file}", env!("CARGO_MANIFEST_DIR"))).unwrap());
        let is_letter = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
        let words =
            |text: &str| -> BTreeSet<String> { text.split(|it: char| !is_letter(it)).map(str::to_owned).collect() };
        let [env, readme] = documents.map(|text| words(&text));
        for name in KNOWN.iter().chain(SECRETS) {
            assert!(env.contains(*name), "env/.env does not say what {name} is");
            // The keys and addresses of providers share a row.
            let begins = |row: &String| row.ends_with('_') && row.len() > 5 && name.starts_with(row.as_str());
            let in_row = readme.contains(*name) || readme.iter().any(begins);
            assert!(in_row, "env/README.md has no row for {name}");
        }
        let ours = |name: &&String| FAMILIES.iter().any(|family| name.starts_with(family) && name.len() > family.len());
        for name in env.iter().filter(ours) {
            assert!(is_known(name), "{name} stands in env/.env and is not known");
        }
    }
}
