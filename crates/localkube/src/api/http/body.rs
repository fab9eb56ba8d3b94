//! Request bodies: JSON or YAML in, a value out.

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use crate::{api::protobuf, status::Status};

/// The largest body taken, in bytes.
const LIMIT: usize = 3 * 1024 * 1024;

/// The whole body; 413 when it is longer than 3 MiB.
pub async fn read(body: Incoming) -> Result<Bytes, Status> {
    match Limited::new(body, LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("Request entity too large: limit is {LIMIT}");
            Err(Status::new(413, "RequestEntityTooLarge", message))
        }
        Err(error) => Err(Status::bad_request(format!("the body could not be read: {error}"))),
    }
}

/// The content type without its parameters; "" when none is given.
pub fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// A JSON, YAML or protobuf body; 415 for another type.
pub fn decode(content_type: &str, text: &[u8]) -> Result<Value, Status> {
    match content_type {
        "" | "application/json" => from_json(text),
        "application/yaml" => from_yaml(text),
        "application/vnd.kubernetes.protobuf" => protobuf::decode(text),
        _ => Err(Status::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// JSON; 400 for text that is none.
pub fn from_json(text: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(text).map_err(|error| Status::bad_request(format!("the body is not JSON: {error}")))
}

/// YAML, or JSON, which is YAML; 400 for text that is none.
pub fn from_yaml(text: &[u8]) -> Result<Value, Status> {
    let text = std::str::from_utf8(text).map_err(|_| Status::bad_request("the body is not UTF-8"))?;
    serde_json::from_str(text)
        .or_else(|_| serde_saphyr::from_str(text))
        .map_err(|error| Status::bad_request(format!("error converting YAML to JSON: {error}")))
}
