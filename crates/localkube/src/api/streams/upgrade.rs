//! From HTTP to another protocol on the same connection: WebSocket (RFC 6455) or SPDY/3.1.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{api::http::Response, status::Status};

/// A protocol that both sides speak.
pub(super) struct Upgrade {
    /// As the client named it: `v5.channel.k8s.io`, `SPDY/3.1+portforward.k8s.io`, `portforward.k8s.io`, ...
    pub(super) protocol: &'static str,
    /// Whether it goes in WebSocket messages; else it is SPDY itself.
    pub(super) websocket: bool,
    /// The client's WebSocket key.
    key: String,
    pending: OnUpgrade,
}

const STREAM_PROTOCOL: &str = "x-stream-protocol-version";

impl Upgrade {
    /// Reads what the client offers and takes the first that is among `websocket` or `spdy`.
    pub(super) fn of<B>(
        request: &mut Request<B>,
        websocket: &[&'static str],
        spdy: &[&'static str],
    ) -> Result<Self, Status> {
        let headers = request.headers();
        let asked = text(headers, header::UPGRADE.as_str()).to_ascii_lowercase();
        let (offer, known, is_websocket) = match asked.as_str() {
            "websocket" => (header::SEC_WEBSOCKET_PROTOCOL.as_str(), websocket, true),
            "spdy/3.1" => (STREAM_PROTOCOL, spdy, false),
            _ => return Err(Status::bad_request("Upgrade request required")),
        };
        let offers: Vec<&str> = headers
            .get_all(offer)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(',').map(str::trim))
            .collect();
        let protocol =
            offers.iter().find_map(|offered| known.iter().find(|known| *known == offered)).ok_or_else(|| {
                Status::bad_request(format!(
                    "unable to upgrade: none of the protocols {offers:?} is served, but {known:?} are"
                ))
            })?;
        let key = text(headers, header::SEC_WEBSOCKET_KEY.as_str()).to_owned();
        let is_key = STANDARD.decode(&key).is_ok_and(|nonce| nonce.len() == 16);
        if is_websocket && (!is_key || text(headers, header::SEC_WEBSOCKET_VERSION.as_str()) != "13") {
            return Err(Status::bad_request("a WebSocket needs a key of 16 bytes and version 13"));
        }
        Ok(Self { protocol, websocket: is_websocket, key, pending: hyper::upgrade::on(request) })
    }

    /// The response that switches, and the connection after it.
    pub(super) fn accept(self) -> (Response, OnUpgrade) {
        let mut response = http::Response::new(Empty::new().boxed_unsync());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        let protocol = HeaderValue::from_static(self.protocol);
        if self.websocket {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
            if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(self.key.as_bytes())) {
                headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
            }
        } else {
            headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
            headers.insert(STREAM_PROTOCOL, protocol);
        }
        (response, self.pending)
    }
}

/// A connection as a server's WebSocket.
pub(super) async fn websocket(upgraded: Upgraded) -> WebSocketStream<TokioIo<Upgraded>> {
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
