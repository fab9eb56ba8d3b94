//! `localkube echo`: a small program that tells what reached it. It stands for the images of upstream's samples
//! (httpbin, helloworld, tcp-echo), and its routes answer for the outside's hosts.

mod request;
mod routes;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use futures::FutureExt;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{sleep, timeout},
};

use self::request::Asked;
use super::httpd::{self, Answer, Body, Connection};

/// How long requests may go on after the program was told to end.
const DRAIN: Duration = Duration::from_secs(10);

/// `localkube echo`: tell callers what reached this program.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to listen for HTTP (1.1, and 2 without TLS).
    #[arg(long, default_value = "0.0.0.0:8080", conflicts_with = "tcp")]
    listen: Vec<SocketAddr>,
    /// Be the helloworld sample in this version: `/hello` tells version and host name.
    #[arg(long, value_name = "VERSION", conflicts_with = "tcp")]
    hello: Option<String>,
    /// Be the tcp-echo sample: lines come back after a word.
    #[arg(long)]
    tcp: bool,
    /// With --tcp: the ports, separated by commas.
    #[arg(requires = "tcp", num_args = 1, action = clap::ArgAction::Set, value_delimiter = ',', default_value = "9000")]
    ports: Vec<u16>,
    /// With --tcp: the word before each line.
    #[arg(requires = "tcp", default_value = "hello")]
    word: String,
}

/// Serves until it is told to end; requests under way are finished first.
pub fn main(args: &Args) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run(args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let (mut ended, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut servers = JoinSet::new();
    let busy = Arc::new(AtomicUsize::new(0));
    if args.tcp {
        for port in &args.ports {
            let listener = listen((Ipv4Addr::UNSPECIFIED, *port).into()).await?;
            servers.spawn(echo_lines(listener, args.word.clone().into()));
        }
    } else {
        for address in &args.listen {
            let (listener, busy, hello) = (listen(*address).await?, busy.clone(), args.hello.clone());
            let handler = move |request, connection| count(busy.clone(), serve_one(hello.clone(), request, connection));
            servers.spawn(httpd::serve(listener, None, Arc::new(handler)));
        }
    }
    tokio::select! {
        _ = ended.recv() => {}
        _ = interrupted.recv() => {}
    }
    servers.abort_all();
    let drained = async {
        while busy.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("requests were still under way after {DRAIN:?}");
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Counts an answer as under way until its head is made.
fn count(busy: Arc<AtomicUsize>, answer: Answer) -> Answer {
    busy.fetch_add(1, Ordering::Relaxed);
    async move {
        let answer = answer.await;
        busy.fetch_sub(1, Ordering::Relaxed);
        answer
    }
    .boxed()
}

fn serve_one(hello: Option<String>, request: Request<Incoming>, connection: Connection) -> Answer {
    match hello {
        Some(version) => std::future::ready(say_hello(&version, request.uri().path())).boxed(),
        None => answer(request, connection),
    }
}

/// The routes of httpbin.
pub(super) fn answer(request: Request<Incoming>, connection: Connection) -> Answer {
    async move {
        match Asked::read(request, connection).await {
            Ok(asked) => routes::route(&asked).await,
            Err(status) => routes::error(status, "the body could not be read"),
        }
    }
    .boxed()
}

fn say_hello(version: &str, path: &str) -> Response<Body> {
    match path {
        "/hello" => httpd::text(StatusCode::OK, format!("Hello version: {version}, instance: {}\n", hostname())),
        "/health" => httpd::text(StatusCode::OK, "Helloworld is healthy"),
        _ => httpd::text(StatusCode::NOT_FOUND, "there are /hello and /health\n"),
    }
}

/// Sends every line of every connection back, after `word` and a space.
pub(super) async fn echo_lines(listener: TcpListener, word: Arc<str>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let word = word.clone();
                tokio::spawn(async move {
                    if let Err(error) = echo_connection(stream, &word).await {
                        tracing::debug!(%error, %peer, "TCP connection");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn echo_connection(stream: TcpStream, word: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
    while reader.read_until(b'\n', &mut line).await? > 0 {
        writer.write_all(&[word.as_bytes(), b" ", &line].concat()).await?;
        line.clear();
    }
    Ok(())
}

/// This machine's name: in a pod, the pod's.
fn hostname() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
