//! Reading variables and reporting everything that is wrong with them at once.

use crate::examples::right_value;
use crate::secret::{self, Secret};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A source of variables.
pub trait Strings {
    /// The value of a variable; none when it is not set or empty.
    fn get(&self, key: &str) -> Option<String>;
    /// The names of all variables that are set.
    fn names(&self) -> Vec<String>;
    /// Whether what this source has of a variable is a default of its own, which nobody has set.
    fn is_default(&self, _key: &str) -> bool {
        false
    }
}

impl<S: std::hash::BuildHasher> Strings for HashMap<String, String, S> {
    fn get(&self, key: &str) -> Option<String> {
        HashMap::get(self, key).filter(|value| !value.is_empty()).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.clone()).collect()
    }
}

/// One variable as it was read, fit to be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// Its name.
    #[serde(rename = "name")]
    pub key: String,
    /// Its value, without secrets; none when it is not set and has no default.
    pub value: Option<String>,
    /// Whether the value is the default.
    #[serde(rename = "isDefault")]
    pub default: bool,
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value.as_deref().unwrap_or_default())?;
        if self.default { f.write_str("  # default") } else { Ok(()) }
    }
}

/// All that is wrong with the settings, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accept the settings: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

/// Collects what is wrong, and what was read, while a process reads its variables.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<String>,
    warnings: Vec<String>,
    resolved: Vec<Resolved>,
    some_missing: bool,
    no_files: Option<String>,
}

/// What reads after the name of a variable that must be set and is not.
const NOT_SET: &str = "is not set";

impl Problems {
    /// A variable that must be set; empty, with a problem, when it is not.
    pub fn required(&mut self, strings: &impl Strings, key: &str) -> String {
        self.optional(strings, key).unwrap_or_else(|| {
            self.add_missing(key, NOT_SET);
            String::new()
        })
    }

    /// A variable that may be set.
    pub fn optional(&mut self, strings: &impl Strings, key: &str) -> Option<String> {
        let value = strings.get(key);
        self.resolve(key, value.as_deref().map(without_password), strings.is_default(key));
        value
    }

    /// A variable with a default.
    pub fn text(&mut self, strings: &impl Strings, key: &str, default: &str) -> String {
        let value = strings.get(key);
        let is_default = value.is_none() || strings.is_default(key);
        let value = value.unwrap_or_else(|| default.to_owned());
        self.resolve(key, Some(without_password(&value)), is_default);
        value
    }

    /// A variable of some type, with a default; a value that is none of that type is a problem.
    pub fn parsed<T>(&mut self, strings: &impl Strings, key: &str, default: T) -> T
    where
        T: FromStr<Err: fmt::Display> + fmt::Display,
    {
        let Some(text) = strings.get(key) else {
            self.resolve(key, Some(default.to_string()), true);
            return default;
        };
        self.resolve(key, Some(without_password(&text)), strings.is_default(key));
        text.trim().parse().unwrap_or_else(|reason| {
            self.add_refused(key, &text, &reason);
            default
        })
    }

