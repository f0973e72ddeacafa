//! The parameters and responses that many operations share in the OpenAPI document.

use super::params::{MAX_ADDRESSES, MAX_TIME_MS, MIN_TIME_MS};
use std::collections::BTreeMap;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required};
use utoipa::{IntoParams, IntoResponses};

const MAX_ID_LENGTH: usize = 256;

/// `address` in the path and `chain` in the query: one user, on every chain or on one.
pub(super) enum UserParams {}

/// The same with up to twenty addresses, which are added up.
pub(super) enum SumParams {}

/// `at` in the query: a time of the day that is asked for.
pub(super) enum DayParams {}

/// What trades are asked for by, beside chain and trader.
pub(super) enum TradeParams {}

impl TradeParams {
    /// Their names.
    pub(super) const NAMES: &[&str] =
        &["asset", "venue", "pool", "platform", "kind", "minUsd", "tx", "from", "to", "status"];
}

impl PageParams {
    /// Their names.
    pub(super) const NAMES: &[&str] = &["cursor", "limit"];
}

/// `cursor` and `limit` in the query: one page of a list.
pub(super) enum PageParams {}

/// What an operation that reads the database may answer beside its result.
pub(super) enum DatabaseReadResponses {}

impl IntoParams for UserParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        users("The user's address; `0x…` in any case", MAX_ID_LENGTH)
    }
}

impl IntoParams for SumParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let several = format!(
            "The user's address, `0x…` in any case; or up to {MAX_ADDRESSES} separated by commas, of one chain or several, \
             which are added up"
        );
        users(&several, (MAX_ID_LENGTH + 1) * MAX_ADDRESSES)
    }
}

fn users(description: &str, max_length: usize) -> Vec<Parameter> {
    let address = text().min_length(Some(1)).max_length(Some(max_length));
    let address = parameter("address", description, address).parameter_in(ParameterIn::Path).required(Required::True);
    let chain = parameter("chain", "Only of this chain", text().max_length(Some(MAX_ID_LENGTH)));
    vec![address.build(), chain.build()]
}

impl IntoParams for DayParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let at = "A time of the day (UTC), milliseconds since the Unix epoch; today by default";
        vec![parameter("at", at, time()).build()]
    }
}

impl IntoParams for TradeParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = || text().max_length(Some(MAX_ID_LENGTH));
        let clockless = "milliseconds since the Unix epoch; blocks without a clock are left out then";
        let from = format!("Only of blocks of this time or later, {clockless}");
        let to = format!("Only of blocks before this time, {clockless}");
        [
            ("asset", "Only where this asset was sold or bought", id()),
            ("venue", "Only where a pool of this venue was crossed", id()),
            ("pool", "Only where this pool was crossed", id()),
            ("platform", "Only of this platform", id()),
            ("kind", "Only of this kind: `swap`, `cycle`; an open list", id()),
            (
                "minUsd",
                "Only trades worth at least so many dollars; unvalued and implausible ones have no worth",
                text().pattern(Some("^[0-9]{1,15}([.][0-9]{1,18})?$")),
            ),
            ("tx", "Only of the transaction of this hash or first signature; `0x…` in any case", id()),
            ("from", &*from, time()),
            ("to", &*to, time()),
            ("status", "`live` (default), or `all`: reverted trades too", text().pattern(Some("^(live|all)$"))),
        ]
        .into_iter()
        .map(|(name, description, schema)| parameter(name, description, schema).build())
        .collect()
    }
}

impl IntoParams for PageParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1))
            .maximum(Some(super::params::MAX_PAGE_ITEMS));
        vec![
            parameter("cursor", "`next` of the page before", text()).build(),
            parameter("limit", "Items in a page at most; 50 by default", limit).build(),
        ]
    }
}

impl IntoResponses for DatabaseReadResponses {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let unchanged = ResponseBuilder::new().description("Unchanged since the given ETag").build();
        let responses = [
            ("304", unchanged),
            ("400", problem("A parameter is wrong")),
            ("401", problem("The API key is unknown")),
            ("429", problem("Too many requests, or the day's quota of the API key is used up")),
            (
                "503",
                problem("The database cannot be read, is busy, or took too long; `Retry-After` says when to ask again"),
            ),
        ];
        responses.into_iter().map(|(status, response)| (status.to_owned(), response.into())).collect()
    }
}

fn time() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(MIN_TIME_MS))
        .maximum(Some(MAX_TIME_MS))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
