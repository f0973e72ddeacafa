//! The AsyncAPI document: the messages of the stream, and the records of the topics on Kafka.
//!
//! Its schemas are those of the code: the wire's for what travels on topics, the views' for what the api adds, and the
//! replies' own. A golden file holds it, every message of the stream's tests is checked against it, and the client's tests
//! read it with AsyncAPI's parser.

mod stream;
mod topics;

use super::schemas::{add_schema, add_wire_schema};
use crate::stream::{MetricsData, WalletData, reply_schemas};
use crate::views::{CandleState, CandleUpdate, ChainList, ChainView, MetricsChange, PriceState};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;
use wire::v1::{metrics::MetricsUpdated, portfolio::PortfolioUpdated, progress::ChainProgressed, trade::TradeExecuted};

/// Names of the wire's schemas.
const TRADE: &str = "TradeExecutedV1";
const METRICS: &str = "MetricsUpdatedV1";
const PORTFOLIO: &str = "PortfolioUpdatedV1";
const PROGRESS: &str = "ChainProgressedV1";

/// The shapes that the stream takes from the views.
#[derive(OpenApi)]
#[openapi(components(schemas(
    MetricsData,
    MetricsChange,
    WalletData,
    ChainList,
    ChainView,
    PriceState,
    CandleState,
    CandleUpdate
)))]
struct StreamShapes;

static DOCUMENT_TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&document_value()).unwrap_or_default() + "\n");

/// The AsyncAPI document of the stream and of the topics on Kafka.
#[utoipa::path(
    get, path = "/asyncapi.json", tag = "operations", operation_id = "asyncapi",
    responses((status = 200, description = "The AsyncAPI 3 document", body = Object))
)]
pub(crate) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT_TEXT.as_str()).into_response()
}

fn document_value() -> Value {
    let mut channels = topics::channels();
    channels.insert(stream::CHANNEL.to_owned(), stream::channel());
    let mut operations = topics::operations();
    operations.extend(stream::operations());
    let mut messages = topics::messages();
    messages.extend(stream::messages());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chaintape",
            "version": "1",
            "description": "What changes, as it changes: the stream of the api (a WebSocket), and the topics on Kafka that \
                            the services write. Amounts are decimal texts, times are milliseconds since the Unix epoch, \
                            integers have 64 bits. Fields, types of messages and values of open lists are only added: a \
                            reader leaves out what it does not know.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas() },
    })
}

fn servers() -> Value {
    json!({
        "api": {
            "host": "{host}",
            "pathname": "/v1/stream",
            "protocol": "ws",
            "description": "`ws://`, or `wss://` behind whatever ends TLS.",
            "variables": { "host": { "default": "127.0.0.1:8080", "description": "Where the api is" } },
        },
        "kafka": {
            "host": "{brokers}",
            "protocol": "kafka",
            "description": "Topics may have a prefix of the environment before their names (`TOPIC_PREFIX`). Records are written \
                            in transactions: read with `isolation.level=read_committed`.",
            "variables": { "brokers": { "default": "127.0.0.1:9092", "description": "The bootstrap servers" } },
        },
    })
}

/// Every shape that a message refers to.
fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    let shapes = serde_json::to_value(StreamShapes::openapi()).unwrap_or_default();
    if let Some(Value::Object(shapes)) = shapes.pointer("/components/schemas").cloned() {
        schemas.extend(shapes);
    }
    add_wire_schema::<TradeExecuted<'_>>(&mut schemas, TRADE);
    add_wire_schema::<MetricsUpdated>(&mut schemas, METRICS);
    add_wire_schema::<PortfolioUpdated>(&mut schemas, PORTFOLIO);
    add_wire_schema::<ChainProgressed>(&mut schemas, PROGRESS);
    for (kind, schema) in reply_schemas() {
        add_schema(&mut schemas, &stream::reply_shape(&kind), schema);
    }
    stream::add_schemas(&mut schemas);
    schemas
}

/// A reference to a shape.
fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A reference to a message among the components.
fn message(name: &str) -> Value {
    json!({ "$ref": format!("#/components/messages/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_reference_leads_somewhere_and_every_shape_is_referred_to() {
        let document = document_value();
        let text = document.to_string();
        let targets: BTreeSet<&str> =
            text.split("\"$ref\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for target in &targets {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target} leads nowhere");
        }
        for part in ["schemas", "messages"] {
            for name in document["components"][part].as_object().unwrap().keys() {
                assert!(targets.contains(format!("#/components/{part}/{name}").as_str()), "nothing refers to {name}");
            }
        }
    }

    #[test]
    fn every_example_is_valid() {
        let document = document_value();
        let mut count = 0;
        for (name, message) in document["components"]["messages"].as_object().unwrap() {
            let schema = json!({ "allOf": [message["payload"]], "components": document["components"] });
            let validator = jsonschema::validator_for(&schema).unwrap();
            for example in message["examples"].as_array().into_iter().flatten() {
                assert!(validator.is_valid(&example["payload"]), "{name}: {example}");
                count += 1;
            }
        }
        assert_eq!(count, 8, "each request has one");
    }

    #[test]
    fn the_golden_file_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("asyncapi.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, DOCUMENT_TEXT.as_str()).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == *DOCUMENT_TEXT,
            "asyncapi.json is not current: run this test with UPDATE_GOLDEN=1 and review it"
        );
    }
}
