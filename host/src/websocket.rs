//! Connects to a node's WebSocket: with the headers that it wants, and through an HTTP proxy where there is one.

use crate::chainfile::{NodeAddress, NodeProxy};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::Url;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config, connect_async_with_config};

/// Bytes of a proxy's answer at most.
const MAX_PROXY_ANSWER_BYTES: usize = 8 << 10;

/// Connects to a path below a node's address.
pub(crate) async fn connect(
    node: &NodeAddress,
    path: &str,
    proxy: &NodeProxy,
    config: WebSocketConfig,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let mut request = format!("{}{path}", node.url).into_client_request()?;
    request.headers_mut().extend(node.header_map());
    match intercept(proxy, &node.url) {
        None => Ok(connect_async_with_config(request, Some(config), true).await?.0),
        Some(proxy) => {
            let tunnel = open_tunnel(&proxy, &node.url).await?;
            tunnel.set_nodelay(true)?;
            Ok(client_async_tls_with_config(request, tunnel, Some(config), None).await?.0)
        }
    }
}

/// The proxy on the way to an address, if there is one. A WebSocket is asked for as its scheme's twin: rules know no others.
fn intercept(proxy: &NodeProxy, address: &str) -> Option<Intercept> {
    let matcher = match proxy {
        NodeProxy::Direct => return None,
        NodeProxy::Environment => Matcher::from_env(),
        NodeProxy::Through(proxy) => Matcher::builder().all(proxy.expose()).build(),
    };
    matcher.intercept(&address.replacen("ws", "http", 1).parse().ok()?)
}

/// Asks a proxy for a connection to the server of an address.
async fn open_tunnel(proxy: &Intercept, address: &str) -> io::Result<TcpStream> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    let target = Url::parse(address).map_err(|_| invalid("the socket's address is malformed"))?;
    let host = target.host_str().ok_or_else(|| invalid("the socket's address has no host"))?;
    let port = target.port_or_known_default().ok_or_else(|| invalid("the socket's address has no port"))?;
    let uri = proxy.uri();
    if uri.scheme_str() != Some("http") {
        return Err(invalid("a proxy of another kind than http:// is not supported for WebSockets"));
    }
    let proxy_host = uri.host().ok_or_else(|| invalid("the proxy's address has no host"))?;
    let proxy_host = proxy_host.trim_start_matches('[').trim_end_matches(']');
    let mut tunnel = TcpStream::connect((proxy_host, uri.port_u16().unwrap_or(80))).await?;
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(login) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    tunnel.write_all(&request).await?;
    // Byte by byte: whatever follows the answer is the node's.
    let mut answer = vec![];
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == MAX_PROXY_ANSWER_BYTES {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        answer.push(tunnel.read_u8().await?);
    }
    let status = String::from_utf8_lossy(&answer);
    let status = status.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some(code) if code.starts_with('2') => Ok(tunnel),
        _ => Err(io::Error::other(format!("the proxy answers `{status}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use environment::Secret;
    use futures_util::{SinkExt, StreamExt};
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use tokio::io::AsyncBufReadExt;
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    use tokio_tungstenite::tungstenite::http::StatusCode;

    const LOGIN: &str = "Bearer token-of-the-node";

    /// A node that greets those who log in.
    async fn node() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                #[expect(clippy::result_large_err, reason = "the signature of the callback")]
                let check = |request: &Request, response: Response| {
                    let is_known =
                        request.uri() == "/ws" && request.headers().get("authorization").is_some_and(|it| it == LOGIN);
                    if is_known {
                        return Ok(response);
                    }
                    let mut refused = ErrorResponse::new(None);
                    *refused.status_mut() = StatusCode::UNAUTHORIZED;
                    Err(refused)
                };
                if let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, check).await {
                    socket.send(Message::text("hello")).await.unwrap();
                }
            }
        });
        address
    }

    /// A proxy that lets those with a login through, and sends back what it was asked.
    async fn proxy(asked: tokio::sync::mpsc::UnboundedSender<String>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = tokio::io::BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    stream.read_line(&mut head).await.unwrap();
                }
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let is_known = head.contains("Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n");
                asked.send(head.lines().next().unwrap().to_owned()).unwrap();
                let status = if is_known { "200 Connection established" } else { "407 Proxy Authentication Required" };
                stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
                if is_known {
                    let mut onward = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
                }
            }
        });
        address
    }

    async fn greeting(login: Option<&str>, proxy: &NodeProxy, address: SocketAddr) -> Result<String, String> {
        let headers = login.map(|login| ("Authorization".to_owned(), Secret::new(login)));
        let node =
            NodeAddress { url: format!("ws://{address}"), headers: headers.into_iter().collect::<BTreeMap<_, _>>() };
        let connected = connect(&node, "/ws", proxy, WebSocketConfig::default()).await;
        let mut socket = connected.map_err(|error| error.to_string())?;
        let message = socket.next().await.unwrap().map_err(|error| error.to_string())?;
        Ok(message.into_text().unwrap().to_string())
    }

    #[tokio::test]
    async fn a_socket_gets_the_headers_of_its_node() {
        let address = node().await;
        assert_eq!(greeting(Some(LOGIN), &NodeProxy::Direct, address).await, Ok("hello".to_owned()));
        assert!(greeting(None, &NodeProxy::Direct, address).await.unwrap_err().contains("401"));
    }

    #[tokio::test]
    async fn a_socket_is_reached_through_a_proxy() {
        environment::install_crypto();
        let address = node().await;
        let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let at = proxy(sender).await;
        let through = |login: &str| NodeProxy::Through(Secret::new(format!("http://{login}{at}")));
        assert_eq!(greeting(Some(LOGIN), &through("user:word@"), address).await, Ok("hello".to_owned()));
        assert_eq!(asked.recv().await.unwrap(), format!("CONNECT {address} HTTP/1.1"));
        let refused = greeting(Some(LOGIN), &through(""), address).await.unwrap_err();
        assert!(refused.contains("407 Proxy Authentication Required"), "{refused}");
    }
}
