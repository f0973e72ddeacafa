//! An old client reads new answers: what the api of a released version promised of requests and answers still holds.
//!
//! `compatible.json` is the OpenAPI document of the last release, without its descriptions. A release renews it, by
//! `UPDATE_COMPATIBLE=1 cargo test -p api compatible`; until then only additions pass.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read_document(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path_of(name)).unwrap()).unwrap()
}

/// Takes out what is said in words.
fn without_words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A property may be named like this; its schema is an object, words are a text.
            fields.retain(|name, field| !(matches!(name.as_str(), "description" | "summary") && field.is_string()));
            fields.values_mut().for_each(without_words);
        }
        Value::Array(items) => items.iter_mut().for_each(without_words),
        _ => {}
    }
}

/// A schema with what it refers to and consists of in one place.
#[derive(Default)]
struct Shape<'a> {
    types: BTreeSet<&'a str>,
    properties: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<&'a str>,
    items: Option<&'a Value>,
    values: Option<&'a Value>,
    /// What it may be, apart from null.
    variants: Vec<&'a Value>,
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let several = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(several)
}

fn shape_of<'a>(document: &'a Value, schema: &'a Value) -> Shape<'a> {
    let mut shape = Shape::default();
    add_to(&mut shape, document, schema);
    shape
}

fn add_to<'a>(shape: &mut Shape<'a>, document: &'a Value, schema: &'a Value) {
    if let Some(target) = schema["$ref"].as_str() {
        add_to(shape, document, document.pointer(target.trim_start_matches('#')).unwrap());
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        add_to(shape, document, part);
    }
    for part in ["oneOf", "anyOf"].iter().filter_map(|name| schema[*name].as_array()).flatten() {
        if part["type"] == "null" {
            shape.types.insert("null");
        } else {
            shape.variants.push(part);
        }
    }
    shape.types.extend(texts(schema.get("type")));
    shape.required.extend(texts(schema.get("required")));
    shape
        .properties
        .extend(schema["properties"].as_object().into_iter().flatten().map(|(name, of)| (name.as_str(), of)));
    shape.items = shape.items.or(schema.get("items"));
    shape.values = shape.values.or(schema.get("additionalProperties").filter(|values| values.is_object()));
}

/// Two documents, and what of the old one the new one breaks.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    broken: BTreeSet<String>,
    compared: BTreeSet<(String, String)>,
}

impl<'a> Comparison<'a> {
    fn of(old: &'a Value, new: &'a Value) -> BTreeSet<String> {
        let mut comparison = Self { old, new, broken: BTreeSet::new(), compared: BTreeSet::new() };
        for (path, operations) in old["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                comparison.operation(&format!("{method} {path}"), operation, &new["paths"][path][method]);
            }
        }
        comparison.broken
    }

    fn breaks(&mut self, place: &str, how: &str) {
        self.broken.insert(format!("{place} {how}"));
    }

    fn operation(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        if new.is_null() {
            return self.breaks(place, "is gone");
        }
        let parameters = |operation: &'a Value| -> BTreeMap<String, &'a Value> {
            let all = operation["parameters"].as_array().into_iter().flatten();
            all.map(|one| (format!("{} {}", one["in"].as_str().unwrap(), one["name"].as_str().unwrap()), one)).collect()
        };
        let (known, now) = (parameters(old), parameters(new));
        for name in known.keys().filter(|name| !now.contains_key(*name)) {
            self.breaks(place, &format!("no longer takes `{name}`"));
        }
        for (name, parameter) in now {
            let was_required = known.get(&name).is_some_and(|known| known["required"] == true);
            if parameter["required"] == true && !was_required {
                self.breaks(place, &format!("needs `{name}`"));
            }
        }
        for (status, answer) in old["responses"].as_object().into_iter().flatten() {
            for (kind, content) in answer["content"].as_object().into_iter().flatten() {
                let place = format!("{place} {status}");
                let now = new.pointer(&format!("/responses/{status}/content/{}/schema", kind.replace('/', "~1")));
                match now {
                    Some(now) => self.schema(&place, &content["schema"], now),
                    None => self.breaks(&place, &format!("is no longer answered as {kind}")),
                }
            }
        }
    }

    fn schema(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        // A shape that refers to itself is compared once.
        if !self.compared.insert((old.to_string(), new.to_string())) {
            return;
        }
        let (was, is) = (shape_of(self.old, old), shape_of(self.new, new));
        for kind in is.types.iter().filter(|kind| !was.types.is_empty() && !was.types.contains(*kind)) {
            self.breaks(place, &format!("may be {kind}"));
        }
        if was.variants.len() == is.variants.len() {
            for (old, new) in was.variants.into_iter().zip(is.variants) {
                self.schema(place, old, new);
            }
        } else {
            self.breaks(place, "has other variants");
        }
        for (name, old) in was.properties {
            let place = format!("{place}.{name}");
            match is.properties.get(name).copied() {
                None => self.breaks(&place, "is gone"),
                Some(new) => {
                    if was.required.contains(name) && !is.required.contains(name) {
                        self.breaks(&place, "may be absent");
                    }
                    self.schema(&place, old, new);
                }
            }
        }
        for (old, new, part) in [(was.items, is.items, "[]"), (was.values, is.values, "{}")] {
            match (old, new) {
                (Some(old), Some(new)) => self.schema(&format!("{place}{part}"), old, new),
                (Some(_), None) => self.breaks(&format!("{place}{part}"), "is gone"),
                (None, _) => {}
            }
        }
    }
}

