//! How a process connects to Kafka: encryption, authentication, and every other property of the client.

use super::reserved::{reason_of_refusal, variable_of};
use environment::variables::KAFKA_CLIENT;
use environment::{Problems, Secret, Strings};
use std::path::PathBuf;

/// How a process connects to Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaConnection {
    /// Properties of librdkafka with their values; values may be secrets.
    pub properties: Vec<(String, Secret)>,
    /// Where tokens come from, for SASL/OAUTHBEARER.
    pub oauth: Option<OauthSettings>,
}

/// A server that issues tokens for client credentials (RFC 6749, 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthSettings {
    /// Its token endpoint.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// What proves it.
    pub client_secret: Secret,
    /// What is asked for.
    pub scope: Option<String>,
    /// The certificate authorities that the endpoint is trusted by, beside the machine's.
    pub ca: Option<PathBuf>,
}

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

impl KafkaConnection {
    /// Reads `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SASL_…`, `KAFKA_SSL_…`, `KAFKA_OAUTH_…` and `KAFKA_CLIENT_…`.
    pub(super) fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        let mut connection = Self::default();
        let protocol = read_word(strings, problems, "KAFKA_SECURITY_PROTOCOL", &PROTOCOLS, str::to_lowercase);
        let protocol = protocol.unwrap_or_else(|| "plaintext".to_owned());
        connection.set("security.protocol", &protocol);
        connection.read_sasl(&protocol, strings, problems);
        connection.read_tls(&protocol, strings, problems);
        connection.read_others(strings, problems);
        connection
    }

    /// The value of a property, if one was set.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose())
    }

    fn set(&mut self, name: &str, value: &str) {
        self.properties.push((name.to_owned(), Secret::new(value)));
    }

    fn read_sasl(&mut self, protocol: &str, strings: &impl Strings, problems: &mut Problems) {
        let mechanism = read_word(strings, problems, "KAFKA_SASL_MECHANISM", &MECHANISMS, str::to_uppercase);
        let username = problems.optional(strings, "KAFKA_SASL_USERNAME");
        let password = problems.secret(strings, "KAFKA_SASL_PASSWORD");
        let has_sasl = protocol.starts_with("sasl_");
        match (&mechanism, has_sasl) {
            (None, true) => problems.add(
                "KAFKA_SASL_MECHANISM",
                format!("is not set, but KAFKA_SECURITY_PROTOCOL is {protocol}; it must be {}", MECHANISMS.join(", ")),
            ),
            (Some(_), false) => problems.add("KAFKA_SASL_MECHANISM", unused(protocol, "sasl_ssl")),
            _ => {}
        }
        let Some(mechanism) = mechanism else { return };
        self.set("sasl.mechanism", &mechanism);
        if mechanism == "OAUTHBEARER" {
            self.oauth = Some(OauthSettings::read(strings, problems));
            return;
        }
        for (key, is_set) in [("KAFKA_SASL_USERNAME", username.is_some()), ("KAFKA_SASL_PASSWORD", password.is_some())]
        {
            if !is_set {
                problems.add(key, format!("is not set, but KAFKA_SASL_MECHANISM is {mechanism}"));
            }
        }
        self.set("sasl.username", &username.unwrap_or_default());
        self.set("sasl.password", password.as_ref().map_or("", Secret::expose));
    }

    fn read_tls(&mut self, protocol: &str, strings: &impl Strings, problems: &mut Problems) {
        const FILES: [(&str, &str); 3] = [
            ("KAFKA_SSL_CA_LOCATION", "ssl.ca.location"),
            ("KAFKA_SSL_CERTIFICATE_LOCATION", "ssl.certificate.location"),
            ("KAFKA_SSL_KEY_LOCATION", "ssl.key.location"),
        ];
        let has_tls = protocol.ends_with("ssl");
        for (key, property) in FILES {
            let Some(path) = problems.optional(strings, key) else { continue };
            if !has_tls {
                problems.add(key, unused(protocol, "sasl_ssl or ssl"));
            } else if let Err(why) = readable(&path) {
                problems.add(key, format!("names {path}, which cannot be read: {why}"));
            }
            self.set(property, &path);
        }
        if let Some(password) = problems.secret(strings, "KAFKA_SSL_KEY_PASSWORD") {
            self.set("ssl.key.password", password.expose());
        }
        let [certificate, key] = ["ssl.certificate.location", "ssl.key.location"].map(|it| self.property(it).is_some());
        if certificate != key {
            let missing = if key { "KAFKA_SSL_CERTIFICATE_LOCATION" } else { "KAFKA_SSL_KEY_LOCATION" };
            problems.add(missing, "is not set, but a client certificate needs both its file and its key's");
        }
    }

    /// `KAFKA_CLIENT_SOCKET_TIMEOUT_MS` is `socket.timeout.ms`, and so with every property.
    fn read_others(&mut self, strings: &impl Strings, problems: &mut Problems) {
        let mut names: Vec<String> =
            strings.names().into_iter().filter(|name| name.starts_with(KAFKA_CLIENT)).collect();
        names.sort_unstable();
        // `…_FILE` says where the value of a property is, unless it ends the property's own name.
        let in_file =
            |name: &str| (!is_property_of_a_file(name)).then(|| name.strip_suffix("_FILE").map(str::to_owned))?;
        let mut names: Vec<String> = names.into_iter().map(|name| in_file(&name).unwrap_or(name)).collect();
        names.dedup();
        for name in names {
            let property = property_of(&name);
            let value = if is_secret(&property) || strings.get(&name).is_none() {
                problems.secret(strings, &name)
            } else {
                problems.optional(strings, &name).map(Secret::new)
            };
            if let Some(variable) = variable_of(&property) {
                problems.add(&name, format!("is not read: {property} is set by {variable}"));
            } else if let Some(reason) = reason_of_refusal(&property) {
                problems.add(&name, format!("cannot be set, because exactly-once rests on {property}: {reason}"));
            } else if let Some(value) = value {
                self.properties.push((property, value));
            }
        }
        for (property, why) in crate::kafka::check_properties(&self.properties) {
            problems.add(&variable_name(&property), format!("is refused by librdkafka: {why}"));
        }
    }
}

