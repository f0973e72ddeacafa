//! The wire's schemas among those of a document: one schema with its definitions under names of their own.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// Adds the wire's schema of a message under a name, and its definitions under names that begin with it.
pub(super) fn add_wire_schema<M: JsonSchema>(schemas: &mut Map<String, Value>, name: &str) {
    add_schema(schemas, name, schemars::schema_for!(M).to_value());
}

/// Adds a schema that carries its own definitions.
pub(super) fn add_schema(schemas: &mut Map<String, Value>, name: &str, mut schema: Value) {
    let definitions = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$defs")
    });
    move_references(&mut schema, name);
    schemas.insert(name.to_owned(), schema);
    if let Some(Value::Object(definitions)) = definitions {
        for (part, mut definition) in definitions {
            move_references(&mut definition, name);
            schemas.insert(format!("{name}{part}"), definition);
        }
    }
}

/// Changes references to where the definitions stand now.
fn move_references(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(target) if key == "$ref" => {
                        if let Some(definition) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/components/schemas/{name}{definition}");
                        }
                    }
                    other => move_references(other, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, name)),
        _ => {}
    }
}
