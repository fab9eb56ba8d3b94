//! A request as the echo routes see it, and what they tell of it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;

use crate::net::httpd::Connection;

/// Larger bodies are refused.
const MAX_BODY: usize = 16 << 20;

/// Names with all their values, as a query or a form has them.
pub(super) type Values = BTreeMap<String, Vec<String>>;

/// A request whose body has been read.
pub(super) struct Asked {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    pub(super) connection: Connection,
    pub(super) query: Values,
}

/// What `/get`, `/post`, `/anything` and others tell. The order of the fields is go-httpbin's.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    args: Values,
    headers: Values,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    origin: String,
    url: String,
    #[serde(flatten)]
    content: Option<Content>,
    #[serde(flatten)]
    pub(super) encoding: BTreeMap<&'static str, bool>,
}

#[derive(Debug, Serialize)]
struct Content {
    data: String,
    files: Values,
    form: Values,
    json: Value,
}

impl Asked {
    /// Reads the body; an error is the status to answer with.
    pub(super) async fn read(request: http::Request<Incoming>, connection: Connection) -> Result<Self, StatusCode> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                StatusCode::PAYLOAD_TOO_LARGE
            } else {
                StatusCode::BAD_REQUEST
            }
        })?;
        let query = values(head.uri.query().unwrap_or_default());
        Ok(Self { head, body: body.to_bytes(), connection, query })
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name)?.first().map(String::as_str)
    }

    /// A header's value as text.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The name that the caller asked for, with its port if it gave one.
    pub(super) fn host(&self) -> &str {
        let authority = self.head.uri.authority().map(http::uri::Authority::as_str);
        authority.or_else(|| self.header(header::HOST)).unwrap_or_default()
    }

    /// All headers by their usual names, with all their values.
    pub(super) fn headers(&self) -> Values {
        let mut named = canonical(&self.head.headers);
        named.insert("Host".to_owned(), vec![self.host().to_owned()]);
        named
    }

    /// The caller's address, as far as a proxy on the way told it.
    pub(super) fn origin(&self) -> String {
        let forwarded = self.header("x-forwarded-for").and_then(|list| list.split(',').next());
        forwarded.map_or_else(|| self.connection.peer.ip().to_string(), |first| first.trim().to_owned())
    }

    /// The scheme and host before a path.
    pub(super) fn base(&self) -> String {
        let own = if self.connection.is_tls { "https" } else { "http" };
        format!("{}://{}", self.header("x-forwarded-proto").unwrap_or(own), self.host())
    }

    /// User and password of basic authentication.
    pub(super) fn credentials(&self) -> Option<(String, String)> {
        let coded = self.header(header::AUTHORIZATION)?.strip_prefix("Basic ")?;
        let text = String::from_utf8(general_purpose::STANDARD.decode(coded).ok()?).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// All but the body.
    pub(super) fn told(&self) -> Told {
        let path = self.head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Told {
            id: None,
            args: self.query.clone(),
            headers: self.headers(),
            method: Some(self.head.method.to_string()),
            origin: self.origin(),
            url: self.base() + path,
            content: None,
            encoding: BTreeMap::new(),
        }
    }

    /// One line of `/stream`.
    pub(super) fn told_line(&self, id: usize) -> Told {
        Told { id: Some(id), method: None, ..self.told() }
    }

    /// All, with the body by its type. Forms and JSON are also taken apart; unknown types come as a data URL.
    pub(super) fn told_with_body(&self) -> Result<Told, String> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let (mut form, mut json) = (Values::new(), Value::Null);
        let data = match kind {
            _ if self.body.is_empty() => String::new(),
            "text/plain" | "text/html" | "multipart/form-data" => text,
            "application/x-www-form-urlencoded" => {
                form = values(&text);
                text
            }
            "application/json" => {
                json = serde_json::from_str(&text).map_err(|e| format!("error parsing request body: {e}"))?;
                text
            }
            _ => {
                let kind = if kind.is_empty() { "application/octet-stream" } else { kind };
                format!("data:{kind};base64,{}", general_purpose::URL_SAFE.encode(&self.body))
            }
        };
        Ok(Told { content: Some(Content { data, files: Values::new(), form, json }), ..self.told() })
    }
}

/// Headers by the names that people write: `User-Agent`.
fn canonical(headers: &HeaderMap) -> Values {
    let mut named = Values::new();
    for (name, value) in headers {
        let words: Vec<String> = name
            .as_str()
            .split('-')
            .map(|word| word.get(..1).map_or_else(String::new, str::to_uppercase) + word.get(1..).unwrap_or_default())
            .collect();
        named.entry(words.join("-")).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    named
}

/// Takes a query or a form apart.
pub(super) fn values(text: &str) -> Values {
    let mut found = Values::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        found.entry(decode(name, true)).or_default().push(decode(value, true));
    }
    found
}

/// Undoes percent encoding; in a form, `+` is a space.
pub(super) fn decode(text: &str, is_form: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let coded = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match coded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(if is_form && *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
