//! API keys: a client that sends one is counted by it, within the quota that the operator gave it.
//!
//! The file of `API_KEYS_FILE` holds digests, never keys, and is read again when it changes; one that cannot be read then
//! leaves the keys of before in force. What a key has used stays counted while its digest stays in the file.
//!
//! Decisions
//! * 2026-11-29 – digests are plain SHA-256. Context: a slow hash protects passwords that people choose, and would be
//!   paid on every request. Price: keys must be random, 32 characters or more; a shorter one is answered 401 unread.
//! * 2026-11-29 – an unknown key is refused, not counted as a stranger. Context: a client whose key was withdrawn or
//!   mistyped would get the small limit and not know why. Price: such a client is served only after it drops the key.
//! * 2026-11-29 – quotas are counted in this process. Context: the api keeps no state. Price: with N instances a key has
//!   N times its quota, and a restart begins the day's count anew.

use axum::http::{HeaderMap, HeaderName, header};
use environment::{Rate, Shutdown, TokenBucket};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// The header of a key, beside `Authorization: Bearer`.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How often the file is looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);
/// Largest file of keys.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Shortest and longest key that is looked up.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 32..=256;
/// Longest name of a key.
const MAX_NAME_BYTES: usize = 64;
/// A day of UTC.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// SHA-256 of a key.
type KeyDigest = [u8; 32];

/// The keys of a file, as they are in force.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys {
    file: Option<KeyFile>,
    in_force: RwLock<HashMap<KeyDigest, Arc<ApiKey>>>,
}

/// A file of keys that was read.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
    text: String,
    entries: Vec<Entry>,
}

/// One key: who has it, and its quota.
#[derive(Debug)]
pub(crate) struct ApiKey {
    pub(crate) name: Arc<str>,
    /// Its WebSockets at once; without it as many as any client.
    pub(crate) streams: Option<usize>,
    rate: Option<Rate>,
    per_day: Option<u64>,
    used: Arc<Mutex<Usage>>,
}

/// What a key has used.
#[derive(Debug, Default)]
struct Usage {
    bucket: TokenBucket,
    day: u64,
    requests: u64,
}

/// Why a file of keys is refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeyFile {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is too large.
    #[error("has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// It is no TOML of this form.
    #[error("is not a list of `[[key]]` with `name`, `sha256` and optionally `per_second`, `per_day`, `streams`: {0}")]
    Malformed(#[from] toml::de::Error),
    /// One of its keys is wrong.
    #[error("key {number} (`{name}`): {fault}")]
    Key {
        /// Which one, from 1.
        number: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        fault: KeyFault,
    },
}

/// What is wrong with one key of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Its name is none.
    #[error("`name` must have 1 to {MAX_NAME_BYTES} letters, digits, `.`, `_` or `-`")]
    Name,
    /// Another key has this name.
    #[error("another key has this `name`")]
    SameName,
    /// Its digest is none.
    #[error("`sha256` must be the SHA-256 of the key, 64 hex digits: `printf %s \"$KEY\" | sha256sum`")]
    Digest,
    /// Another key has this digest.
    #[error("another key has this `sha256`")]
    SameDigest,
    /// A quota allows nothing.
    #[error("`per_second`, `per_day` and `streams` must be 1 or more; leave one out for no limit of its own")]
    Quota,
}

/// Why a request with a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It sent a key that is none, or two keys.
    UnknownKey,
    /// It must wait so many milliseconds.
    TooFast(u64),
    /// The day's quota is used up for so many milliseconds.
    UsedUp(u64),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    key: Vec<Written>,
}

/// A key as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    sha256: String,
    per_second: Option<u32>,
    per_day: Option<u64>,
    streams: Option<u32>,
}

/// A key of the file.
#[derive(Clone, Debug)]
struct Entry {
    digest: KeyDigest,
    name: Arc<str>,
    rate: Option<Rate>,
    per_day: Option<u64>,
    streams: Option<usize>,
}

impl KeyFile {
    /// Reads a file of keys.
    pub fn read(path: &Path) -> Result<Self, InvalidKeyFile> {
        if std::fs::metadata(path)?.len() > MAX_FILE_BYTES {
            return Err(InvalidKeyFile::TooLarge);
        }
        let text = std::fs::read_to_string(path)?;
        let entries = entries(&text)?;
        Ok(Self { path: path.to_owned(), text, entries })
    }
}

impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} keys)", self.path.display(), self.entries.len())
    }
}

fn entries(text: &str) -> Result<Vec<Entry>, InvalidKeyFile> {
    let document: Document = toml::from_str(text)?;
    let mut entries: Vec<Entry> = vec![];
    for (index, written) in document.key.into_iter().enumerate() {
        let entry = entry(&written, &entries);
        entries.push(entry.map_err(|fault| InvalidKeyFile::Key { number: index + 1, name: written.name, fault })?);
    }
    Ok(entries)
}

