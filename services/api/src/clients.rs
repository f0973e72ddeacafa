//! Who a client is: the API key that it sent, else the address of its connection, or behind trusted proxies the address
//! that these name.
//!
//! Decisions
//! * 2026-11-29 – headers are read from the right and believed only as far as trusted proxies wrote them: the first
//!   address that is not trusted is the client. A value that cannot be read, a proxy that names nobody, and two headers
//!   that disagree count as the last proxy that is known. Context: a client writes any header it likes, and most
//!   proxies pass on the header that they do not write themselves. Price: such requests share the proxy's limits.

use axum::http::{HeaderMap, HeaderName, header};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request, as the guard found it: whom limits count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClientId {
    /// Everybody at this address; of IPv6, in this network of 64 bits.
    Address(IpAddr),
    /// Everybody who has the API key of this name.
    Key(Arc<str>),
}

impl ClientId {
    /// The client at an address.
    pub(crate) fn from_address(address: IpAddr) -> Self {
        Self::Address(counted_address(address))
    }
}

/// Addresses of proxies whose `Forwarded` and `X-Forwarded-For` are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// A text that is no list of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be addresses or networks such as `10.0.0.0/8,2001:db8::/32` separated by commas")]
pub struct InvalidNetworks;

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    bits: u32,
}

impl TrustedProxies {
    /// Whether requests from this address come from a trusted proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client of a request that arrived from `peer`.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let named = |name: &HeaderName, hops: fn(&str) -> Vec<Option<IpAddr>>| {
            headers.contains_key(name).then(|| self.first_untrusted(peer, headers, name, hops))
        };
        match (named(&header::FORWARDED, forwarded_hops), named(&X_FORWARDED_FOR, listed_hops)) {
            (Some(one), Some(other)) if one != other => peer,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => peer,
        }
    }

    /// Walks from the connection to the left, up to the first address that is not trusted or cannot be read.
    fn first_untrusted(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        name: &HeaderName,
        hops: fn(&str) -> Vec<Option<IpAddr>>,
    ) -> IpAddr {
        let mut known = peer;
        let values: Vec<_> = headers.get_all(name).iter().collect();
        for value in values.into_iter().rev() {
            let Ok(text) = value.to_str() else { return known };
            for hop in hops(text).into_iter().rev() {
                let Some(address) = hop else { return known };
                known = address;
                if !self.contains(known) {
                    return known;
                }
            }
        }
        known
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidNetworks;

    fn from_str(text: &str) -> Result<Self, InvalidNetworks> {
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(|network| format!("{}/{}", network.base, network.bits)).collect();
        f.write_str(&texts.join(","))
    }
}

impl FromStr for Network {
    type Err = InvalidNetworks;

    fn from_str(text: &str) -> Result<Self, InvalidNetworks> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| InvalidNetworks)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|digit| digit.is_ascii_digit()) => {
                bits.parse().map_err(|_| InvalidNetworks)?
            }
            Some(_) => return Err(InvalidNetworks),
        };
        match address.to_canonical() {
            _ if bits > most => Err(InvalidNetworks),
            IpAddr::V4(base) if most == 128 && bits >= 96 => Ok(Self { base: base.into(), bits: bits - 96 }),
            base if base.is_ipv4() == address.is_ipv4() => Ok(Self { base, bits }),
            _ => Err(InvalidNetworks),
        }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The address under which limits count a client: an IPv6 client has a whole /64.
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four @ IpAddr::V4(_) => four,
    }
}

/// The addresses of an `X-Forwarded-For`, in its order; none for one that cannot be read.
fn listed_hops(text: &str) -> Vec<Option<IpAddr>> {
    text.split(',').map(|hop| node_address(hop.trim_matches([' ', '\t']))).collect()
}

/// The addresses of a `Forwarded` (RFC 7239), in its order; none for a hop that names no address. A text that is not
/// of that form is one hop that cannot be read, since it does not say where the next one begins.
fn forwarded_hops(text: &str) -> Vec<Option<IpAddr>> {
    let mut hops = vec![];
    let mut rest = text;
    loop {
        let Some((address, separator, after)) = forwarded_hop(rest) else {
            // What stands to the right of the fault was perhaps never a hop of its own.
            return vec![None];
        };
        hops.push(address);
        if separator.is_none() {
            return hops;
        }
        rest = after;
    }
}

/// One element of a `Forwarded`: the address of its only `for`, what ends it, and the text after that.
fn forwarded_hop(text: &str) -> Option<(Option<IpAddr>, Option<char>, &str)> {
    let (mut address, mut names, mut rest) = (None, 0, text);
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches([' ', '\t']);
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return None;
        }
        let (value, after) = forwarded_value(after)?;
        if name.eq_ignore_ascii_case("for") {
            names += 1;
            address = node_address(&value);
        }
        let after = after.trim_start_matches([' ', '\t']);
        let separator = after.chars().next();
        rest = after.get(1..).unwrap_or_default();
        match separator {
            Some(';') => {}
            None | Some(',') => return Some((address.filter(|_| names == 1), separator, rest)),
            Some(_) => return None,
        }
    }
}

/// A token or a quoted text, and what follows it.
fn forwarded_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Bytes of a token (RFC 9110), and the colon that some proxies leave unquoted between address and port.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte)
}

