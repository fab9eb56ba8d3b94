//! DNS messages over UDP and TCP, for any responder, and questions to another server.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

/// The largest UDP answer without EDNS, and the largest that is given at all.
const UDP_PLAIN: u16 = 512;
const UDP_MOST: u16 = 4096;
/// What this server says that it takes.
const UDP_OURS: u16 = 1232;
/// How long a caller may leave a TCP connection silent, and how long another server may take.
const TCP_IDLE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that answers DNS questions.
pub(in crate::net) trait Responder: Send + Sync + 'static {
    /// Answers a query that has exactly one question. Header and question of the answer are `reply(query)`'s.
    fn respond<'a>(&'a self, query: &'a Message) -> BoxFuture<'a, Message>;
}

/// An empty answer to `query`: its id, question and wish for recursion.
pub(in crate::net) fn reply(query: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(query.queries.iter().cloned());
    reply
}

/// Answers on both sockets until one fails for good.
pub(in crate::net) async fn serve<R: Responder>(udp: UdpSocket, tcp: TcpListener, responder: Arc<R>) -> io::Result<()> {
    tokio::try_join!(serve_udp(Arc::new(udp), responder.clone()), serve_tcp(tcp, responder))?;
    Ok(())
}

async fn serve_udp<R: Responder>(socket: Arc<UdpSocket>, responder: Arc<R>) -> io::Result<()> {
    let mut buffer = vec![0; usize::from(UDP_MOST)];
    loop {
        let (length, caller) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An earlier answer came back as unreachable; it says nothing about the next question.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(e) => return Err(e),
        };
        let question = buffer[..length].to_vec();
        let (socket, responder) = (socket.clone(), responder.clone());
        tokio::spawn(async move {
            if let Some(answer) = respond(&*responder, &question, true).await
                && let Err(error) = socket.send_to(&answer, caller).await
            {
                tracing::debug!(%error, %caller, "DNS answer not sent");
            }
        });
    }
}

async fn serve_tcp<R: Responder>(listener: TcpListener, responder: Arc<R>) -> io::Result<()> {
    loop {
        let (mut stream, caller) = listener.accept().await?;
        let responder = responder.clone();
        tokio::spawn(async move {
            let talk = async {
                while let Ok(question) = timeout(TCP_IDLE, read_framed(&mut stream)).await {
                    let Some(answer) = respond(&*responder, &question?, false).await else { break };
                    write_framed(&mut stream, &answer).await?;
                }
                io::Result::Ok(())
            };
            if let Err(error) = talk.await
                && error.kind() != io::ErrorKind::UnexpectedEof
            {
                tracing::debug!(%error, %caller, "DNS connection");
            }
        });
    }
}

/// The bytes of the answer; None for bytes that are no query at all.
async fn respond<R: Responder>(responder: &R, question: &[u8], is_udp: bool) -> Option<Vec<u8>> {
    let query = Message::from_vec(question).ok().filter(|m| m.metadata.message_type == MessageType::Query)?;
    let mut answer = match (query.metadata.op_code, query.queries.len()) {
        (OpCode::Query, 1) => responder.respond(&query).await,
        (OpCode::Query, _) => reply(&query, ResponseCode::FormErr),
        _ => reply(&query, ResponseCode::NotImp),
    };
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_OURS);
        answer.set_edns(edns);
    } else {
        answer.edns = None;
    }
    let bytes = answer.to_vec().ok()?;
    let most = query.edns.as_ref().map_or(UDP_PLAIN, |e| e.max_payload().clamp(UDP_PLAIN, UDP_MOST));
    if is_udp && bytes.len() > usize::from(most) { answer.truncate().to_vec().ok() } else { Some(bytes) }
}

/// Asks the server at `to`, over TCP when the answer does not fit into UDP; twice before it gives up.
pub(in crate::net) async fn ask(to: SocketAddr, query: &Message) -> io::Result<Message> {
    let bytes = query.to_vec().map_err(io::Error::other)?;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..2 {
        match timeout(PATIENCE, ask_udp(to, query.metadata.id, &bytes)).await {
            Ok(Ok(answer)) if !answer.metadata.truncation => return Ok(answer),
            Ok(Ok(_)) => return timeout(PATIENCE, ask_tcp(to, &bytes)).await?,
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

async fn ask_udp(to: SocketAddr, id: u16, query: &[u8]) -> io::Result<Message> {
    let socket = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(to).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; usize::from(UDP_MOST)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // A late answer to someone else's question on the same port is passed over.
        if let Ok(answer) = Message::from_vec(&buffer[..length])
            && answer.metadata.id == id
        {
            return Ok(answer);
        }
    }
}

async fn ask_tcp(to: SocketAddr, query: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(to).await?;
    write_framed(&mut stream, query).await?;
    Message::from_vec(&read_framed(&mut stream).await?).map_err(io::Error::other)
}

async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write_framed(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await
}
