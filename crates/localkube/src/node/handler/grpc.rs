//! `grpc.health.v1.Health/Check`, by hand: one field in, one field out.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;

use super::{dial, seconds};
use crate::net::netns::NetNs;

const SERVING: u8 = 1;
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Ok when the service says that it serves. The error is worded as the kubelet's.
pub async fn check(netns: &NetNs, host: &str, port: u16, service: &str, limit: Duration) -> Result<(), String> {
    let late = || {
        format!(
            "timeout: failed to connect service \"{host}:{port}\" within {}: context deadline exceeded",
            seconds(limit)
        )
    };
    let stream = dial(netns, host, port, limit).await.map_err(|_| late())?;
    let ask = async {
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let driver = tokio::spawn(connection);
        let request = Request::post(format!("http://{host}:{port}/grpc.health.v1.Health/Check"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "kube-probe/1.33")
            .body(Full::new(question(service)))
            .map_err(|e| e.to_string())?;
        let (head, body) = sender.send_request(request).await.map_err(|e| e.to_string())?.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?;
        driver.abort();
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok::<_, String>((head.headers, trailers, body.to_bytes()))
    };
    match timeout(limit, ask).await {
        Ok(Ok((headers, trailers, body))) => answer(&headers, &trailers, &body),
        Ok(Err(error)) => Err(format!("error: health rpc failed: {error}")),
        Err(_) => Err(format!("timeout: health rpc did not complete within {}", seconds(limit))),
    }
}

/// A length-prefixed `HealthCheckRequest`.
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or_default());
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap_or_default().to_be_bytes());
    frame.extend(message);
    frame.into()
}

fn answer(headers: &HeaderMap, trailers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| trailers.get(name).or_else(|| headers.get(name)).and_then(|v| v.to_str().ok());
    match header("grpc-status") {
        Some("0") => {}
        Some("12") => {
            return Err("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)".into());
        }
        status => {
            let message = header("grpc-message").unwrap_or_default();
            return Err(format!("error: health rpc failed: code {}: {message}", status.unwrap_or("none")));
        }
    }
    // A message without field 1 has its default: UNKNOWN.
    let state = match body.get(5..7) {
        Some([0x08, state]) => *state,
        _ => 0,
    };
    if state == SERVING {
        return Ok(());
    }
    let name = STATES.get(usize::from(state)).unwrap_or(&"UNKNOWN");
    Err(format!("service unhealthy (responded with {name:?})"))
}