/// The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node_address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|node| node.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORWARDED: &str = "forwarded";
    const LISTED: &str = "x-forwarded-for";

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted: TrustedProxies = "10.0.0.0/8,::1,fd00::/16".parse().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        trusted.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn the_first_untrusted_address_from_the_right_is_the_client() {
        let long = "1.1.1.1,".repeat(2_000) + "192.0.2.9";
        #[expect(clippy::type_complexity, reason = "a table")]
        let table: &[(&str, &[(&str, &str)], &str)] = &[
            ("192.0.2.1", &[(LISTED, "203.0.113.1")], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(LISTED, "203.0.113.1")], "203.0.113.1"),
            ("::ffff:10.0.0.1", &[(LISTED, "::ffff:203.0.113.1")], "203.0.113.1"),
            ("10.0.0.1", &[(LISTED, "1.1.1.1, 203.0.113.1")], "203.0.113.1"),
            ("10.0.0.1", &[(LISTED, "1.1.1.1, 203.0.113.1 ,\t10.2.3.4,fd00::7")], "203.0.113.1"),
            ("10.0.0.1", &[(LISTED, "1.1.1.1"), (LISTED, "203.0.113.1")], "203.0.113.1"),
            ("10.0.0.1", &[(LISTED, "203.0.113.1"), (LISTED, "10.9.9.9")], "203.0.113.1"),
            ("10.0.0.1", &[(LISTED, "203.0.113.1:4711")], "203.0.113.1"),
            ("10.0.0.1", &[(LISTED, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("::1", &[(LISTED, "2001:db8::1")], "2001:db8::1"),
            ("10.0.0.1", &[(LISTED, "10.0.0.9,10.0.0.8")], "10.0.0.9"),
            ("10.0.0.1", &[(LISTED, &long)], "192.0.2.9"),
            ("10.0.0.1", &[(FORWARDED, "for=203.0.113.1")], "203.0.113.1"),
            ("10.0.0.1", &[(FORWARDED, "For=\"[2001:db8::1]:80\";proto=https;by=_x")], "2001:db8::1"),
            ("10.0.0.1", &[(FORWARDED, "for=1.1.1.1, proto=http; FOR=203.0.113.1 ,for=10.0.0.3")], "203.0.113.1"),
            ("10.0.0.1", &[(FORWARDED, "for=1.1.1.1"), (FORWARDED, "for=203.0.113.1;host=\"a,b;c\"")], "203.0.113.1"),
            ("10.0.0.1", &[(FORWARDED, "for=203.0.113.1"), (LISTED, "1.1.1.1, 203.0.113.1")], "203.0.113.1"),
        ];
        for (peer, headers, right) in table {
            assert_eq!(client(peer, headers), *right, "{peer} {headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_the_last_known_proxy() {
        for hop in [
            "",
            " ",
            "unknown",
            "_hidden",
            "203.0.113",
            "203.0.113.1.1",
            "0x7f.1",
            "010.0.0.1",
            "999.1.1.1",
            "1.1.1.1/8",
            "[2001:db8::1",
            "2001:db8::1]",
            "[203.0.113.1]",
            "fe80::1%eth0",
            "203.0.113.1:",
            "203.0.113.1:99999",
            "localhost",
            "203.0.113.1 203.0.113.2",
            "for=203.0.113.1",
            "\"203.0.113.1\"",
            "203.0.113.1;",
        ] {
            assert_eq!(client("10.0.0.1", &[(LISTED, hop)]), "10.0.0.1", "{hop:?}");
            assert_eq!(client("10.0.0.1", &[(LISTED, &format!("1.1.1.1,{hop},10.0.0.7"))]), "10.0.0.7", "{hop:?}");
        }
        for text in [
            "",
            "for",
            "for=",
            "=203.0.113.1",
            "proto=https",
            "for=unknown",
            "for=_x",
            "203.0.113.1",
            "for=[2001:db8::1]",
            "for=203.0.113.1;for=203.0.113.2",
            "for=203.0.113.1;",
            "for=203.0.113.1,",
            ",for=203.0.113.1",
            "for=\"203.0.113.1",
            "for=\"x, for=203.0.113.1",
            "for=\"x\\, for=\"[2001:db8::1]\"",
            "for=\"203.0.113.1\"x",
            "for =\"\\",
            "for=1.1.1.1 for=203.0.113.1",
            "for=203.0.113.1;bad name=x",
        ] {
            assert_eq!(client("10.0.0.1", &[(FORWARDED, text)]), "10.0.0.1", "{text:?}");
        }
        let disagreeing = [(FORWARDED, "for=1.1.1.1"), (LISTED, "203.0.113.1")];
        assert_eq!(client("10.0.0.1", &disagreeing), "10.0.0.1", "a header that the proxy passed on grants nothing");
        let mut raw = HeaderMap::new();
        raw.insert(LISTED, axum::http::HeaderValue::from_bytes(b"203.0.113.1\xff").unwrap());
        let trusted: TrustedProxies = "10.0.0.1".parse().unwrap();
        assert_eq!(trusted.client("10.0.0.1".parse().unwrap(), &raw).to_string(), "10.0.0.1");
    }

    #[test]
    fn networks_are_read_and_matched_by_their_first_bits() {
        let read = |text: &str| text.parse::<TrustedProxies>();
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("127.0.0.1/8", "127.9.9.9", "128.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"),
        ] {
            let trusted = read(text).unwrap();
            assert!(trusted.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!trusted.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for text in ["", ",", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "proxy", "::1/129", "10.0.0.1,"] {
            assert_eq!(read(text), Err(InvalidNetworks), "{text:?}");
        }
        assert_eq!(read("10.0.0.0/8, ::1").unwrap().to_string(), "10.0.0.0/8,::1/128");
    }
}
