//! The context that the host hands to a plugin with each call.

/// What a plugin is told with each call; a cassette records it, so that the call can be repeated.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The chain file's settings as one JSON object.
    pub settings: String,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The height that is final already, where known.
    pub finalized: Option<u64>,
}
