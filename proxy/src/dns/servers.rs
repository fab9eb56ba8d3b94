//! Questions to servers: bytes there, bytes back.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer over UDP.
const UDP_MOST: usize = 4096;
/// The header of a message.
const HEADER: usize = 12;

/// Servers, asked one after the other until one answers.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    all: Vec<SocketAddr>,
    patience: Duration,
}

impl Servers {
    pub(crate) fn new(all: Vec<SocketAddr>) -> Self {
        Self { all, patience: PATIENCE }
    }

    #[cfg(test)]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The answer to a query, over UDP, and over TCP where it does not fit there. After a server that fails or refuses
    /// (SERVFAIL, REFUSED) the next is asked; the last one's word counts.
    ///
    /// # Errors
    /// No server answers.
    pub(crate) async fn ask(&self, query: &[u8]) -> io::Result<Vec<u8>> {
        let answer = self.pass_on(query, false).await?;
        if is_truncated(&answer) { self.pass_on(query, true).await } else { Ok(answer) }
    }

    /// [`Servers::ask`] for somebody who chose between UDP and TCP already.
    ///
    /// # Errors
    /// No server answers.
    pub(crate) async fn pass_on(&self, query: &[u8], by_tcp: bool) -> io::Result<Vec<u8>> {
        let mut last = Err(io::Error::from(io::ErrorKind::NotFound));
        for server in &self.all {
            last = if by_tcp {
                within(self.patience, tcp(*server, query)).await
            } else {
                within(self.patience, udp(*server, query)).await
            };
            if last.as_ref().is_ok_and(|answer| !is_failure(answer)) {
                break;
            }
        }
        last
    }
}

async fn within(patience: Duration, asking: impl Future<Output = io::Result<Vec<u8>>>) -> io::Result<Vec<u8>> {
    timeout(patience, asking).await?
}

/// Each question has a socket, and so a port, of its own: an answer is hard to forge.
async fn udp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; UDP_MOST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if answers(&buffer[..length], query) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, query).await?;
    let answer = read_framed(&mut stream).await?;
    if answers(&answer, query) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// A message of a TCP stream: its length, then itself.
pub(crate) async fn read_framed(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The counterpart of [`read_framed`].
pub(crate) async fn write_framed(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await
}

/// Whether this is a response with the query's id.
fn answers(answer: &[u8], query: &[u8]) -> bool {
    answer.len() >= HEADER && query.len() >= HEADER && answer[..2] == query[..2] && answer[2] & 0x80 != 0
}

fn is_truncated(answer: &[u8]) -> bool {
    answer[2] & 0x02 != 0
}

/// SERVFAIL or REFUSED.
fn is_failure(answer: &[u8]) -> bool {
    matches!(answer[3] & 0x0f, 2 | 5)
}
