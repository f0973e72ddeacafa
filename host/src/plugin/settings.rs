//! A plugin's settings schema: what a chain file may set, checked before the plugin is called.

use super::verdict::{Stage, Verdict};
use serde_json::Value;

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
        let parsed: Value = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
        let validator = jsonschema::validator_for(&parsed).map_err(|e| refused(e.to_string()))?;
        Ok(Self { text: text.to_owned(), validator })
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Everything that is wrong with these settings, each with its place.
    pub fn check(&self, settings: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(settings).map_err(|e| format!("settings: {e}"))?;
        let describe = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let place = place.trim_start_matches('/').replace('/', ".");
            let dot = if place.is_empty() { "" } else { "." };
            format!("settings{dot}{place}: {error}")
        };
        let wrong: Vec<String> = self.validator.iter_errors(&value).map(describe).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
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
}
