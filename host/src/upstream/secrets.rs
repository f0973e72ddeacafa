//! What of an endpoint's address is secret, and how it is struck from everything that a plugin gets to see.

/// What stands in place of a secret.
const STRUCK: &[u8] = b"***";
/// Bytes of the shortest secret that is struck from bodies: shorter ones are found in data by chance.
const MIN_BODY_SECRET_BYTES: usize = 8;
/// Bytes of the shortest segment of a path that is taken for a key.
const MIN_KEY_BYTES: usize = 16;

/// The secrets of one endpoint's address.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those of an address: user info, long path segments, the query; each as it is written and decoded, in whole and
    /// in its parts.
    pub(super) fn in_address(url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (server, path) = before_query.split_once('/').unwrap_or((before_query, ""));
        let user = server.rsplit_once('@').map_or("", |(user, _)| user);
        let segments = path.split('/').filter(|segment| segment.len() >= MIN_KEY_BYTES);
        let password = user.split_once(':').map_or("", |(_, password)| password);
        let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        // Parts that are short are words, such as `v2` or `true`.
        let parts = values.chain([password]).filter(|part| part.len() >= MIN_BODY_SECRET_BYTES);
        let mut secrets: Vec<String> = vec![];
        for secret in segments.chain([user, query]).chain(parts) {
            let decoded = super::outgoing::decoded(secret);
            secrets.extend([secret.to_owned(), decoded].into_iter().filter(|secret| !secret.is_empty()));
        }
        Self(secrets).with([])
    }

    /// These and others.
    pub(super) fn with<'a>(mut self, others: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.extend(others.into_iter().filter(|secret| !secret.is_empty()).map(str::to_owned));
        // The longest first, so that no rest of it stays.
        self.0.sort_by(|a, b| (b.len(), a).cmp(&(a.len(), b)));
        self.0.dedup();
        self
    }

    /// A text without them.
    pub(super) fn strike_from_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// Strikes them from a body, in place; returns whether there were any.
    pub(super) fn strike_from_body(&self, body: &mut Vec<u8>) -> bool {
        let long = self.0.iter().filter(|secret| secret.len() >= MIN_BODY_SECRET_BYTES);
        long.fold(false, |any, secret| strike(body, secret.as_bytes()) | any)
    }
}

/// Replaces every occurrence of a secret that is longer than what takes its place, without more memory.
fn strike(body: &mut Vec<u8>, secret: &[u8]) -> bool {
    let finder = memchr::memmem::Finder::new(secret);
    let (mut read, mut written) = (0, 0);
    while let Some(found) = body.get(read..).and_then(|rest| finder.find(rest)) {
        body.copy_within(read..read + found, written);
        written += found;
        body.splice(written..written + STRUCK.len(), STRUCK.iter().copied());
        written += STRUCK.len();
        read += found + secret.len();
    }
    if read == 0 {
        return false;
    }
    body.copy_within(read.., written);
    body.truncate(written + body.len() - read);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_users_and_queries_are_struck_from_texts_and_bodies() {
        let url = "https://user:pass%2Fword1@node/v2/0123456789abcdef?apikey=secret-of-9&chain=1";
        let secrets = Secrets::in_address(url);
        for secret in ["0123456789abcdef", "secret-of-9", "pass%2Fword1", "pass/word1", "user:pass%2Fword1"] {
            let text = format!("a{secret}b{secret}{secret}");
            assert_eq!(secrets.strike_from_text(&text), "a***b******", "{secret}");
            let mut body = text.into_bytes();
            assert!(secrets.strike_from_body(&mut body), "{secret}");
            assert_eq!(body, b"a***b******", "{secret}");
        }
        let mut body = b"\xff0123456789abcde chain=1 user".to_vec();
        assert!(!secrets.strike_from_body(&mut body));
        assert_eq!(body, b"\xff0123456789abcde chain=1 user");
        let mut none = vec![];
        assert!(!secrets.strike_from_body(&mut none));
    }
}
