//! WebSocket, both ends.

use anyhow::{Context, Result, ensure};
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::{
    HTTP, connect,
    http_server::{Answer, text},
};

/// Agrees to the upgrade.
pub(crate) fn accept(mut request: Request<Incoming>) -> Answer {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()))
    else {
        return text(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket".to_owned());
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = converse(upgraded).await {
            eprintln!("a WebSocket ended badly: {error:#}");
        }
    });
    let mut answer = text(StatusCode::SWITCHING_PROTOCOLS, String::new());
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    answer
}

/// Sends back each message.
async fn converse(upgraded: impl Future<Output = hyper::Result<Upgraded>>) -> Result<()> {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded.await?), Role::Server, None).await;
    while let Some(message) = socket.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => socket.send(message).await?,
            // Pings and the close are answered by the library.
            _ => socket.flush().await?,
        }
    }
    Ok(())
}

/// Says a few things, and hears them again.
pub(crate) async fn ask(host: &str) -> Result<()> {
    let stream = connect(host, HTTP).await?;
    let (mut socket, answer) = client_async(format!("ws://{host}:{HTTP}/websocket"), stream).await?;
    ensure!(answer.status() == StatusCode::SWITCHING_PROTOCOLS, "the server answered {}", answer.status());
    let said = [Message::text("hello"), Message::binary(vec![7; 100_000]), Message::text("x".repeat(70_000))];
    for message in said {
        socket.send(message.clone()).await?;
        let heard = socket.next().await.context("the connection ended instead of an echo")??;
        ensure!(heard == message, "the echo of {} bytes has {}", message.len(), heard.len());
    }
    socket.send(Message::Ping(vec![1, 2, 3].into())).await?;
    let pong = socket.next().await.context("the connection ended instead of a pong")??;
    ensure!(pong == Message::Pong(vec![1, 2, 3].into()), "a ping was answered with {pong:?}");
    socket.close(None).await?;
    let end = socket.next().await.transpose()?;
    ensure!(matches!(end, None | Some(Message::Close(_))), "the close was answered with {end:?}");
    Ok(())
}
