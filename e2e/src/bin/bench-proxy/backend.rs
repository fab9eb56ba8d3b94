//! The backend: as little work as an answer of 1 KiB can be, for it shares its core with the generator.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The size of each answer's body.
pub(crate) const BODY: usize = 1024;

/// Where HTTP/1.1 is answered.
pub(crate) const HTTP1: &str = "10.1.0.1:9080";
/// Where HTTP/2 is answered.
pub(crate) const HTTP2: &str = "10.1.0.1:9081";

/// Answers until it is killed.
pub(crate) async fn run() -> Result<()> {
    let (one, two) = (TcpListener::bind(HTTP1).await?, TcpListener::bind(HTTP2).await?);
    loop {
        tokio::select! {
            accepted = one.accept() => drop(tokio::spawn(http1(accepted?.0))),
            accepted = two.accept() => drop(tokio::spawn(http2(accepted?.0))),
        }
    }
}

/// Each blank line ends a request: they have no bodies.
async fn http1(mut stream: TcpStream) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY}\r\n\r\n");
    let answer = [head.as_bytes(), &[b'x'; BODY]].concat();
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    let mut kept = 0;
    loop {
        let read = stream.read(&mut buffer[kept..]).await?;
        if read == 0 {
            return Ok(());
        }
        let (mut from, end) = (0, kept + read);
        while let Some(at) = buffer[from..end].windows(4).position(|four| four == b"\r\n\r\n") {
            from += at + 4;
            stream.write_all(&answer).await?;
        }
        buffer.copy_within(from..end, 0);
        kept = end - from;
    }
}

async fn http2(stream: TcpStream) -> Result<(), hyper::Error> {
    stream.set_nodelay(true).ok();
    let body = Bytes::from_static(&[b'x'; BODY]);
    let service = service_fn(move |request: Request<Incoming>| {
        let body = body.clone();
        async move {
            // A body that broke off is the client's to tell.
            request.into_body().collect().await.ok();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    });
    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
}
