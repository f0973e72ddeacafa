//! Two calls of librdkafka that the crate `rdkafka` does not wrap: the ids of topics, and a token for a client that nobody
//! polls.
//!
//! Decisions
//! * 2026-11-29 – unsafe code, in this crate and nowhere else. Context: a log is known by the ids of its topics (KIP-516),
//!   which librdkafka has and its crate does not hand out; a request written by hand would need encryption and every way
//!   to authenticate a second time. Choice: a crate of two functions without rules of its own. Price: whoever takes a new
//!   `rdkafka-sys` reads these calls against its header.

mod owned;
mod topics;

pub use topics::{DescribedPartition, DescribedTopic, describe_topics};

use owned::{MessageBuffer, c_text};
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as native;

/// Gives a client its token for SASL/OAUTHBEARER. A client that is polled asks for tokens by itself
/// (`ClientContext::generate_oauth_token`); one that only asks the brokers never learns that it should.
pub fn set_oauth_token<C: ClientContext>(
    client: &Client<C>,
    token: &str,
    lifetime_ms: i64,
    principal: &str,
) -> Result<(), String> {
    let (token, principal) = (c_text(token)?, c_text(principal)?);
    let mut why = MessageBuffer::default();
    // SAFETY: the client lives as long as the borrow, the texts and the buffer as long as the call, which copies them.
    let code = unsafe {
        native::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            token.as_ptr(),
            lifetime_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            why.as_mut_ptr(),
            why.capacity(),
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(why.text()) }
}