    /// A variable of some type that may be set; a value that is none of that type is a problem.
    pub fn parsed_optional<T: FromStr<Err: fmt::Display>>(&mut self, strings: &impl Strings, key: &str) -> Option<T> {
        let text = self.optional(strings, key)?;
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(reason) => {
                self.add_refused(key, &text, &reason);
                None
            }
        }
    }

    /// A variable that is `yes` or `no`, with a default.
    pub fn yes_or_no(&mut self, strings: &impl Strings, key: &str, default: bool) -> bool {
        let text = self.text(strings, key, if default { "yes" } else { "no" });
        match text.trim() {
            "yes" => true,
            "no" => false,
            other => {
                self.add(key, format!("is `{other}`, but must be `yes` or `no`"));
                default
            }
        }
    }

    /// A secret that may be set: in the variable itself, or in the file that the variable `<key>_FILE` names.
    pub fn secret(&mut self, strings: &impl Strings, key: &str) -> Option<Secret> {
        let value = self.secret_text(strings, key, |_| "***".to_owned());
        value.map(Secret::new)
    }

    /// The same for one that must be set: `missing` reads after its name where it is not.
    pub fn required_secret(&mut self, strings: &impl Strings, key: &str, missing: &str) -> Secret {
        Secret::new(self.required_secret_text(strings, key, |_| "***".to_owned(), missing))
    }

    /// An address that must be set and may hold a password, in the variable or in the file that `<key>_FILE` names;
    /// empty, with a problem, when it is not set. It is printed without the password.
    pub fn required_url(&mut self, strings: &impl Strings, key: &str) -> String {
        self.required_secret_text(strings, key, without_password, NOT_SET)
    }

    /// The same for an address that need not be set.
    pub fn optional_url(&mut self, strings: &impl Strings, key: &str) -> Option<String> {
        self.secret_text(strings, key, without_password)
    }

    fn required_secret_text(
        &mut self,
        strings: &impl Strings,
        key: &str,
        shown: fn(&str) -> String,
        missing: &str,
    ) -> String {
        let known = self.found.len();
        self.secret_text(strings, key, shown).unwrap_or_else(|| {
            // A file that cannot be read is one problem, not two.
            if self.found.len() == known {
                self.add_missing(key, missing);
            }
            String::new()
        })
    }

    fn secret_text(&mut self, strings: &impl Strings, key: &str, shown: fn(&str) -> String) -> Option<String> {
        let in_file = format!("{key}_FILE");
        let value = strings.get(key);
        self.resolve(key, value.as_deref().map(shown), strings.is_default(key));
        let Some(path) = strings.get(&in_file) else { return value };
        self.resolve(&in_file, Some(path.clone()), false);
        if value.is_some() {
            self.add(&in_file, format!("is set and so is {key}, but only one of them can count"));
            return value;
        }
        match secret::read_file(&path) {
            Ok(text) => Some(text),
            Err(why) => {
                self.add(&in_file, format!("names {path}, which {why}"));
                None
            }
        }
    }

    /// Something is odd, and the process goes on: a whole sentence, logged once at the start.
    pub fn warn(&mut self, sentence: impl Into<String>) {
        self.warnings.push(sentence.into());
    }

    /// What is odd, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Logs what is odd.
    pub fn log_warnings(&self) {
        for sentence in &self.warnings {
            tracing::warn!(event = "settings.odd", "{sentence}");
        }
    }

    /// Something is wrong with a variable: `what` reads after its name, such as "is not set".
    /// Services of one process read the same variables: what each says of one is said once.
    pub fn add(&mut self, key: &str, what: impl fmt::Display) {
        let sentence = format!("{key} {what}");
        if !self.found.contains(&sentence) {
            self.found.push(sentence);
        }
    }

    /// Every variable read so far, in that order, without secrets: what `check-config` prints.
    pub fn resolved(&self) -> &[Resolved] {
        &self.resolved
    }

    /// Everything that is wrong, or nothing.
    pub fn finish(&self) -> Result<(), ConfigError> {
        if self.found.is_empty() {
            return Ok(());
        }
        let no_files = self.no_files.iter().filter(|_| self.some_missing);
        Err(ConfigError(self.found.iter().chain(no_files).cloned().collect()))
    }

    /// Where files with variables would have been looked for, and are not: said where a variable is missing.
    pub(crate) fn note_no_files(&mut self, sentence: String) {
        self.no_files = Some(sentence);
    }

    /// A variable that must be set and is not.
    fn add_missing(&mut self, key: &str, what: &str) {
        self.some_missing = true;
        match right_value(key).filter(|_| what == NOT_SET) {
            Some(example) => self.add(key, format!("{what}; write {example}")),
            None => self.add(key, what),
        }
    }

    /// A value that its type refuses.
    fn add_refused(&mut self, key: &str, text: &str, reason: &impl fmt::Display) {
        let text = without_password(text);
        match right_value(key) {
            Some(example) => self.add(key, format!("is `{text}`; write {example}")),
            None => self.add(key, format!("is `{text}`: {reason}")),
        }
    }

    fn resolve(&mut self, key: &str, value: Option<String>, default: bool) {
        if !self.resolved.iter().any(|known| known.key == key) {
            self.resolved.push(Resolved { key: key.to_owned(), value, default });
        }
    }
}

/// The text with the password of each URL in it struck out, wherever the URL holds it.
pub fn without_password(text: &str) -> String {
    let mut shown = without_userinfo(text);
    let mut from = 0;
    while let Some(found) = shown[from..].find("password=") {
        let begin = from + found + "password=".len();
        let end = shown[begin..].find(['&', ' ', ',', '#']).map_or(shown.len(), |length| begin + length);
        shown.replace_range(begin..end, "***");
        from = begin + 3;
    }
    shown
}

