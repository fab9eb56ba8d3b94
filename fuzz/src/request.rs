//! A request out of bytes.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mesh_snapshot::Head;

/// What a codec would hand over: it has checked the characters, nothing else.
pub(crate) struct Request {
    method: Method,
    pub(crate) authority: String,
    pub(crate) path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    /// Reads `METHOD AUTHORITY TARGET`, then lines of `name: value`. What a codec would refuse is left out.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let mut words = lines.next()?.split(|byte| *byte == b' ');
        let method = Method::from_bytes(words.next()?).ok()?;
        let authority = words.next()?.to_vec();
        let target: http::uri::PathAndQuery = words.next()?.try_into().ok()?;
        let mut headers = HeaderMap::new();
        for line in lines.take(64) {
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = colon.map_or((line, &[][..]), |colon| (&line[..colon], line[colon + 1..].trim_ascii()));
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        Some(Self {
            method,
            authority: String::from_utf8(authority).ok()?,
            path: target.path().to_owned(),
            query: target.query().map(str::to_owned),
            headers,
        })
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            scheme: "http",
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

/// Requests that reach many branches.
pub(crate) const REQUESTS: &[&str] = &[
    "GET reviews:9080 /a/b?k=v&l=1&q\nx: v1\nh: 1\nend-user: jason",
    "POST www.example.com /c/%2e%2E//../x\\y?\ncontent-type: application/grpc+proto\ncookie: c=1; d=\"2\"",
    "OPTIONS [::1]:80 /red/./a\norigin: http://a\naccess-control-request-method: PUT",
    "GET EXTRA.example.com:81 /re/one%20two/..%2f?a=b=c&&\nx-forwarded-for: 10.0.0.1\ngrpc-timeout: 5S",
    "GET a.wild.example.com /%%34%31/%c3%a4//\nn: 1\nn: -2",
    "CONNECT : *",
    "HEAD  /dir",
];