impl OauthSettings {
    fn read(strings: &impl Strings, problems: &mut Problems) -> Self {
        const NEEDED: &str = "is not set, but KAFKA_SASL_MECHANISM is OAUTHBEARER";
        let needed = |problems: &mut Problems, key| {
            problems.optional(strings, key).unwrap_or_else(|| {
                problems.add(key, NEEDED);
                String::new()
            })
        };
        let token_url = needed(problems, "KAFKA_OAUTH_TOKEN_URL");
        if !token_url.is_empty() && !token_url.starts_with("https://") && !token_url.starts_with("http://") {
            problems.add("KAFKA_OAUTH_TOKEN_URL", "must be an address that begins with https:// or http://");
        }
        let client_id = needed(problems, "KAFKA_OAUTH_CLIENT_ID");
        let client_secret = problems.required_secret(strings, "KAFKA_OAUTH_CLIENT_SECRET", NEEDED);
        let scope = problems.optional(strings, "KAFKA_OAUTH_SCOPE");
        let ca = problems.optional(strings, "KAFKA_OAUTH_CA_LOCATION");
        if let Some(Err(why)) = ca.as_deref().map(readable) {
            problems.add("KAFKA_OAUTH_CA_LOCATION", format!("cannot be read: {why}"));
        }
        Self { token_url, client_id, client_secret, scope, ca: ca.map(PathBuf::from) }
    }
}

/// One of some words, in whatever case it is written.
fn read_word(
    strings: &impl Strings,
    problems: &mut Problems,
    key: &str,
    words: &[&str],
    folded: fn(&str) -> String,
) -> Option<String> {
    let text = problems.optional(strings, key)?;
    let word = folded(text.trim());
    if words.contains(&word.as_str()) {
        return Some(word);
    }
    problems.add(key, format!("is `{text}`, but must be one of {}", words.join(", ")));
    None
}

