//! A plugin's settings schema: what a chain file may set, checked before the plugin is called.

use super::verdict::{Stage, Verdict};
use jsonschema::PatternOptions;
use serde_json::Value;

/// Bytes of a schema.
const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// Bytes of a chain's settings.
const MAX_SETTINGS_BYTES: usize = 1 << 20;
/// Bytes that one regular expression of a schema may take once it is compiled.
const MAX_PATTERN_BYTES: usize = 256 << 10;
/// Sentences about settings, and characters of each.
const MAX_WRONG: usize = 20;
const MAX_WRONG_CHARS: usize = 400;

/// A compiled JSON Schema.
pub struct Schema {
    text: String,
    validator: jsonschema::Validator,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Schema {
    pub(super) fn parse(text: &str) -> Result<Self, Verdict> {
        let refused = |why: String| {
            Verdict::new(Stage::Describe, format!("has an invalid settings schema: {why}"), "mend the schema")
        };
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(refused(format!("it has {} bytes, at most {MAX_SCHEMA_BYTES}", text.len())));
        }
        let parsed: Value = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
        super::schema_cost::check(&parsed).map_err(refused)?;
        // An engine whose time is linear in the text, and whose memory is bounded.
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        let built = jsonschema::options().with_pattern_options(patterns).offline().build(&parsed);
        let validator = built.map_err(|e| refused(cut(e.to_string())))?;
        Ok(Self { text: text.to_owned(), validator })
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Everything that is wrong with these settings, each with its place.
    pub fn check(&self, settings: &str) -> Result<(), String> {
        if settings.len() > MAX_SETTINGS_BYTES {
            return Err(format!("settings: they have {} bytes, at most {MAX_SETTINGS_BYTES}", settings.len()));
        }
        let value: Value = serde_json::from_str(settings).map_err(|e| format!("settings: {e}"))?;
        let describe = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let place = place.trim_start_matches('/').replace('/', ".");
            let dot = if place.is_empty() { "" } else { "." };
            format!("settings{dot}{place}: {}", cut(error.to_string()))
        };
        let wrong: Vec<String> = self.validator.iter_errors(&value).take(MAX_WRONG).map(describe).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

/// The beginning of a sentence that may hold what a plugin or a file says.
fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_WRONG_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_named_with_its_place() {
        let schema = r#"{"type": "object", "additionalProperties": false,
            "properties": {"users": {"type": "integer", "minimum": 1}, "pools": {"type": "object", "additionalProperties": {"type": "integer"}}}}"#;
        let schema = Schema::parse(schema).unwrap();
        assert_eq!(schema.check(r#"{"users": 3, "pools": {"a": 1}}"#), Ok(()));
        let wrong = schema.check(r#"{"users": 0, "speed": 1, "pools": {"a": "x"}}"#).unwrap_err();
        assert!(wrong.contains("settings.users: 0 is less than the minimum of 1"), "{wrong}");
        assert!(wrong.contains("speed") && wrong.contains("settings.pools.a"), "{wrong}");
        assert!(Schema::parse(r#"{"type": 7}"#).is_err());
        assert!(Schema::parse("no json").is_err());
    }

    #[test]
    fn a_schema_that_could_block_the_host_is_refused() {
        let nested = |depth: usize| format!("{}{{}}{}", r#"{"items":"#.repeat(depth), "}".repeat(depth));
        // Four references at each of twelve levels.
        let level = |n: usize| {
            let below = format!(r##"{{"$ref": "#/$defs/d{}"}}"##, n + 1);
            format!(r#""d{n}": {{"allOf": [{below}, {below}, {below}, {below}]}}"#)
        };
        let doubled: Vec<String> = (0..12).map(level).collect();
        let doubled = format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d12": {{}}}}}}"##, doubled.join(","));
        let lines = "a|".repeat(2_000);
        for (schema, why) in [
            (nested(100), "deep"),
            (doubled, "comes to more than"),
            (r##"{"$ref": "#"}"##.to_owned(), "refers to itself"),
            (r##"{"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}"##.to_owned(), "itself"),
            (r##"{"$dynamicRef": "#x"}"##.to_owned(), "$dynamicRef"),
            (r#"{"$ref": "https://example.com/schema.json"}"#.to_owned(), "only to itself"),
            (r#"{"$ref": "file:///etc/passwd"}"#.to_owned(), "only to itself"),
            (r#"{"$schema": "https://example.com/dialect"}"#.to_owned(), "example.com"),
            (format!(r#"{{"pattern": "{lines}"}}"#), "regular expression"),
            (r#"{"pattern": "((a{100}){100}){100}"}"#.to_owned(), "regex"),
            (r#"{"pattern": "(a+)+\\1$"}"#.to_owned(), ""),
            (format!(r#"{{"enum": ["{}"]}}"#, "x".repeat(300_000)), "bytes, at most"),
        ] {
            let begun = std::time::Instant::now();
            let refused = Schema::parse(&schema).unwrap_err().to_string();
            assert!(refused.contains(why), "{why}: {refused}");
            assert!(refused.len() < 2_000, "{}", refused.len());
            assert!(begun.elapsed().as_secs() < 5, "{why} took {:?}", begun.elapsed());
        }
    }

    #[test]
    fn a_regular_expression_that_would_go_back_and_forth_ends_at_once() {
        let schema = Schema::parse(r#"{"properties": {"name": {"pattern": "^(a+)+$"}}}"#).unwrap();
        let begun = std::time::Instant::now();
        assert!(schema.check(&format!(r#"{{"name": "{}!"}}"#, "a".repeat(50_000))).is_err());
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}
