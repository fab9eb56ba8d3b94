//! The server of HTTP/1.1, HTTP/2 and WebSocket.
//!
//! `GET /bytes?LENGTH` sends the pattern, `POST /bytes` says how much of it came, `POST /echo` sends back body and
//! trailers, `/websocket` is one.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use crate::{pattern, websocket};

/// What is sent back.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// The trailer that both ends send.
pub(crate) const TRAILER: &str = "x-end";

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let served = server.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(answer)).await;
            if let Err(error) = served {
                eprintln!("a connection ended badly: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/bytes") => send(&request),
        (_, "/bytes") => receive(request).await,
        (_, "/echo") => echo(request),
        (_, "/websocket") => websocket::accept(request),
        (_, path) => text(StatusCode::NOT_FOUND, format!("nothing is at {path}")),
    })
}

/// A short answer.
pub(crate) fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

fn send(request: &Request<Incoming>) -> Answer {
    let Some(length) = request.uri().query().and_then(|query| query.parse().ok()) else {
        return text(StatusCode::BAD_REQUEST, "ask for /bytes?LENGTH".to_owned());
    };
    let body = StreamBody::new(pattern::frames(length)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

async fn receive(request: Request<Incoming>) -> Answer {
    let mut checker = pattern::Checker::default();
    match pattern::check(request.into_body(), &mut checker).await {
        Ok(_) => text(StatusCode::OK, checker.seen().to_string()),
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error:#}")),
    }
}

fn echo(request: Request<Incoming>) -> Answer {
    let mut answer = Response::new(request.into_body().boxed_unsync());
    answer.headers_mut().insert(header::TRAILER, HeaderValue::from_static(TRAILER));
    answer
}
