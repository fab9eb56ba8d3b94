//! Answers questions, over UDP and TCP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use mesh_snapshot::names::Known;
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};

use super::Tables;
use crate::dns::{Servers, read_framed, write_framed};

/// How long callers may keep an answer, in seconds.
const TTL: u32 = 30;
/// Questions that are being answered at a time; more wait.
const AT_ONCE: usize = 1024;
/// How long a TCP connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// The largest UDP answer without EDNS, and the largest that is given at all.
const UDP_PLAIN: u16 = 512;
const UDP_MOST: u16 = 4096;
/// What this server says that it takes.
const UDP_OURS: u16 = 1232;

/// By the table in force, and by other servers.
#[derive(Debug)]
pub(crate) struct Responder {
    tables: Tables,
    servers: Servers,
    permits: Semaphore,
}

/// Listens on the loopback addresses; gives the first, which tests ask.
///
/// # Errors
/// The port is taken.
pub(super) async fn start(port: u16, responder: Responder) -> io::Result<SocketAddr> {
    let responder = Arc::new(responder);
    let first = listen((Ipv4Addr::LOCALHOST, port).into(), &responder).await?;
    // A pod without IPv6 has no such address.
    if let Err(error) = listen((Ipv6Addr::LOCALHOST, port).into(), &responder).await {
        tracing::debug!(%error, "DNS is not answered by IPv6");
    }
    Ok(first)
}

async fn listen(at: SocketAddr, responder: &Arc<Responder>) -> io::Result<SocketAddr> {
    let tcp = TcpListener::bind(at).await?;
    let at = tcp.local_addr()?;
    let udp = UdpSocket::bind(at).await?;
    tokio::spawn(serve_udp(Arc::new(udp), responder.clone()));
    tokio::spawn(serve_tcp(tcp, responder.clone()));
    Ok(at)
}

async fn serve_udp(socket: Arc<UdpSocket>, responder: Arc<Responder>) {
    let mut buffer = vec![0; usize::from(UDP_MOST)];
    loop {
        let (length, caller) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An earlier caller has gone; that says nothing about the next.
            Err(error) => {
                tracing::debug!(%error, "a DNS question cannot be received");
                continue;
            }
        };
        let question = buffer[..length].to_vec();
        let (socket, responder) = (socket.clone(), responder.clone());
        tokio::spawn(async move {
            if let Some(answer) = responder.respond(&question, true).await
                && let Err(error) = socket.send_to(&answer, caller).await
            {
                tracing::debug!(%error, "a DNS answer cannot be sent");
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, responder: Arc<Responder>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve_stream(stream, responder.clone()))),
            Err(error) => {
                tracing::warn!(%error, "a DNS connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn serve_stream(mut stream: TcpStream, responder: Arc<Responder>) {
    while let Ok(Ok(question)) = timeout(IDLE, read_framed(&mut stream)).await {
        let Some(answer) = responder.respond(&question, false).await else { return };
        if write_framed(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

impl Responder {
    pub(super) fn new(tables: Tables, servers: Servers) -> Self {
        Self { tables, servers, permits: Semaphore::new(AT_ONCE) }
    }

    /// The answer to a message; none to what is no question at all.
    async fn respond(&self, question: &[u8], by_udp: bool) -> Option<Vec<u8>> {
        let _permit = self.permits.acquire().await;
        let query = Message::from_vec(question).ok().filter(|m| m.metadata.message_type == MessageType::Query)?;
        let Some(table) = self.tables.load_full() else { return failed(&query) };
        let asked = match query.queries.as_slice() {
            [asked] if query.metadata.op_code == OpCode::Query => asked,
            _ => return self.pass_on(&query, question, by_udp).await,
        };
        let name = asked.name().to_lowercase().to_ascii();
        let is_address = matches!(asked.query_type(), RecordType::A | RecordType::AAAA);
        match table.find(name.trim_end_matches('.')).filter(|_| is_address) {
            Some(known) => finished(&query, answer(&query, asked.name(), asked.query_type(), known)?, by_udp),
            None => self.pass_on(&query, question, by_udp).await,
        }
    }

    async fn pass_on(&self, query: &Message, question: &[u8], by_udp: bool) -> Option<Vec<u8>> {
        match self.servers.pass_on(question, !by_udp).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(%error, "no DNS server answers");
                failed(query)
            }
        }
    }
}

/// An empty answer: the query's id, question and wish for recursion.
fn reply(query: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(query.queries.iter().cloned());
    reply
}

fn failed(query: &Message) -> Option<Vec<u8>> {
    reply(query, ResponseCode::ServFail).to_vec().ok()
}

/// Addresses of the family that was asked for, in any order; none of them where the name has only others.
fn answer(query: &Message, asked: &Name, kind: RecordType, known: Known<'_>) -> Option<Message> {
    let mut answer = reply(query, ResponseCode::NoError);
    let mut addresses: Vec<IpAddr> = known.addresses.to_vec();
    addresses.retain(|ip| ip.is_ipv4() == (kind == RecordType::A));
    shuffle(&mut addresses);
    let mut owner = asked.clone();
    if let Some(alias) = known.alias.filter(|_| !addresses.is_empty()) {
        let mut target = Name::from_ascii(alias).ok()?;
        target.set_fqdn(true);
        answer.add_answer(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(target.clone()))));
        owner = target;
    }
    for ip in addresses {
        let data = match ip {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        answer.add_answer(Record::from_rdata(owner.clone(), TTL, data));
    }
    Some(answer)
}

/// Callers that take the first address are spread over all.
fn shuffle(addresses: &mut [IpAddr]) {
    for last in (1..addresses.len()).rev() {
        let random: u64 = rand::random();
        let other = usize::try_from(random % (last as u64 + 1)).unwrap_or_default();
        addresses.swap(last, other);
    }
}

/// In bytes that the caller can take.
fn finished(query: &Message, mut answer: Message, by_udp: bool) -> Option<Vec<u8>> {
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_OURS);
        answer.set_edns(edns);
    }
    let bytes = answer.to_vec().ok()?;
    let most = query.edns.as_ref().map_or(UDP_PLAIN, |e| e.max_payload().clamp(UDP_PLAIN, UDP_MOST));
    if by_udp && bytes.len() > usize::from(most) { answer.truncate().to_vec().ok() } else { Some(bytes) }
}

#[cfg(test)]
mod tests;
