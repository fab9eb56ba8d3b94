//! Answers that this proxy gives by itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use mesh_snapshot::{Deciders, Reason};

use super::{HttpConnection, response};
use crate::plane::{
    body::Body,
    flags::Flags,
    record::{Record, Why},
};

/// Tells a caller why its own proxy refused its request, or let it leave the mesh: a code of `docs/reasons.md`.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-lateen-reason");

/// An answer of this proxy's own.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) flags: Flags,
    pub(super) details: &'static str,
    /// Why it refuses, if it does.
    reason: Option<Reason>,
    why: Option<Box<Why>>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Of an injected fault of gRPC.
    pub(super) grpc_status: Option<u32>,
}

impl Reply {
    pub(super) fn new(status: StatusCode, flags: Flags, details: &'static str) -> Self {
        Self {
            status,
            flags,
            details,
            reason: None,
            why: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            grpc_status: None,
        }
    }

    /// Says why it refuses.
    pub(super) fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Says whose objects may have decided so.
    pub(super) fn decided_by(mut self, deciders: &Deciders<'_>) -> Self {
        self.why = self.reason.map(|reason| Why::of(reason, deciders));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Answers, and tells the request's end.
    pub(super) fn send(self, connection: &HttpConnection, mut record: Box<Record>) -> Response<Body> {
        record.flags.set(self.flags);
        record.details = self.details;
        let nobody = || self.reason.map(|reason| Why::of(reason, &Deciders::default()));
        record.why = self.why.or_else(nobody).or_else(|| record.why.take());
        let mut response = Response::new(Body::Empty);
        *response.headers_mut() = self.headers;
        let asks_grpc = record.grpc;
        if asks_grpc && (self.grpc_status.is_some() || !self.status.is_redirection() && !self.status.is_success()) {
            let status = self.grpc_status.unwrap_or_else(|| grpc_status(self.status));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert("grpc-status", HeaderValue::from(status));
            if let Ok(message) = HeaderValue::from_bytes(&percent_encoded(&self.body)) {
                headers.insert("grpc-message", message);
            }
        } else {
            *response.status_mut() = self.status;
            if !self.body.is_empty() {
                let headers = response.headers_mut();
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
                record.sent = self.body.len() as u64;
                *response.body_mut() = Body::Full(self.body);
            }
        }
        response::finish_head(connection, &mut response);
        response.headers_mut().extend(record.told().map(|code| (REASON, code)));
        record.answer(response.status(), response.headers());
        record.finish();
        response
    }
}

/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn grpc_status(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// As `grpc-message` is written: what is no visible ASCII is escaped.
fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'%' | 0..=31 | 127.. => out.extend(format!("%{byte:02X}").bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests;
