//! CloudEvents 1.0 headers in Kafka's binary mode, and the trace that runs through them.

/// Names of the event types.
pub mod kind {
    /// A trade became present.
    pub const TRADE_EXECUTED: &str = "TradeExecutedV1";
    /// A trade became absent; a type of its own, so that a careless reader does not count it.
    pub const TRADE_REVERTED: &str = "TradeRevertedV1";
    /// A user's metrics changed.
    pub const METRICS_UPDATED: &str = "MetricsUpdatedV1";
    /// A wallet's balances changed.
    pub const PORTFOLIO_UPDATED: &str = "PortfolioUpdatedV1";
    /// A chain moved.
    pub const CHAIN_PROGRESSED: &str = "ChainProgressedV1";
}

const TRACEPARENT: &str = "traceparent";
const EVENT_ID: &str = "ce_id";

/// The trace that headers name, as W3C spells it.
pub fn traceparent(headers: &[(String, Vec<u8>)]) -> Option<&str> {
    text_of(headers, TRACEPARENT)
}

/// The id of the event that headers name.
pub fn event_id(headers: &[(String, Vec<u8>)]) -> Option<&str> {
    text_of(headers, EVENT_ID)
}

fn text_of<'a>(headers: &'a [(String, Vec<u8>)], wanted: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(name, _)| name == wanted)?;
    std::str::from_utf8(value).ok()
}

/// The headers of one event.
pub fn cloud_event(kind: &str, id: &str, source: &str, traceparent: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![
        ("ce_specversion".to_owned(), b"1.0".to_vec()),
        ("ce_type".to_owned(), kind.as_bytes().to_vec()),
        (EVENT_ID.to_owned(), id.as_bytes().to_vec()),
        ("ce_source".to_owned(), source.as_bytes().to_vec()),
        ("content-type".to_owned(), b"application/json".to_vec()),
    ];
    if let Some(trace) = traceparent {
        headers.push((TRACEPARENT.to_owned(), trace.as_bytes().to_vec()));
    }
    headers
}
