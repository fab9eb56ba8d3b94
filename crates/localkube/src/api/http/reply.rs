//! Responses.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use super::{Body, Response};
use crate::status::Status;

/// JSON text with a code.
pub fn json(code: u16, text: Bytes) -> Response {
    whole(code, "application/json", text)
}

/// A JSON value with a code.
pub fn value(code: u16, value: &Value) -> Response {
    json(code, value.to_string().into())
}

/// 200 with plain text.
pub fn text(text: String) -> Response {
    whole(200, "text/plain; charset=utf-8", text.into())
}

/// An OpenAPI v2 document without definitions, which as protobuf is no bytes at all. For kinds without PATCH (reviews)
/// kubectl looks here, and leaves validation to the server for what it does not find.
pub fn empty_openapi_v2() -> Response {
    whole(200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", Bytes::new())
}

/// An error.
pub fn failure(status: &Status) -> Response {
    let mut response = value(status.code, &status.to_value());
    if let Some(seconds) = status.details["retryAfterSeconds"].as_u64() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The `Status` that tells of success, about an object.
pub fn success(code: u16, group: &str, plural: &str, name: &str, uid: &str) -> Response {
    let mut details = json!({"name": name, "kind": plural, "uid": uid});
    if !group.is_empty() {
        details["group"] = group.into();
    }
    value(code, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}))
}

/// 200 with JSON that comes in pieces.
pub fn stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    use futures::StreamExt;
    let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    with_type(Response::new(StreamBody::new(frames).boxed_unsync()), "application/json")
}

/// Adds `Warning` headers.
pub fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

fn whole(code: u16, content_type: &'static str, text: Bytes) -> Response {
    let body: Body = Full::new(text).boxed_unsync();
    let mut response = with_type(Response::new(body), content_type);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn with_type(mut response: Response, content_type: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
