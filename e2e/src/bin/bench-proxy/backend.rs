//! The backend: as little work as an answer of 1 KiB can be, for it shares its core with the generator.

use std::collections::VecDeque;

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::h2::{Block, Part, Wire};

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

async fn http2(stream: TcpStream) -> Result<()> {
    // 200; content-length, content-type.
    let head = Block::new(&[8], &[(28, &BODY.to_string()), (31, "text/plain")]);
    let mut wire = Wire::server(stream, head).await?;
    let mut asked = VecDeque::new();
    loop {
        let note = |part: Part<'_>| {
            asked.extend(part.is_last.then_some(part.stream));
            Ok(())
        };
        if !wire.turn(note).await? {
            return Ok(());
        }
        while wire.room >= BODY as i64
            && let Some(stream) = asked.pop_front()
        {
            wire.send(stream, &[b'x'; BODY]);
        }
    }
}
