//! What checking settings against a schema may cost: its depth, its size with every reference followed, its patterns.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Schemas within schemas.
const MAX_DEPTH: usize = 32;
/// Values of a schema, with every reference replaced by what it refers to.
const MAX_VALUES: usize = 20_000;
/// Bytes of one regular expression.
const MAX_PATTERN_BYTES: usize = 1_024;
/// Regular expressions in all, counted where they are written.
const MAX_PATTERNS: usize = 200;
/// Keywords whose meaning depends on where a reference comes from, or that name another document.
const REFUSED_KEYWORDS: [&str; 7] =
    ["$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor", "$anchor", "$id", "$vocabulary"];

/// Checks that a schema is bounded; or says why not.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if let Some(dialect) = schema.get("$schema") {
        let known = dialect.as_str().is_some_and(|text| {
            ["https://json-schema.org/", "http://json-schema.org/"].iter().any(|site| text.starts_with(site))
        });
        if !known {
            return Err(format!("`$schema` is {}, but must be one of json-schema.org", shortened(dialect)));
        }
    }
    let mut count = Count { root: schema, costs: HashMap::new(), open: vec![], patterns: 0 };
    let values = count.values(schema, 0)?;
    if values > MAX_VALUES {
        return Err(format!("with its references it comes to more than {MAX_VALUES} values"));
    }
    Ok(())
}

struct Count<'s> {
    root: &'s Value,
    /// What each reference comes to, once it is known.
    costs: HashMap<&'s str, usize>,
    /// The references that are being followed.
    open: Vec<&'s str>,
    patterns: usize,
}

impl<'s> Count<'s> {
    /// Values below one, and itself.
    fn values(&mut self, value: &'s Value, depth: usize) -> Result<usize, String> {
        if depth > MAX_DEPTH * 2 {
            return Err(format!("it is more than {MAX_DEPTH} schemas deep"));
        }
        let mut values = 1_usize;
        match value {
            Value::Object(members) => {
                values = values.saturating_add(self.keywords(members, depth)?);
                for member in members.values() {
                    values = values.saturating_add(self.values(member, depth + 1)?);
                }
            }
            Value::Array(items) => {
                for item in items {
                    values = values.saturating_add(self.values(item, depth + 1)?);
                }
            }
            _ => {}
        }
        Ok(values)
    }

    /// Checks the keywords of an object as far as they cost something; returns what a reference comes to.
    fn keywords(&mut self, members: &'s Map<String, Value>, depth: usize) -> Result<usize, String> {
        if let Some(keyword) = REFUSED_KEYWORDS.into_iter().find(|keyword| members.get(*keyword).is_some_and(is_text)) {
            return Err(format!("it uses `{keyword}`, which this host does not take: refer with `$ref` to `#/…`"));
        }
        self.check_pattern(members.get("pattern").and_then(Value::as_str))?;
        for pattern in members.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            self.check_pattern(Some(pattern))?;
        }
        match members.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.referred(reference, depth),
            None => Ok(0),
        }
    }

    fn check_pattern(&mut self, pattern: Option<&str>) -> Result<(), String> {
        let Some(pattern) = pattern else { return Ok(()) };
        self.patterns += 1;
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("a regular expression has {} bytes, at most {MAX_PATTERN_BYTES}", pattern.len()));
        }
        if self.patterns > MAX_PATTERNS {
            return Err(format!("it has more than {MAX_PATTERNS} regular expressions"));
        }
        Ok(())
    }

    /// What a reference comes to.
    fn referred(&mut self, reference: &'s str, depth: usize) -> Result<usize, String> {
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let named = || shortened(&Value::from(reference));
        let Some(pointer) = pointer else {
            return Err(format!("it refers to {}, but a schema may refer only to itself, with `#/…`", named()));
        };
        if self.open.contains(&reference) {
            return Err(format!("{} refers to itself: write out as many levels as there are", named()));
        }
        if let Some(cost) = self.costs.get(reference) {
            return Ok(*cost);
        }
        let target = self.root.pointer(pointer);
        let target = target.ok_or_else(|| format!("it refers to {}, which is not there", named()))?;
        self.open.push(reference);
        let cost = self.values(target, depth + 1)?;
        self.open.pop();
        self.costs.insert(reference, cost);
        Ok(cost)
    }
}

fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_boolean() || value.is_object()
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(100).collect()
}
