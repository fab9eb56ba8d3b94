use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::names::Names;

/// The largest response body that is read, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// Whether connections are kept for the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Kept: fast, but without a mesh all calls go to the one pod that the connection leads to.
    Keep,
    /// A new connection per call: Kubernetes then picks a pod each time, so reloading a page shows them in turn.
    Never,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The address does not form a URI; a setting is wrong.
    #[error("{0} is no address")]
    Address(String, #[source] http::Error),
    /// No whole answer came in time; a later try may succeed.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection failed or broke; a later try may succeed.
    #[error("the call failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is larger than any answer of a bookinfo service.
    #[error("the answer is larger than {BODY_LIMIT} bytes")]
    TooLarge,
}

impl CallError {
    /// The message with those of its causes, for one line of a log or a page.
    #[must_use]
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        if error.is::<LengthLimitError>() { Self::TooLarge } else { Self::Failed(error) }
    }
}

/// An answer of any status code, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Another service, called over HTTP/1.1.
#[derive(Clone)]
pub struct Upstream {
    base: String,
    timeout: Duration,
    reuse: Reuse,
    client: Client<HttpConnector<Names>, Empty<Bytes>>,
}

impl Upstream {
    /// A service at `base`, such as `http://ratings:9080`. `timeout` bounds each call as a whole.
    #[must_use]
    pub fn new(base: String, timeout: Duration, reuse: Reuse) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Names::default());
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        let idle = if reuse == Reuse::Keep { 64 } else { 0 };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(idle)
            .build(connector);
        Self { base, timeout, reuse, client }
    }

    /// The address that calls go to.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Gets `path` (with its leading slash) with `headers`.
    ///
    /// # Errors
    /// When no whole answer came; an answer of whatever status is no error.
    pub async fn get(&self, path: &str, headers: HeaderMap) -> Result<Reply, CallError> {
        let request = self.request(path, headers)?;
        tokio::time::timeout(self.timeout, self.send(request)).await.unwrap_or(Err(CallError::Timeout(self.timeout)))
    }

    fn request(&self, path: &str, headers: HeaderMap) -> Result<Request<Empty<Bytes>>, CallError> {
        let address = format!("{}{path}", self.base);
        let uri = Uri::try_from(&address).map_err(|error| CallError::Address(address, error.into()))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if self.reuse == Reuse::Never {
            // The server then closes first and keeps the TIME_WAIT, so the client does not run out of ports.
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }

    async fn send(&self, request: Request<Empty<Bytes>>) -> Result<Reply, CallError> {
        let response = self.client.request(request).await.map_err(CallError::failed)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(CallError::failed)?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

#[cfg(test)]
mod tests;
