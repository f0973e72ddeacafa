//! Reading variables and reporting everything that is wrong with them at once.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A source of variables.
pub trait Strings {
    /// The value of a variable; none when it is not set or empty.
    fn get(&self, key: &str) -> Option<String>;
}

impl<S: std::hash::BuildHasher> Strings for HashMap<String, String, S> {
    fn get(&self, key: &str) -> Option<String> {
        HashMap::get(self, key).filter(|value| !value.is_empty()).cloned()
    }
}

/// A text that is never printed: keys, passwords, addresses that hold them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One variable as it was read, fit to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its name.
    pub key: String,
    /// Its value, without secrets; none when it is not set and has no default.
    pub value: Option<String>,
    /// Whether the value is the default.
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
    resolved: Vec<Resolved>,
}

impl Problems {
    /// A variable that must be set; empty, with a problem, when it is not.
    pub fn required(&mut self, strings: &impl Strings, key: &str) -> String {
        self.optional(strings, key).unwrap_or_else(|| {
            self.add(key, "is not set");
            String::new()
        })
    }

    /// A variable that may be set.
    pub fn optional(&mut self, strings: &impl Strings, key: &str) -> Option<String> {
        let value = strings.get(key);
        self.resolve(key, value.as_deref().map(without_password), false);
        value
    }

    /// A variable with a default.
    pub fn text(&mut self, strings: &impl Strings, key: &str, default: &str) -> String {
        let value = strings.get(key);
        let set = value.is_some();
        let value = value.unwrap_or_else(|| default.to_owned());
        self.resolve(key, Some(without_password(&value)), !set);
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
        self.resolve(key, Some(without_password(&text)), false);
        text.trim().parse().unwrap_or_else(|reason| {
            self.add(key, format!("is `{}`, but must be valid: {reason}", without_password(&text)));
            default
        })
    }

    /// A variable of some type that may be set; a value that is none of that type is a problem.
    pub fn parsed_optional<T: FromStr<Err: fmt::Display>>(&mut self, strings: &impl Strings, key: &str) -> Option<T> {
        let text = self.optional(strings, key)?;
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(reason) => {
                self.add(key, format!("is `{}`, but must be valid: {reason}", without_password(&text)));
                None
            }
        }
    }

    /// A secret that may be set.
    pub fn secret(&mut self, strings: &impl Strings, key: &str) -> Option<Secret> {
        let value = strings.get(key);
        self.resolve(key, value.as_ref().map(|_| "***".to_owned()), false);
        value.map(Secret)
    }

    /// Something is wrong with a variable: `what` reads after its name, such as "is not set".
    pub fn add(&mut self, key: &str, what: impl fmt::Display) {
        self.found.push(format!("{key} {what}"));
    }

    /// Every variable read so far, in that order, without secrets: what `check-config` prints.
    pub fn resolved(&self) -> &[Resolved] {
        &self.resolved
    }

    /// Everything that is wrong, or nothing.
    pub fn finish(&self) -> Result<(), ConfigError> {
        if self.found.is_empty() { Ok(()) } else { Err(ConfigError(self.found.clone())) }
    }

    fn resolve(&mut self, key: &str, value: Option<String>, default: bool) {
        if !self.resolved.iter().any(|known| known.key == key) {
            self.resolved.push(Resolved { key: key.to_owned(), value, default });
        }
    }
}

/// The text with the password of each URL in it struck out.
pub fn without_password(text: &str) -> String {
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
    fn passwords_are_struck_out_wherever_they_stand() {
        let cases = [
            ("postgres://u:p@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://h:5432/d", "postgres://h:5432/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p/q@h/d", "postgres://u:***@h/d"),
            ("http://a:b@x,http://c:d@y", "http://a:***@x,http://c:***@y"),
            ("sqlite:data", "sqlite:data"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_password(text), expected);
        }
    }
}