fn entry(written: &Written, before: &[Entry]) -> Result<Entry, KeyFault> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=MAX_NAME_BYTES).contains(&written.name.len()) || !written.name.bytes().all(is_name_byte) {
        return Err(KeyFault::Name);
    }
    let digest = hex::decode(written.sha256.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    let digest: KeyDigest = digest.ok_or(KeyFault::Digest)?;
    if before.iter().any(|entry| *entry.name == *written.name) {
        return Err(KeyFault::SameName);
    }
    if before.iter().any(|entry| entry.digest == digest) {
        return Err(KeyFault::SameDigest);
    }
    if written.per_second == Some(0) || written.per_day == Some(0) || written.streams == Some(0) {
        return Err(KeyFault::Quota);
    }
    let rate = written.per_second.map(|rate| Rate::per_second(rate, rate.saturating_mul(2)));
    let streams = written.streams.map(|streams| streams as usize);
    Ok(Entry { digest, name: written.name.as_str().into(), rate, per_day: written.per_day, streams })
}

impl ApiKeys {
    /// The keys of a file; without one no key is looked at.
    pub(crate) fn new(file: Option<KeyFile>) -> Self {
        let entries = file.as_ref().map(|file| file.entries.clone()).unwrap_or_default();
        let keys = Self { file, in_force: RwLock::default() };
        keys.put_in_force(entries);
        keys
    }

    /// The key that a request sent, if it sent one.
    pub(crate) fn of_request(&self, headers: &HeaderMap) -> Result<Option<Arc<ApiKey>>, Refusal> {
        if self.file.is_none() {
            return Ok(None);
        }
        let mut sent = sent_keys(headers);
        let Some(key) = sent.next() else { return Ok(None) };
        if sent.next().is_some() || !KEY_LENGTHS.contains(&key.len()) {
            return Err(Refusal::UnknownKey);
        }
        let digest: KeyDigest = Sha256::digest(key).into();
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
        in_force.get(&digest).map(|key| Some(Arc::clone(key))).ok_or(Refusal::UnknownKey)
    }

    /// Replaces the keys; those that were there before keep what they have used.
    fn put_in_force(&self, entries: Vec<Entry>) {
        let mut in_force = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        let keys = entries.into_iter().map(|Entry { digest, name, rate, per_day, streams }| {
            let used = in_force.get(&digest).map(|key| Arc::clone(&key.used)).unwrap_or_default();
            (digest, Arc::new(ApiKey { name, streams, rate, per_day, used }))
        });
        let keys = keys.collect();
        *in_force = keys;
    }

    /// Reads the file whenever it has changed, until the process shall stop.
    pub(crate) async fn follow_file(&self, stopping: Shutdown) {
        let Some(file) = &self.file else { return };
        let mut seen = Ok(file.text.clone());
        loop {
            tokio::select! {
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
                () = stopping.wait() => return,
            }
            let path = file.path.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || KeyFile::read(&path)).await else { return };
            self.take_over(&file.path, read, &mut seen);
        }
    }

    /// Puts what was read in force if it differs from what was `seen` last, or says once why it cannot be.
    fn take_over(&self, path: &Path, read: Result<KeyFile, InvalidKeyFile>, seen: &mut Result<String, String>) {
        let now = read.as_ref().map(|file| file.text.clone()).map_err(ToString::to_string);
        if now == *seen {
            return;
        }
        match read {
            Ok(file) => {
                tracing::info!(event = "api.keys.reloaded", keys = file.entries.len(), "API keys were read again");
                self.put_in_force(file.entries);
            }
            Err(error) => {
                let path = path.display();
                tracing::error!(event = "api.keys.refused", %path, %error, "API_KEYS_FILE is refused; keys stay as they were");
            }
        }
        *seen = now;
    }
}

impl ApiKey {
    /// Counts a request.
    pub(crate) fn admit(&self, now_ms: u64) -> Result<(), Refusal> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now_ms / DAY_MS;
        if used.day != day {
            used.day = day;
            used.requests = 0;
        }
        if self.per_day.is_some_and(|most| used.requests >= most) {
            return Err(Refusal::UsedUp(DAY_MS - now_ms % DAY_MS));
        }
        if let Some(rate) = self.rate {
            let wait = used.bucket.try_take(rate, Duration::from_millis(now_ms)).err();
            if let Some(wait) = wait {
                return Err(Refusal::TooFast(crate::rate_limits::whole_ms(wait)));
            }
        }
        used.requests += 1;
        Ok(())
    }
}

