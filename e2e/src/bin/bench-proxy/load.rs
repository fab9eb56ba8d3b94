//! The generator: closed loops on a fixed number of connections.

use std::{
    cell::Cell,
    io::{Read, Write},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, LocalSet},
};

use crate::{
    backend::BODY,
    h2::{Block, Content, Wire},
};

/// The service that is called; what it is on the wire, the proxy decides.
const HTTP1: &str = "10.96.0.10:9080";
const HTTP2: &str = "10.96.0.10:9081";
const HOST: &str = "backend.default.svc.cluster.local";

/// Options of the generator.
#[derive(Args)]
pub(crate) struct Load {
    /// HTTP/2 with prior knowledge; HTTP/1.1 without.
    #[arg(long)]
    http2: bool,
    /// How long.
    #[arg(long)]
    seconds: f64,
    /// On how many connections; as many as keep a proxy busy by default.
    #[arg(long)]
    connections: Option<usize>,
}

/// Options of idle connections.
#[derive(Args)]
pub(crate) struct Hold {
    /// How many.
    #[arg(long)]
    connections: usize,
}

impl Load {
    /// Prints how many requests succeeded; a failure ends it with an error.
    pub(crate) async fn run(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs_f64(self.seconds);
        let count = Rc::new(Cell::new(0_u64));
        let (connections, streams) = if self.http2 { (8, 16) } else { (64, 1) };
        let (connections, streams) = self.connections.map_or((connections, streams), |wanted| (wanted, 1));
        let all = LocalSet::new();
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let count = Rc::clone(&count);
            if self.http2 {
                tasks.spawn_local_on(multiplexed(streams, end, count), &all);
            } else {
                tasks.spawn_local_on(one_by_one(end, count), &all);
            }
        }
        all.run_until(async {
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        })
        .await?;
        Ok(writeln!(std::io::stdout(), "{}", count.get())?)
    }
}

impl Hold {
    /// Says when all connections stand, and ends with its input.
    pub(crate) async fn run(&self) -> Result<()> {
        let mut held = Vec::new();
        for index in 0..self.connections {
            let mut connection = Http1::connect().await.with_context(|| format!("connection {index}"))?;
            connection.ask().await.with_context(|| format!("connection {index}"))?;
            held.push(connection);
        }
        writeln!(std::io::stdout(), "held")?;
        std::io::stdout().flush()?;
        std::io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

async fn one_by_one(end: Instant, count: Rc<Cell<u64>>) -> Result<()> {
    let mut connection = Http1::connect().await?;
    while Instant::now() < end {
        connection.ask().await?;
        count.set(count.get() + 1);
    }
    Ok(())
}

/// A connection of HTTP/1.1, without a library: the generator must not be what is measured.
struct Http1 {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Http1 {
    async fn connect() -> Result<Self> {
        let stream = TcpStream::connect(HTTP1).await?;
        stream.set_nodelay(true)?;
        let request =
            format!("GET /reviews/0 HTTP/1.1\r\nhost: {HOST}:9080\r\nuser-agent: bench\r\naccept: */*\r\n\r\n");
        Ok(Self { stream, request: request.into_bytes(), buffer: vec![0; 4096] })
    }

    async fn ask(&mut self) -> Result<()> {
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        let mut head = None;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            ensure!(read > 0, "the connection was closed before the answer was complete");
            filled += read;
            let seen = &self.buffer[..filled];
            head = head.or_else(|| seen.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4));
            let Some(head) = head else { continue };
            if !seen.starts_with(b"HTTP/1.1 200 ") || filled > head + BODY {
                bail!("an answer that was not expected: {:?}", String::from_utf8_lossy(&seen[..head]));
            }
            if filled == head + BODY {
                return Ok(());
            }
        }
    }
}

/// A connection of HTTP/2 with so many requests under way.
async fn multiplexed(streams: usize, end: Instant, count: Rc<Cell<u64>>) -> Result<()> {
    let authority = format!("{HOST}:9081");
    // POST, http; authority, path, content-length.
    let head = Block::new(&[3, 6], &[(1, &authority), (4, "/reviews/0"), (28, "64")]);
    let mut wire = Wire::client(TcpStream::connect(HTTP2).await?, head).await?;
    let body = [b'q'; 64];
    let (mut next, mut under_way, mut answered, mut bytes) = (1, 0, 0, 0);
    loop {
        let is_over = Instant::now() >= end;
        while !is_over && under_way < streams && wire.room >= body.len() as i64 {
            wire.send(next, &body);
            next += 2;
            under_way += 1;
        }
        if is_over && under_way == 0 {
            ensure!(bytes == answered * BODY, "{answered} answers had {bytes} bytes");
            count.set(count.get() + answered as u64);
            return Ok(());
        }
        let goes_on = wire.turn(|part| {
            match part.content {
                Content::Head(block) => {
                    ensure!(part.is_ok() && !part.is_last, "an answer that was not expected: {block:x?}");
                }
                Content::Body(length) => bytes += length,
            }
            if part.is_last {
                under_way -= 1;
                answered += 1;
            }
            Ok(())
        });
        ensure!(goes_on.await?, "the connection was closed before all answers had come");
    }
}
