//! What is asked about.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::{Deserialize, Serialize};

/// A request that nobody sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET`
    #[serde(default = "get")]
    pub method: String,
    /// `http://reviews:9080/reviews/0`
    pub url: String,
    /// By name; several values of one name are joined by commas.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Why there is no such request. The caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// No method.
    #[error("\"{0}\" is no method such as GET")]
    Method(String),
    /// No URL.
    #[error("\"{0}\" is no URL such as http://reviews:9080/reviews/0")]
    Url(String),
    /// No header.
    #[error("-H \"{0}\": should be \"Name: value\"")]
    Header(String),
}

/// The parts of a request that decisions are made from.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) method: Method,
    pub(super) carrier: Carrier,
    /// The host of the URL, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The `Host` header: the URL's host and port, unless a header says otherwise.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

/// What the caller's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// HTTP in the clear: `http/1.1`, or `h2c` for gRPC.
    Http(&'static str),
    Tls,
    Bytes,
}

impl Parts {
    /// What a connection calls, as the proxy's log has it: the server name of TLS, else the address.
    pub(super) fn called(&self, destination: SocketAddr) -> String {
        let is_name = self.carrier == Carrier::Tls && self.host.parse::<IpAddr>().is_err();
        if is_name { self.host.to_ascii_lowercase() } else { destination.to_string() }
    }
}

fn get() -> String {
    "GET".to_owned()
}

impl Request {
    /// Reads what stands on the command line.
    ///
    /// # Errors
    /// A part of it is none.
    pub fn read(method: &str, url: &str, headers: &[String]) -> Result<Self, BadRequest> {
        let mut read = Self { method: method.to_owned(), url: url.to_owned(), headers: BTreeMap::new() };
        for header in headers {
            let (name, value) = header.split_once(':').ok_or_else(|| BadRequest::Header(header.clone()))?;
            let values = read.headers.entry(name.trim().to_ascii_lowercase()).or_default();
            let comma = if values.is_empty() { "" } else { "," };
            *values = format!("{values}{comma}{}", value.trim());
        }
        read.parts()?;
        Ok(read)
    }

    pub(super) fn parts(&self) -> Result<Parts, BadRequest> {
        let method = self.method.to_uppercase().parse().map_err(|_| BadRequest::Method(self.method.clone()))?;
        let bad = || BadRequest::Url(self.url.clone());
        let full = if self.url.contains("://") { self.url.clone() } else { format!("http://{}", self.url) };
        let uri: Uri = full.parse().map_err(|_| bad())?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(bad)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let bad = || BadRequest::Header(format!("{name}: {value}"));
            let name: HeaderName = name.to_ascii_lowercase().parse().map_err(|_| bad())?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| bad())?);
        }
        let grpc = headers.get("content-type").is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
        let (carrier, port) = match uri.scheme_str() {
            Some("http") if grpc => (Carrier::Http("h2c"), 80),
            Some("http") => (Carrier::Http("http/1.1"), 80),
            Some("https" | "tls") => (Carrier::Tls, 443),
            Some("tcp") if authority.port().is_some() => (Carrier::Bytes, 0),
            _ => return Err(bad()),
        };
        let host_header = headers.remove(http::header::HOST).and_then(|v| v.to_str().ok().map(str::to_owned));
        Ok(Parts {
            method,
            carrier,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: host_header.unwrap_or_else(|| authority.to_string()),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            headers,
        })
    }
}