fn without_userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = after.find(['/', '?', '#', ',', ' ']).unwrap_or(after.len());
        // A password may itself hold one of these: then the last `@` of the text ends it.
        let end = if after[..authority].contains('@') { after[..authority].rfind('@') } else { after.rfind('@') };
        match (after.find(':'), end) {
            (Some(colon), Some(end)) if colon < end => {
                out.push_str(&after[..colon]);
                out.push_str(":***");
                rest = &after[end..];
            }
            _ => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_problems_come_at_once_and_no_secret_is_printed() {
        let given = strings(&[("PORT", "many"), ("KEY", "hush"), ("URL", "postgres://u:hush@h/d"), ("EMPTY", "")]);
        let mut problems = Problems::default();
        assert_eq!(problems.parsed(&given, "PORT", 8080_u16), 8080);
        assert_eq!(problems.required(&given, "EMPTY"), "");
        assert_eq!(problems.secret(&given, "KEY").unwrap().expose(), "hush");
        assert_eq!(problems.required(&given, "URL"), "postgres://u:hush@h/d");
        assert_eq!(problems.parsed(&given, "RATE", 5_u32), 5);
        let error = problems.finish().unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert_eq!(error.0[1], "EMPTY is not set");
        let printed = problems.resolved().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(printed, "PORT=many\nEMPTY=\nKEY=***\nURL=postgres://u:***@h/d\nRATE=5  # default");
        assert!(!format!("{:?}", Secret::new("hush")).contains("hush"));
    }

    #[test]
    fn a_wrong_value_comes_with_a_right_one() {
        let given = strings(&[("API_ADDR", "here"), ("PORT", "many")]);
        let mut problems = Problems::default();
        problems.parsed(&given, "API_ADDR", std::net::SocketAddr::from(([127, 0, 0, 1], 8080)));
        problems.parsed(&given, "PORT", 8080_u16);
        problems.required(&given, "KAFKA_BROKERS");
        problems.required(&given, "KAFKA_BROKERS");
        let found = problems.finish().unwrap_err().0;
        assert_eq!(found[0], "API_ADDR is `here`; write an address such as 127.0.0.1:8080");
        assert_eq!(found[1], "PORT is `many`: invalid digit found in string");
        assert_eq!(found.len(), 3, "one problem once: {found:?}");
        assert_eq!(found[2], "KAFKA_BROKERS is not set; write addresses such as broker-1:9092,broker-2:9092");
    }

    #[test]
    fn a_secret_may_stand_in_a_file_and_only_there_or_in_the_variable() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("key"), "hush\n").unwrap();
        std::fs::write(path("url"), "postgres://u:hush@h/d\r\n").unwrap();
        std::fs::write(path("empty"), "\n").unwrap();
        std::fs::write(path("bytes"), [0xff, 0xfe]).unwrap();
        let (key, url, nowhere) = (path("key"), path("url"), path("nowhere"));
        let given = strings(&[("KEY_FILE", &key), ("URL_FILE", &url)]);
        let mut problems = Problems::default();
        assert_eq!(problems.secret(&given, "KEY").unwrap().expose(), "hush");
        assert_eq!(problems.required_url(&given, "URL"), "postgres://u:hush@h/d");
        assert!(problems.finish().is_ok());
        let printed = problems.resolved().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(printed.contains(&format!("KEY_FILE={key}")) && !printed.contains("hush"), "{printed}");
        for (file, why) in
            [(nowhere, "cannot be read"), (path("empty"), "is empty"), (path("bytes"), "is no text"), (key, "only one")]
        {
            let both = if why == "only one" { "also" } else { "" };
            let given = strings(&[("URL", both), ("URL_FILE", &file)]);
            let mut problems = Problems::default();
            problems.required_url(&given, "URL");
            let error = problems.finish().unwrap_err();
            assert_eq!(error.0.len(), 1, "{error}");
            assert!(error.0[0].starts_with("URL_FILE ") && error.0[0].contains(why), "{error}");
        }
        let mut problems = Problems::default();
        problems.required_url(&strings(&[]), "URL");
        assert_eq!(problems.finish().unwrap_err().0, ["URL is not set"]);
    }

    #[test]
    fn yes_and_no_are_the_words_of_a_choice() {
        let given = strings(&[("A", "yes"), ("B", "no"), ("C", "true")]);
        let mut problems = Problems::default();
        let read = ["A", "B", "C", "D"].map(|key| problems.yes_or_no(&given, key, true));
        assert_eq!(read, [true, false, true, true]);
        assert_eq!(problems.finish().unwrap_err().0, ["C is `true`, but must be `yes` or `no`"]);
    }

    #[test]
    fn passwords_are_struck_out_wherever_they_stand() {
        let cases = [
            ("postgres://u:p@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://h:5432/d", "postgres://h:5432/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p/q@h/d", "postgres://u:***@h/d"),
            ("http://a:b@x,http://c:d@y", "http://a:***@x,http://c:***@y"),
            ("sqlite:data", "sqlite:data"),
            ("postgres://h/d?password=p&sslmode=require", "postgres://h/d?password=***&sslmode=require"),
            ("postgres://h/d?sslpassword=p", "postgres://h/d?sslpassword=***"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_password(text), expected);
        }
    }
}
