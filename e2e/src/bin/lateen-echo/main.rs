//! `lateen-echo`: who answers the promises' calls, and tells whether what a pair of sidecars carried is unharmed.
//!
//! `serve` listens on a port for each protocol; `ask` tries one exchange with it, checks every byte, and fails with what
//! differed. Bodies are the [`pattern`], so that either end knows what the other must have sent. `outside` stands for hosts
//! beyond the mesh.

mod grpc;
mod http1;
mod http_client;
mod http_server;
mod outside;
mod pattern;
mod tcp;
mod websocket;

use std::{io::Write, net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use tokio::net::{TcpListener, TcpStream};

/// HTTP/1.1, and HTTP/2 to whoever begins so.
const HTTP: u16 = 8080;
/// HTTPS, of the hosts beyond the mesh.
const HTTPS: u16 = 8443;
/// gRPC.
const GRPC: u16 = 8081;
/// A protocol in which the server speaks first.
const TCP: u16 = 8082;
/// HTTP/2 without TLS.
const HTTP2: u16 = 8083;

/// An exchange that does not end is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Both ends of what a pair of sidecars must carry unharmed.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Listen on all ports, for ever.
    Serve,
    /// Stand for hosts beyond the mesh, for ever.
    Outside,
    /// Try one exchange.
    Ask {
        /// Which.
        #[arg(value_enum)]
        what: Exchange,
        /// Name of the host that serves.
        host: String,
        /// How long the body is, where there is one.
        #[arg(long, default_value_t = 1 << 20)]
        bytes: u64,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Exchange {
    /// gRPC: one message each way, and a status with its message.
    Unary,
    /// gRPC: many messages from the server.
    ServerStream,
    /// gRPC: each message is an answer to the one before.
    Bidi,
    /// gRPC: a deadline that is met, and one that is not.
    Deadline,
    /// WebSocket: text, binary, ping, close.
    Websocket,
    /// A body to the server.
    Upload,
    /// A body from the server.
    Download,
    /// HTTP/1.0.
    Http10,
    /// Chunks both ways, with trailers behind them.
    Chunked,
    /// HTTP/2 both ways, with trailers that must arrive.
    Trailers,
    /// `Expect: 100-continue`.
    Expect,
    /// TCP, where the client says nothing before it was greeted.
    ServerFirst,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Options::parse().task {
        Task::Serve => serve().await,
        Task::Outside => outside::serve(listen(HTTP).await?, listen(HTTPS).await?).await,
        Task::Ask { what, host, bytes } => {
            let asked = tokio::time::timeout(PATIENCE, ask(what, &host, bytes)).await;
            asked.with_context(|| format!("{what:?}: no end within {} s", PATIENCE.as_secs()))??;
            Ok(writeln!(std::io::stdout(), "{what:?}: unharmed")?)
        }
    }
}

async fn serve() -> Result<()> {
    let (http, http2, grpc, tcp) = (listen(HTTP).await?, listen(HTTP2).await?, listen(GRPC).await?, listen(TCP).await?);
    tokio::try_join!(http_server::serve(http), http_server::serve(http2), grpc::serve(grpc), tcp::serve(tcp))?;
    Ok(())
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.with_context(|| format!("cannot listen on port {port}"))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    TcpStream::connect((host, port)).await.with_context(|| format!("{host}:{port} cannot be reached"))
}

async fn ask(what: Exchange, host: &str, bytes: u64) -> Result<()> {
    match what {
        Exchange::Unary => grpc::unary(host).await,
        Exchange::ServerStream => grpc::server_stream(host).await,
        Exchange::Bidi => grpc::bidi(host).await,
        Exchange::Deadline => grpc::deadline(host).await,
        Exchange::Websocket => websocket::ask(host).await,
        Exchange::Upload => http_client::upload(host, bytes).await,
        Exchange::Download => http_client::download(host, bytes).await,
        Exchange::Trailers => http_client::trailers(host, bytes).await,
        Exchange::Http10 => http1::http10(host, bytes).await,
        Exchange::Chunked => http1::chunked(host, bytes).await,
        Exchange::Expect => http1::expect(host, bytes).await,
        Exchange::ServerFirst => tcp::ask(host, bytes).await,
    }
}
