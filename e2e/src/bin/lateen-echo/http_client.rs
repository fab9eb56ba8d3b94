//! Exchanges by an ordinary HTTP client.

use std::convert::Infallible;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{
    HTTP, HTTP2,
    http_server::TRAILER,
    pattern::{self, Checker},
};

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn client(is_http2: bool) -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http()
}

/// Sends a body, and asks how much of it came.
pub(crate) async fn upload(host: &str, bytes: u64) -> Result<()> {
    let body = StreamBody::new(pattern::frames(bytes)).boxed_unsync();
    let request = Request::post(format!("http://{host}:{HTTP}/bytes")).header(header::CONTENT_LENGTH, bytes);
    let answer = client(false).request(request.body(body)?).await?;
    let status = answer.status();
    let told = String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes()).into_owned();
    ensure!(status == StatusCode::OK && told == bytes.to_string(), "the server answered {status}: {told}");
    Ok(())
}

/// Takes a body, and looks at every byte.
pub(crate) async fn download(host: &str, bytes: u64) -> Result<()> {
    let request = Request::get(format!("http://{host}:{HTTP}/bytes?{bytes}")).body(Body::default())?;
    let answer = client(false).request(request).await?;
    ensure!(answer.status() == StatusCode::OK, "the server answered {}", answer.status());
    let mut checker = Checker::default();
    pattern::check(answer.into_body(), &mut checker).await?;
    checker.finish(bytes)
}

/// Body and trailers there and back by HTTP/2.
pub(crate) async fn trailers(host: &str, bytes: u64) -> Result<()> {
    let end = HeaderMap::from_iter([(TRAILER.parse()?, HeaderValue::from_static("reached"))]);
    let frames = pattern::frames(bytes).chain(futures::stream::iter([Ok(Frame::trailers(end))]));
    let request = Request::post(format!("http://{host}:{HTTP2}/echo")).header(header::TE, "trailers");
    let answer = client(true).request(request.body(StreamBody::new(frames).boxed_unsync())?).await?;
    ensure!(answer.status() == StatusCode::OK, "the server answered {}", answer.status());
    let mut checker = Checker::default();
    let trailers = pattern::check(answer.into_body(), &mut checker).await?;
    checker.finish(bytes)?;
    let end = trailers.get(TRAILER).with_context(|| format!("no `{TRAILER}` behind the body, but {trailers:?}"))?;
    ensure!(end == "reached", "the trailer says {end:?}");
    Ok(())
}