/// Every key in the headers of a request. Another scheme of `Authorization` is a proxy's business.
fn sent_keys(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    bearer.chain(headers.get_all(API_KEY).iter().map(|value| value.as_bytes().trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn digest(key: &str) -> String {
        hex::encode(Sha256::digest(key))
    }

    fn keys(text: &str) -> ApiKeys {
        let entries = entries(text).unwrap();
        ApiKeys::new(Some(KeyFile { path: PathBuf::new(), text: text.to_owned(), entries }))
    }

    fn request(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn one_key(quota: &str) -> String {
        format!("[[key]]\nname = \"acme\"\nsha256 = \"{}\"\n{quota}", digest(KEY))
    }

    #[test]
    fn a_key_is_known_by_its_digest() {
        let keys = keys(&one_key(""));
        let bearer = format!("Bearer {KEY}");
        let basic = format!("Basic {KEY}");
        let wrong = KEY.replace('0', "1");
        #[expect(clippy::type_complexity, reason = "a table")]
        let table: [(&[(&'static str, &str)], Result<Option<&str>, Refusal>); 8] = [
            (&[], Ok(None)),
            (&[("x-api-key", KEY)], Ok(Some("acme"))),
            (&[("authorization", &bearer)], Ok(Some("acme"))),
            (&[("authorization", &bearer.replace("Bearer", "bEARER"))], Ok(Some("acme"))),
            (&[("authorization", &basic)], Ok(None)),
            (&[("x-api-key", &wrong)], Err(Refusal::UnknownKey)),
            (&[("x-api-key", "short")], Err(Refusal::UnknownKey)),
            (&[("x-api-key", KEY), ("authorization", &bearer)], Err(Refusal::UnknownKey)),
        ];
        for (headers, right) in table {
            let name = keys.of_request(&request(headers)).map(|key| key.map(|key| key.name.to_string()));
            assert_eq!(name, right.map(|name| name.map(str::to_owned)), "{headers:?}");
        }
        let none = ApiKeys::new(None).of_request(&request(&[("x-api-key", &wrong)]));
        assert!(none.unwrap().is_none(), "without a file nobody has a key");
    }

    #[test]
    fn quotas_hold_for_a_second_and_for_a_day() {
        let keys = keys(&one_key("per_second = 1\nper_day = 3"));
        let ask = |now_ms| keys.of_request(&request(&[("x-api-key", KEY)])).unwrap().unwrap().admit(now_ms);
        let noon = DAY_MS / 2;
        assert_eq!([ask(noon), ask(noon), ask(noon)], [Ok(()), Ok(()), Err(Refusal::TooFast(1_000))]);
        assert_eq!(ask(noon + 5_000), Ok(()));
        assert_eq!(ask(noon + 9_000), Err(Refusal::UsedUp(DAY_MS / 2 - 9_000)));
        assert_eq!(ask(DAY_MS), Ok(()), "another day");
    }

    #[test]
    fn a_file_that_changes_keeps_what_was_used() {
        let keys = keys(&one_key("per_day = 1"));
        let ask = || keys.of_request(&request(&[("x-api-key", KEY)])).map(|key| key.map(|key| key.admit(0)));
        assert_eq!(ask(), Ok(Some(Ok(()))));
        let mut seen = Ok(String::new());
        let mut change = |text: &str| {
            let read = entries(text).map(|entries| KeyFile { path: PathBuf::new(), text: text.to_owned(), entries });
            keys.take_over(Path::new("keys.toml"), read, &mut seen);
        };
        change(&one_key("per_day = 2"));
        assert_eq!([ask(), ask()], [Ok(Some(Ok(()))), Ok(Some(Err(Refusal::UsedUp(DAY_MS))))]);
        change("[[key]]\nname = 1");
        assert!(ask().is_ok(), "a file that is refused withdraws no key");
        change("");
        assert_eq!(ask(), Err(Refusal::UnknownKey));
    }

    #[test]
    fn a_wrong_file_says_which_key_and_why() {
        let entry = |name: &str, sha256: &str, quota: &str| {
            format!("[[key]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\n{quota}\n")
        };
        let good = entry("a", &digest(KEY), "");
        let other = digest("other");
        for (second, fault) in [
            (entry("", &other, ""), KeyFault::Name),
            (entry("two words", &other, ""), KeyFault::Name),
            (entry("a", &other, ""), KeyFault::SameName),
            (entry("b", KEY, ""), KeyFault::Digest),
            (entry("b", &digest(KEY), ""), KeyFault::SameDigest),
            (entry("b", &other, "per_day = 0"), KeyFault::Quota),
            (entry("b", &other, "streams = 0"), KeyFault::Quota),
        ] {
            match entries(&format!("{good}{second}")) {
                Err(InvalidKeyFile::Key { number: 2, fault: found, .. }) => assert_eq!(found, fault),
                other => panic!("{second}: {other:?}"),
            }
        }
        assert!(matches!(entries("[[key]]\nkey = \"x\""), Err(InvalidKeyFile::Malformed(_))));
    }
}
