//! A minimal HTTP client with which the demo counts the trades that the api serves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long one answer may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How many trades of a chain the api serves in one answer, up to a page; none while it does not answer.
pub(crate) fn trades(address: SocketAddr, chain: &str) -> Option<usize> {
    let answer: Value = serde_json::from_str(&get(address, &format!("/v1/trades?chain={chain}"))?).ok()?;
    // The list is the answer, or the one array in it.
    let list = answer.as_array().or_else(|| answer.as_object()?.values().find_map(Value::as_array))?;
    Some(list.len())
}

/// The body of a successful answer.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, RESPONSE_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT)).ok()?;
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|status| *status == "200").map(|_| body.to_owned())
}
