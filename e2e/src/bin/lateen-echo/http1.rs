//! Exchanges whose form on the wire matters, written by hand.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    HTTP, connect,
    http_server::TRAILER,
    pattern::{self, Checker},
};

/// An answer on a connection that then ended.
struct Answer {
    head: String,
    body: Vec<u8>,
}

/// HTTP/1.0 knows no chunks: the body ends where the length says, or with the connection.
pub(crate) async fn http10(host: &str, bytes: u64) -> Result<()> {
    let mut stream = connect(host, HTTP).await?;
    stream.write_all(format!("GET /bytes?{bytes} HTTP/1.0\r\nHost: {host}:{HTTP}\r\n\r\n").as_bytes()).await?;
    let answer = read(stream).await?;
    ensure!(!answer.head.contains("transfer-encoding"), "HTTP/1.0 was answered in chunks: {}", answer.head);
    answer.is_pattern(bytes)
}

/// Chunks there and back. Trailers behind them may be dropped by a hop, as HTTP permits, but must do no harm.
pub(crate) async fn chunked(host: &str, bytes: u64) -> Result<()> {
    let stream = connect(host, HTTP).await?;
    let (read_half, mut write_half) = stream.into_split();
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: {host}:{HTTP}\r\nConnection: close\r\nTE: trailers\r\nTrailer: {TRAILER}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    let write = async {
        write_half.write_all(head.as_bytes()).await?;
        for chunk in pattern::chunks(bytes) {
            write_half.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            write_half.write_all(&chunk).await?;
            write_half.write_all(b"\r\n").await?;
        }
        write_half.write_all(format!("0\r\n{TRAILER}: reached\r\n\r\n").as_bytes()).await?;
        anyhow::Ok(())
    };
    let (written, answer) = tokio::join!(write, read(read_half));
    written.context("the request was not taken")?;
    let mut answer = answer?;
    ensure!(answer.head.contains("transfer-encoding: chunked"), "the answer has no chunks: {}", answer.head);
    answer.body = unchunk(&answer.body)?;
    answer.is_pattern(bytes)
}

/// The body follows only when it is asked for.
pub(crate) async fn expect(host: &str, bytes: u64) -> Result<()> {
    let mut stream = connect(host, HTTP).await?;
    let head = format!(
        "POST /bytes HTTP/1.1\r\nHost: {host}:{HTTP}\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(stream.read_u8().await.context("the connection ended before the body was asked for")?);
    }
    let asked = String::from_utf8_lossy(&asked);
    ensure!(asked.starts_with("HTTP/1.1 100 "), "the body was not asked for: {asked}");
    for chunk in pattern::chunks(bytes) {
        stream.write_all(&chunk).await?;
    }
    let answer = read(stream).await?;
    let told = String::from_utf8_lossy(&answer.body);
    // The count stands alone, or within its one chunk.
    ensure!(told.lines().any(|line| line == bytes.to_string()), "the server answered {}: {told}", answer.head);
    Ok(())
}

/// Reads to the end of the connection.
async fn read(mut stream: impl AsyncReadExt + Unpin) -> Result<Answer> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await?;
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").context("no head came")?;
    let body = all.split_off(end + 4);
    let head = String::from_utf8_lossy(&all).to_lowercase();
    ensure!(head.split(' ').nth(1) == Some("200"), "the server answered {head}: {}", String::from_utf8_lossy(&body));
    Ok(Answer { head, body })
}

/// Takes chunks apart.
fn unchunk(mut text: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = text.windows(2).position(|two| two == b"\r\n").context("a chunk without its length")?;
        let length = std::str::from_utf8(&text[..end])?;
        let length = usize::from_str_radix(length, 16).with_context(|| format!("`{length}` is no length"))?;
        if length == 0 {
            return Ok(body);
        }
        let chunk = text.get(end + 2..end + 2 + length).context("a chunk is cut off")?;
        body.extend_from_slice(chunk);
        text = text.get(end + 4 + length..).context("a chunk without its end")?;
    }
}

impl Answer {
    fn is_pattern(&self, bytes: u64) -> Result<()> {
        let mut checker = Checker::default();
        checker.take(&self.body)?;
        checker.finish(bytes)
    }
}
