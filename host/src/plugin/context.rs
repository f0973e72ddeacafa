//! The context that the host hands to a plugin with each call.

use std::sync::Arc;

/// What a plugin is told with each call; a cassette records it, so that the call can be repeated.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// The chain file's settings as one JSON object.
    pub settings: String,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The height that is final already, where known.
    pub finalized: Option<u64>,
    /// The endpoint that answers this call, by a number that no other endpoint of this process has had.
    pub endpoint: Option<u64>,
    /// The network that this endpoint named when it was asked last, while nothing makes that doubtful.
    pub endpoint_network: Option<Arc<str>>,
}

impl CallContext {
    /// What stands in no field of the contract's record, as its attributes.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        let attributes = [
            ("finalized", self.finalized.map(|height| height.to_string())),
            ("endpoint", self.endpoint.map(|number| number.to_string())),
            ("endpoint-network", self.endpoint_network.as_deref().map(str::to_owned)),
        ];
        attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
