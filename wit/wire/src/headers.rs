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

/// The trace that headers name, as W3C spells it.
pub fn traceparent(headers: &[(String, Vec<u8>)]) -> Option<&str> {
    let (_, trace) = headers.iter().find(|(name, _)| name == TRACEPARENT)?;
    std::str::from_utf8(trace).ok()
}

/// The headers of one event.
pub fn cloud_event(kind: &str, id: &str, source: &str, traceparent: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![
        ("ce_specversion".to_owned(), b"1.0".to_vec()),
        ("ce_type".to_owned(), kind.as_bytes().to_vec()),
        ("ce_id".to_owned(), id.as_bytes().to_vec()),
        ("ce_source".to_owned(), source.as_bytes().to_vec()),
        ("content-type".to_owned(), b"application/json".to_vec()),
    ];
    if let Some(trace) = traceparent {
        headers.push((TRACEPARENT.to_owned(), trace.as_bytes().to_vec()));
    }
    headers
}
