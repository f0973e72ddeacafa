//! What a plugin may send: headers that are not the host's, and addresses below the endpoint's own.

use super::{Request, UpstreamError};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers of one request.
const MAX_HEADERS: usize = 64;
/// Bytes of one request's path.
const MAX_PATH_BYTES: usize = 64 << 10;
/// Headers that only the host sets.
const HOST_HEADERS: [&str; 6] =
    ["host", "authorization", "content-length", "transfer-encoding", "connection", "user-agent"];

/// The headers of a request, unless it contains what a plugin may not send.
pub(super) fn checked_headers(request: &Request) -> Result<HeaderMap, UpstreamError> {
    let refused = |why: String| Err(UpstreamError::Refused(why));
    let path = &request.path;
    if path.len() > MAX_PATH_BYTES {
        return refused(format!("path has {} bytes, at most {MAX_PATH_BYTES}", path.len()));
    }
    if request.headers.len() > MAX_HEADERS {
        return refused(format!("{} headers, at most {MAX_HEADERS}", request.headers.len()));
    }
    if !(path.is_empty() || path.starts_with('/') || path.starts_with('?')) {
        return refused(format!("path `{path}` must be empty or start with / or ?"));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return refused("path holds characters that are not printable ASCII".to_owned());
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        if HOST_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return refused(format!("header `{name}` is the host's own"));
        }
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return refused(format!("header `{name}` is not a valid header"));
        };
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The address of a request. What was parsed is compared with what was written: the same server, the endpoint's whole
/// path, and below it no segment that goes up again, however it is spelled.
pub(super) fn checked_url(endpoint: &str, path: &str) -> Result<Url, UpstreamError> {
    let parse = |text: &str| {
        Url::parse(text).map_err(|e| UpstreamError::Refused(format!("no request: the endpoint's address: {e}")))
    };
    let (base, url) = (parse(endpoint)?, parse(&format!("{endpoint}{path}"))?);
    let leaves = || UpstreamError::Refused(format!("path `{path}` leaves the endpoint's own path"));
    let server = |url: &Url| {
        let user = (url.username().to_owned(), url.password().map(str::to_owned));
        (url.scheme().to_owned(), user, url.host_str().map(str::to_owned), url.port_or_known_default())
    };
    if server(&base) != server(&url) || url.fragment() != base.fragment() {
        return Err(leaves());
    }
    if let Some(query) = base.query() {
        // What is appended to a query stays in it.
        let stays = url.path() == base.path() && url.query().is_some_and(|longer| longer.starts_with(query));
        return if stays { Ok(url) } else { Err(leaves()) };
    }
    let (above, written) = (base.path().trim_end_matches('/'), path.split('?').next().unwrap_or_default());
    let below = url.path().strip_prefix(above).ok_or_else(leaves)?;
    // The parser takes segments away where a path goes up: there must be as many as were written.
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    let is_root = written.is_empty() && below == "/";
    if (!is_root && slashes(below) != slashes(written)) || goes_up(written) || goes_up(below) {
        return Err(leaves());
    }
    Ok(url)
}

/// Whether a server that decodes a path, however often, may find a segment in it that goes up.
fn goes_up(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let decoded = decode_once(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let segment = |segment: &[u8]| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    bytes.split(|byte| matches!(byte, b'/' | b'\\' | b'?' | b'#' | 0)).any(segment)
}

/// A text with each `%XX` replaced, as far as that is text.
pub(super) fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&decode_once(text.as_bytes())).into_owned()
}

/// Bytes with each `%XX` replaced by the byte that it stands for.
fn decode_once(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%').then(|| digit(at + 1).zip(digit(at + 2))).flatten();
        let code = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "https://node.example/v2/key-of-the-account";

    #[test]
    fn every_spelling_that_leaves_the_endpoints_path_is_refused() {
        for path in [
            "/..",
            "/../other",
            "/a/../../x",
            "/%2e%2e/x",
            "/%2E%2e",
            "/.%2e/x",
            "/%2e./x",
            "/%252e%252e/x",
            "/%25252e./x",
            "/..%2fx",
            "/%2e%2e%2fx",
            "/..\\x",
            "/..%5cx",
            "/\\..\\x",
            "/..;/x",
            "/..;a=b/x",
            "/%2e%2e;x",
            "/x/./y",
            "/%2e/x",
            "/x#y",
            "/x%2f..%2f..",
            "/..%00/x",
            "/..%3fx",
            "/%2e%2e?x=1",
        ] {
            let refused = checked_url(ENDPOINT, path).unwrap_err().to_string();
            assert!(refused.contains("leaves the endpoint's own path"), "{path}: {refused}");
        }
    }

    #[test]
    fn paths_below_the_endpoint_and_queries_are_sent_as_written() {
        for (path, sent) in [
            ("", "https://node.example/v2/key-of-the-account"),
            ("/blocks/7", "https://node.example/v2/key-of-the-account/blocks/7"),
            ("/a//b/", "https://node.example/v2/key-of-the-account/a//b/"),
            ("/v1..2/a%20b", "https://node.example/v2/key-of-the-account/v1..2/a%20b"),
            ("?query=../x%2e%2e", "https://node.example/v2/key-of-the-account?query=../x%2e%2e"),
            ("/tx?q=a/../b", "https://node.example/v2/key-of-the-account/tx?q=a/../b"),
        ] {
            assert_eq!(checked_url(ENDPOINT, path).unwrap().as_str(), sent, "{path}");
        }
        assert_eq!(checked_url("http://node:8545", "").unwrap().as_str(), "http://node:8545/");
        assert_eq!(checked_url("http://node:8545", "/x").unwrap().as_str(), "http://node:8545/x");
        assert_eq!(checked_url("http://node/x?key=1", "&a=2").unwrap().as_str(), "http://node/x?key=1&a=2");
        assert!(checked_url("http://node:80", "80/x").is_err() && checked_url("http://node", "@other/x").is_err());
    }
}