fn unused(protocol: &str, wanted: &str) -> String {
    format!("is set, but KAFKA_SECURITY_PROTOCOL is {protocol}, which does not use it; set that to {wanted}")
}

fn readable(path: &str) -> Result<(), std::io::Error> {
    std::fs::File::open(path).map(|_| ())
}

fn property_of(variable: &str) -> String {
    let name = variable.strip_prefix(KAFKA_CLIENT).unwrap_or(variable);
    name.to_lowercase().replace('_', ".")
}

/// The variable that an operator sets for a property.
fn variable_name(property: &str) -> String {
    let own = variable_of(property).map(str::to_owned);
    own.unwrap_or_else(|| format!("{KAFKA_CLIENT}{}", property.to_uppercase().replace('.', "_")))
}

/// Properties whose own names end in `file`.
fn is_property_of_a_file(variable: &str) -> bool {
    ["_KEY_FILE", "_ASSERTION_FILE", "_TEMPLATE_FILE"].iter().any(|end| variable.ends_with(end))
        && variable.contains("_OAUTHBEARER_")
}

fn is_secret(property: &str) -> bool {
    ["password", "secret", "passphrase", "key.pem", "oauthbearer.config"].iter().any(|it| property.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(pairs: &[(&str, &str)]) -> Result<KafkaConnection, Vec<String>> {
        let strings: HashMap<String, String> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut problems = Problems::default();
        let connection = KafkaConnection::read(&strings, &mut problems);
        let printed = problems.resolved().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(!printed.contains("hush"), "{printed}");
        problems.finish().map(|()| connection).map_err(|error| error.0)
    }

    fn properties(connection: &KafkaConnection) -> Vec<(&str, &str)> {
        connection.properties.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
    }

    const SASL: [(&str, &str); 4] = [
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "scram-sha-512"),
        ("KAFKA_SASL_USERNAME", "metrics"),
        ("KAFKA_SASL_PASSWORD", "hush"),
    ];

    #[test]
    fn the_usual_ones_have_variables_of_their_own() {
        assert_eq!(properties(&read(&[]).unwrap()), [("security.protocol", "plaintext")]);
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_string_lossy().into_owned();
        let given = [&SASL[..], &[("KAFKA_SSL_CA_LOCATION", &path)]].concat();
        assert_eq!(
            properties(&read(&given).unwrap()),
            [
                ("security.protocol", "sasl_ssl"),
                ("sasl.mechanism", "SCRAM-SHA-512"),
                ("sasl.username", "metrics"),
                ("sasl.password", "hush"),
                ("ssl.ca.location", &path),
            ]
        );
        let tls = [
            ("KAFKA_SECURITY_PROTOCOL", "ssl"),
            ("KAFKA_SSL_CERTIFICATE_LOCATION", &path),
            ("KAFKA_SSL_KEY_LOCATION", &path),
            ("KAFKA_SSL_KEY_PASSWORD", "hush"),
        ];
        assert_eq!(read(&tls).unwrap().properties.len(), 4);
    }

    #[test]
    fn tokens_come_from_a_server_for_client_credentials() {
        let given = [
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
            ("KAFKA_SASL_MECHANISM", "OAUTHBEARER"),
            ("KAFKA_OAUTH_TOKEN_URL", "https://login.example/token"),
            ("KAFKA_OAUTH_CLIENT_ID", "metrics"),
            ("KAFKA_OAUTH_CLIENT_SECRET", "hush"),
            ("KAFKA_OAUTH_SCOPE", "kafka"),
        ];
        let oauth = read(&given).unwrap().oauth.unwrap();
        assert_eq!((oauth.client_id.as_str(), oauth.scope.as_deref()), ("metrics", Some("kafka")));
        assert!(!format!("{oauth:?}").contains("hush"));
        assert_eq!(read(&given[..2]).unwrap_err().len(), 3, "address, id and secret are missing");
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (given, wrong) in [
            (&[("KAFKA_SECURITY_PROTOCOL", "tls")][..], "KAFKA_SECURITY_PROTOCOL is `tls`, but must be one of"),
            (&SASL[..1], "KAFKA_SASL_MECHANISM is not set"),
            (&SASL[..3], "KAFKA_SASL_PASSWORD is not set, but KAFKA_SASL_MECHANISM is SCRAM-SHA-512"),
            (&SASL[1..], "KAFKA_SASL_MECHANISM is set, but KAFKA_SECURITY_PROTOCOL is plaintext"),
            (&[("KAFKA_SASL_MECHANISM", "GSSAPI")], "KAFKA_SASL_MECHANISM is `GSSAPI`, but must be one of"),
            (
                &[("KAFKA_SSL_CA_LOCATION", "/")],
                "KAFKA_SSL_CA_LOCATION is set, but KAFKA_SECURITY_PROTOCOL is plaintext",
            ),
            (
                &[("KAFKA_SECURITY_PROTOCOL", "ssl"), ("KAFKA_SSL_CA_LOCATION", "/nowhere")],
                "KAFKA_SSL_CA_LOCATION names /nowhere, which cannot be read",
            ),
            (
                &[("KAFKA_SECURITY_PROTOCOL", "ssl"), ("KAFKA_SSL_KEY_LOCATION", "/dev/null")],
                "KAFKA_SSL_CERTIFICATE_LOCATION is not set",
            ),
        ] {
            let problems = read(given).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(wrong), "{problems:?}");
        }
    }

    #[test]
    fn every_other_property_is_passed_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush\n").unwrap();
        let path = file.path().to_string_lossy().into_owned();
        let given = [
            ("KAFKA_CLIENT_SOCKET_KEEPALIVE_ENABLE", "true"),
            ("KAFKA_CLIENT_SSL_KEYSTORE_PASSWORD_FILE", path.as_str()),
            ("KAFKA_CLIENT_BROKER_ADDRESS_FAMILY", "v6"),
        ];
        let connection = read(&given).unwrap();
        assert_eq!(connection.property("socket.keepalive.enable"), Some("true"));
        assert_eq!(connection.property("ssl.keystore.password"), Some("hush"), "read from its file");
        assert_eq!(connection.property("broker.address.family"), Some("v6"));
        assert_eq!(connection.properties.len(), 4);
    }

    #[test]
    fn what_exactly_once_rests_on_is_refused_by_name() {
        for (variable, reason) in [
            ("KAFKA_CLIENT_ACKS", "exactly-once rests on acks: "),
            ("KAFKA_CLIENT_REQUEST_REQUIRED_ACKS", "exactly-once rests on request.required.acks: "),
            ("KAFKA_CLIENT_ENABLE_IDEMPOTENCE", "exactly-once rests on enable.idempotence: "),
            ("KAFKA_CLIENT_ISOLATION_LEVEL", "exactly-once rests on isolation.level: "),
            ("KAFKA_CLIENT_TRANSACTIONAL_ID", "exactly-once rests on transactional.id: "),
            ("KAFKA_CLIENT_ENABLE_AUTO_COMMIT", "exactly-once rests on enable.auto.commit: "),
            ("KAFKA_CLIENT_GROUP_PROTOCOL", "exactly-once rests on group.protocol: "),
            ("KAFKA_CLIENT_BOOTSTRAP_SERVERS", "bootstrap.servers is set by KAFKA_BROKERS"),
            ("KAFKA_CLIENT_SASL_PASSWORD", "sasl.password is set by KAFKA_SASL_PASSWORD"),
        ] {
            let problems = read(&[(variable, "x")]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(variable) && problems[0].contains(reason), "{problems:?}");
        }
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn what_librdkafka_does_not_know_is_named_with_its_reason() {
        for (variable, value, reason) in [
            ("KAFKA_CLIENT_SOCKET_TIMEOUT", "1", "No such configuration property"),
            ("KAFKA_CLIENT_SOCKET_TIMEOUT_MS", "soon", "Invalid value"),
            ("KAFKA_CLIENT_SOCKET_TIMEOUT_MS", "1", "range"),
            ("KAFKA_CLIENT_LOG_CB", "x", ""),
        ] {
            let problems = read(&[(variable, value)]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(variable) && problems[0].contains(reason), "{problems:?}");
        }
    }
}
