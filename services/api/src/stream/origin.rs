//! Which pages may open a stream: browsers let any page open a WebSocket anywhere and only say where the page is from.

use crate::settings::Origins;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Uri, header};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether a handshake may pass: no page asks, or one of this server's own, or one of an allowed origin. What a proxy
/// changed of the host counts only where the proxy is trusted. The scheme of a page of our own is not compared: TLS may end
/// at a proxy.
pub(super) fn may_open(headers: &HeaderMap, allowed: Option<&Origins>, through_proxy: bool) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let is_allowed = match allowed {
        Some(Origins::Any) => return true,
        Some(Origins::Listed(listed)) => listed.contains(origin),
        None => false,
    };
    if origins.next().is_some() {
        return false;
    }
    let page: Option<Authority> =
        origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok()?.into_parts().authority);
    let hosts = [Some(header::HOST), through_proxy.then_some(X_FORWARDED_HOST)];
    let ours = |page: &Authority| {
        let mut named = hosts.iter().flatten().filter_map(|name| headers.get(name)?.to_str().ok());
        named.any(|host| page.as_str().eq_ignore_ascii_case(host))
    };
    is_allowed || page.as_ref().is_some_and(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_our_own_and_allowed_pages_open_a_stream() {
        let listed: Origins = "https://a.example".parse().unwrap();
        let may = |origin: &'static str, allowed| {
            may_open(&headers(&[("host", "api.example"), ("origin", origin)]), allowed, false)
        };
        assert!(may_open(&headers(&[("host", "api.example")]), None, false), "who is no browser names no origin");
        assert!(may("https://api.example", None) && may("http://API.example", None));
        for foreign in
            ["https://a.example", "null", "https://api.example.evil", "https://api.example:444", "file://", ""]
        {
            assert!(!may(foreign, None), "{foreign}");
            assert!(may(foreign, Some(&Origins::Any)), "{foreign}");
            assert_eq!(may(foreign, Some(&listed)), foreign == "https://a.example", "{foreign}");
        }
        let two =
            headers(&[("host", "api.example"), ("origin", "https://api.example"), ("origin", "https://evil.example")]);
        assert!(!may_open(&two, None, false));
    }

    #[test]
    fn a_trusted_proxy_names_the_host() {
        let proxied = headers(&[
            ("host", "10.0.0.7:8080"),
            ("x-forwarded-host", "api.example"),
            ("origin", "https://api.example"),
        ]);
        assert!(may_open(&proxied, None, true) && !may_open(&proxied, None, false));
    }
}
