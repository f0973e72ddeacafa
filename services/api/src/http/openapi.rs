//! The OpenAPI document: generated from the handlers and views, with the trade's schema taken from the wire.

use super::guard::is_read_from_database;
use super::schemas::add_wire_schema;
use super::{
    AS_OF, Problem, assets, asyncapi, boards, chains, explain, health, platforms, prometheus, trades, users, worth,
};
use crate::stream;
use crate::views::TradeExecuted;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

/// Name of the trade's schema.
const TRADE_SCHEMA: &str = "TradeExecutedV1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chaintape",
        version = "1",
        description = "Every trade on every chain, on one tape: trades, per-user metrics and portfolios, read-only. \
                       Amounts are decimal texts, times are milliseconds since the Unix epoch, errors are RFC 9457 \
                       problem documents. Integers of the format int64, as heights, times and offsets are, have 64 bits: \
                       they may exceed 2^53 - 1, the largest that JavaScript's numbers hold exactly; the TypeScript \
                       client reads such as a bigint.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        health::health, health::ready, chains::list, trades::list, trades::one,
        trades::list_of_transaction, trades::list_of_user, users::metrics, users::history,
        boards::user_fees, users::positions, explain::explain, users::portfolio, users::drift, worth::worth, worth::history, assets::search,
        assets::show, assets::candles, boards::leaderboard,
        boards::book, boards::platform_fees, platforms::list, platforms::one, platforms::days, platforms::assets,
        platforms::leaderboard, platforms::of_user, stream::open, prometheus::show, document, asyncapi::document,
    ),
    components(schemas(TradeExecuted, Problem)),
    tags(
        (name = "trades", description = "The tape"),
        (name = "users", description = "One user"),
        (name = "assets", description = "Prices and candles, from the tape's own trades"),
        (name = "boards", description = "Who leads, and what platforms earn"),
        (name = "chains", description = "The chains that are followed"),
        (name = "stream", description = "Live updates"),
        (name = "operations", description = "For those who run this"),
    )
)]
struct Document;

static DOCUMENT_TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&document_value()).unwrap_or_default() + "\n");

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "This document", body = Object))
)]
pub(crate) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT_TEXT.as_str()).into_response()
}

fn document_value() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        add_wire_schema::<wire::v1::trade::TradeExecuted<'_>>(schemas, TRADE_SCHEMA);
    }
    if let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) {
        paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut).for_each(document_long_uris);
        let reads = paths
            .iter_mut()
            .filter(|(path, _)| is_read_from_database(path))
            .filter_map(|(_, path)| path.as_object_mut());
        reads.flat_map(Map::values_mut).for_each(document_as_of);
    }
    add_api_keys(&mut document);
    document
}

/// Says that a key may be sent, in either header, and that none need be.
fn add_api_keys(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, where the operator gives them"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same, in a header of its own"},
    });
    document["security"] = json!([{}, {"bearer": []}, {"apiKey": []}]);
}

/// Adds 414 to every operation that documents 400: the guard refuses a request whose URI is too long.
fn document_long_uris(operation: &mut Value) {
    let Some(responses) = operation.pointer_mut("/responses").and_then(Value::as_object_mut) else { return };
    if let Some(mut refusal) = responses.get("400").cloned() {
        refusal["description"] = "The address is longer than 8192 bytes".into();
        responses.insert("414".to_owned(), refusal);
    }
}

/// Adds the header that says how fresh an answer is.
fn document_as_of(operation: &mut Value) {
    if let Some(Value::Object(answer)) = operation.pointer_mut("/responses/200") {
        let description = "What was on the tape at this time, milliseconds since the Unix epoch, is in the answer; \
                           `unknown` where that cannot be said";
        answer.insert(
            "headers".to_owned(),
            json!({AS_OF.as_str(): {"description": description, "schema": {"type": "string"}}}),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_route_is_in_the_document() {
        let document = document_value();
        let documented: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let served: BTreeSet<&str> = super::super::routes().iter().map(|(path, _)| *path).collect();
        assert_eq!(documented, served);
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = document_value();
        let operations =
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let names: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn every_reference_points_to_a_schema() {
        let document = document_value();
        let text = document.to_string();
        for target in text.split("\"$ref\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target} leads nowhere");
        }
        assert!(text.contains("#/components/schemas/TradeExecutedV1\""));
    }

    #[test]
    fn the_golden_file_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, DOCUMENT_TEXT.as_str()).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == *DOCUMENT_TEXT,
            "openapi.json is not current: run this test with UPDATE_GOLDEN=1 and review it"
        );
    }
}
