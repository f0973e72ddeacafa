//! The format of env files, for the `config` crate: `KEY=value` lines, comments, quotes.

use config::{FileStoredFormat, Format, Map, Value, ValueKind};
use std::error::Error;

/// `KEY=value` per line; `#` begins a comment; `'…'` is literal, `"…"` knows `\n`, `\"` and `\\`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dotenv;

/// A line that does not follow the format.
#[derive(Debug, thiserror::Error)]
#[error("line {line} {rule}")]
struct BadLine {
    line: usize,
    rule: &'static str,
}

impl Format for Dotenv {
    fn parse(&self, uri: Option<&String>, text: &str) -> Result<Map<String, Value>, Box<dyn Error + Send + Sync>> {
        let mut values = Map::new();
        for (at, line) in text.lines().enumerate() {
            match assignment(line.trim()) {
                Ok(None) => {}
                // Keys are folded as the `config` crate folds those of the process environment.
                Ok(Some((key, value))) => {
                    values.insert(key.to_lowercase(), Value::new(uri, ValueKind::String(value)));
                }
                Err(rule) => return Err(Box::new(BadLine { line: at + 1, rule })),
            }
        }
        Ok(values)
    }
}

impl FileStoredFormat for Dotenv {
    fn file_extensions(&self) -> &'static [&'static str] {
        &[]
    }
}

fn assignment(line: &str) -> Result<Option<(&str, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (key, value) = line.split_once('=').ok_or("is neither KEY=value nor a comment")?;
    let key = key.strip_prefix("export ").unwrap_or(key).trim();
    let named = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if key.is_empty() || key.as_bytes()[0].is_ascii_digit() || !named {
        return Err("has a name that is not made of letters, digits and `_`");
    }
    Ok(Some((key, unquoted(value.trim())?)))
}

fn unquoted(value: &str) -> Result<String, &'static str> {
    if let Some(rest) = value.strip_prefix('\'') {
        let (literal, after) = rest.split_once('\'').ok_or("opens a quote that it does not close")?;
        return nothing_follows(after).map(|()| literal.to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        let end = if value.starts_with('#') { Some(0) } else { value.find(" #") };
        return Ok(end.map_or(value, |end| &value[..end]).trim_end().to_owned());
    };
    let mut text = String::new();
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return nothing_follows(chars.as_str()).map(|()| text),
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(escaped @ ('"' | '\\' | '$')) => text.push(escaped),
                _ => return Err("holds an escape that is none of \\n, \\\", \\\\"),
            },
            plain => text.push(plain),
        }
    }
    Err("opens a quote that it does not close")
}

fn nothing_follows(after: &str) -> Result<(), &'static str> {
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') { Ok(()) } else { Err("goes on after the closing quote") }
}

#[cfg(test)]
mod tests {
    use super::assignment;

    #[test]
    fn lines_mean_what_a_shell_would_make_of_them() {
        let cases = [
            ("A=b", Some(("A", "b"))),
            ("export A=b c  # why", Some(("A", "b c"))),
            ("A=a#b", Some(("A", "a#b"))),
            ("A=", Some(("A", ""))),
            ("A= # nothing", Some(("A", ""))),
            ("A='x # y'", Some(("A", "x # y"))),
            (r#"A="x\n\"y\"" # z"#, Some(("A", "x\n\"y\""))),
            ("URL=postgres://u:p@h/d?x=1", Some(("URL", "postgres://u:p@h/d?x=1"))),
            ("# A=b", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(key, value)| (key, value.to_owned()));
            assert_eq!(assignment(line), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_line_of_the_format_is_refused() {
        for line in ["A", "=b", "1A=b", "A B=c", "A='x", "A=\"x", "A='x'y", r#"A="\q""#] {
            assert!(assignment(line).is_err(), "{line:?}");
        }
    }
}