#[test]
fn an_old_client_reads_new_answers() {
    let mut new = read_document("openapi.json");
    without_words(&mut new);
    if std::env::var_os("UPDATE_COMPATIBLE").is_some() {
        std::fs::write(path_of("compatible.json"), serde_json::to_string(&new).unwrap() + "\n").unwrap();
    }
    let broken = Comparison::of(&read_document("compatible.json"), &new);
    assert!(broken.is_empty(), "a client of the last release cannot rely on the api any more: {broken:#?}");
}

#[test]
fn what_an_old_client_relies_on_is_seen_to_break() {
    let old = json!({
        "paths": {"/a": {"get": {
            "parameters": [{"name": "page", "in": "query"}],
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/shapes/Page"}}}}},
        }}},
        "shapes": {
            "Page": {"type": "object", "required": ["items", "total"], "properties": {
                "items": {"type": "array", "items": {"$ref": "#/shapes/Item"}},
                "total": {"allOf": [{"$ref": "#/shapes/Item"}, {"type": "object", "properties": {"at": {"type": "integer"}}}]},
                "next": {"oneOf": [{"type": "null"}, {"$ref": "#/shapes/Page"}]},
            }},
            "Item": {"type": "object", "required": ["usd"], "properties": {"usd": {"type": "string"}}},
        },
    });
    let broken_by = |pointer: &str, value: Value| -> Vec<String> {
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        Comparison::of(&old, &new).into_iter().collect()
    };
    assert!(Comparison::of(&old, &old).is_empty());
    let more = json!({"usd": {"type": "string"}, "eur": {"type": "string"}});
    assert!(broken_by("/shapes/Item/properties", more).is_empty(), "what is added breaks nothing");
    let more = json!([{"name": "page", "in": "query"}, {"name": "size", "in": "query"}]);
    assert!(broken_by("/paths/~1a/get/parameters", more).is_empty());
    for (pointer, value, broken) in [
        ("/paths/~1a/get", Value::Null, "get /a is gone"),
        ("/paths/~1a/get/parameters", json!([]), "get /a no longer takes `query page`"),
        ("/paths/~1a/get/parameters/0/required", json!(true), "get /a needs `query page`"),
        ("/paths/~1a/get/responses/200/content", json!({}), "get /a 200 is no longer answered as application/json"),
        ("/shapes/Item/required", json!([]), "get /a 200.items[].usd may be absent"),
        ("/shapes/Item/properties/usd/type", json!("number"), "get /a 200.items[].usd may be number"),
        ("/shapes/Item/properties/usd/type", json!(["string", "null"]), "get /a 200.items[].usd may be null"),
        ("/shapes/Page/properties/total/allOf/1/properties", json!({}), "get /a 200.total.at is gone"),
        ("/shapes/Page/properties/next/oneOf", json!([]), "get /a 200.next has other variants"),
    ] {
        let mut old = old.clone();
        if pointer.ends_with("required") && value == true {
            old.pointer_mut("/paths/~1a/get/parameters/0").unwrap()["required"] = json!(false);
        }
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        let found = Comparison::of(&old, &new);
        assert!(found.iter().any(|one| one == broken), "{broken}: {found:#?}");
    }
    let mut words =
        json!({"description": "text", "properties": {"description": {"type": "string", "description": "text"}}});
    without_words(&mut words);
    assert_eq!(words, json!({"properties": {"description": {"type": "string"}}}));
}
