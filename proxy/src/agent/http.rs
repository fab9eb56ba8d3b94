//! One HTTP/1.1 question, as the agent asks the data plane and the application.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::probe::TrustEverybody;

/// Longest answer that is read: metrics of large meshes fit.
const LARGEST: usize = 64 << 20;

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    patience: Duration,
    from: Option<IpAddr>,
    dial: Option<SocketAddr>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Not a URL that can be asked.
    #[error("`{0}` is not a URL such as http://localhost:15021/healthz/ready")]
    Url(String),
    /// No connection.
    #[error("no connection to {0}")]
    Connect(String, #[source] io::Error),
    /// The connection broke, or it was no HTTP.
    #[error("the answer cannot be understood")]
    Http(#[from] hyper::Error),
    /// Too long, or broken off.
    #[error("the answer cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    /// An answer that is a failure, where one was not expected.
    #[error("the answer is {0}")]
    Refused(StatusCode),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

impl Call {
    pub(crate) fn new(method: &str, url: &str) -> Result<Self, CallError> {
        let bad = || CallError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad());
        }
        Ok(Self {
            method: method.parse().map_err(|_| bad())?,
            uri,
            headers: HeaderMap::new(),
            patience: Duration::from_secs(1),
            from: None,
            dial: None,
        })
    }

    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects from this address of the machine.
    pub(crate) fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// Connects to this address, whatever the URL's host is.
    pub(crate) fn dial(mut self, address: SocketAddr) -> Self {
        self.dial = Some(address);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// Asks, without following redirects.
pub(crate) async fn call(call: Call) -> Result<Reply, CallError> {
    let patience = call.patience;
    timeout(patience, exchange(call)).await.unwrap_or(Err(CallError::Late(patience)))
}

async fn exchange(call: Call) -> Result<Reply, CallError> {
    let secure = call.uri.scheme_str() == Some("https");
    let host = call.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = call.uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let failed = |error| CallError::Connect(format!("{host}:{port}"), error);
    let stream = match call.dial {
        Some(address) => connect(address, call.from).await,
        None => connect_any(&host, port, call.from).await,
    };
    let stream = stream.map_err(failed)?;
    if secure {
        let connector = TlsConnector::from(Arc::new(TrustEverybody::config().map_err(failed)?));
        let name = host.clone().try_into().unwrap_or_else(|_| TrustEverybody::name());
        send(connector.connect(name, stream).await.map_err(failed)?, call).await
    } else {
        send(stream, call).await
    }
}

/// Connects to the first address of a name that answers.
async fn connect_any(host: &str, port: u16, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host((host, port)).await? {
        match connect(address, from).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects, from an address of ours if one is given.
pub(crate) async fn connect(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind((from, 0).into())?;
    }
    socket.connect(to).await
}

async fn send(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, call: Call) -> Result<Reply, CallError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the agent's ended");
        }
    });
    let bad = || CallError::Url(call.uri.to_string());
    let path = call.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(call.method.clone()).uri(path).body(Empty::<Bytes>::new());
    let request = request.as_mut().map_err(|_| bad())?;
    *request.headers_mut() = call.headers.clone();
    if let Some(authority) = call.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?;
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    let (head, body) = sender.send_request(std::mem::take(request)).await?.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(CallError::Body)?.to_bytes();
    Ok(Reply { status: head.status, body })
}
