//! From a new connection to the filter chain that takes it.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use mesh_snapshot::{
    Connection, Deciders, FilterChain, Handler, Inspection, Listener, Reason, Sniffed, Transport, sniff,
};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{
    flags::Flags,
    http,
    io::{Seen, Wire, reset},
    record::{ConnectionRecord, Why},
    stats::ListenerStats,
    tcp,
    tls::{self, Secured},
    worker::Worker,
};

/// What is known of a client's connection.
#[derive(Debug)]
pub(crate) struct Downstream {
    /// Name of the listener whose socket took it.
    pub(crate) bound: Arc<str>,
    /// Where it comes from.
    pub(crate) source: SocketAddr,
    /// Where it was going before it was captured.
    pub(crate) destination: SocketAddr,
    /// What its first bytes are.
    pub(crate) transport: Transport,
    /// The name that TLS asks for.
    pub(crate) server_name: Option<Box<str>>,
    /// Protocols that were found or are offered.
    pub(crate) protocols: Vec<Box<str>>,
    /// The TLS that ended here, if any.
    pub(crate) secured: Option<Box<Secured>>,
    /// When it came.
    pub(crate) began: Instant,
}

/// Where a connection has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its listener.
    pub(crate) listener: Arc<Listener>,
    /// Its filter chain.
    pub(crate) chain: Arc<FilterChain>,
    /// The snapshot's generation in which that was so.
    pub(crate) generation: u64,
}

impl Downstream {
    /// The scheme of addresses that lead here.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.secured.is_some() { "https" } else { "http" }
    }

    /// Asks the snapshot in force who takes this connection.
    pub(crate) fn place(&self, worker: &Worker) -> Option<Place> {
        let snapshot = worker.snapshot();
        let bound = snapshot.listener(&self.bound)?;
        let listener = snapshot.listener_for(bound, self.destination);
        let chain = listener.chain(&Connection {
            destination: self.destination,
            source: self.source,
            transport: self.transport,
            server_name: self.server_name.as_deref(),
            protocols: &self.protocols,
        })?;
        Some(Place { listener: listener.clone(), chain: chain.clone(), generation: snapshot.generation })
    }
}

/// Takes a connection from its first byte to its last.
pub(crate) async fn connection(
    worker: Rc<Worker>,
    bound: Arc<str>,
    stats: Arc<ListenerStats>,
    stream: TcpStream,
    source: SocketAddr,
) {
    let Some(listener) = worker.listener(&bound) else { return };
    stats.downstream_cx_total.inc();
    stats.downstream_cx_active.add(1);
    carry(&worker, listener, stream, source, &stats).await;
    stats.downstream_cx_active.add(-1);
}

async fn carry(
    worker: &Rc<Worker>,
    bound: Arc<Listener>,
    mut stream: TcpStream,
    source: SocketAddr,
    stats: &ListenerStats,
) {
    // Small answers are not to wait for more; a socket that does not know the option works without.
    drop(stream.set_nodelay(true));
    let Ok(local) = stream.local_addr() else { return };
    let mut downstream = Downstream {
        bound: bound.name.clone(),
        source: canonical(source),
        destination: canonical(original_destination(&stream).unwrap_or(local)),
        transport: Transport::Raw,
        server_name: None,
        protocols: Vec::new(),
        secured: None,
        began: Instant::now(),
    };
    let snapshot = worker.snapshot();
    let listener = snapshot.listener_for(&bound, downstream.destination).clone();
    let inspection = listener.inspection(downstream.destination.port());
    let Some(first) = inspect(&listener, inspection, &mut stream, &mut downstream, stats).await else { return };
    let Some(place) = downstream.place(worker) else {
        stats.no_filter_chain_match.inc();
        let mut record = ConnectionRecord::new(Rc::new(downstream), listener.inbound);
        let deciders = Deciders { listener: Some(&listener.provenance), ..Deciders::default() };
        record.why = Some(Why::of(Reason::NoFilterChain, &deciders));
        record.flags.set(Flags::NO_ROUTE);
        record.details = "filter_chain_not_found";
        record.finish(worker, &listener.access_log);
        return reset(stream);
    };
    let seen = Seen::new(first, stream);
    let io = match &place.chain.tls {
        None => Wire::Plain(seen),
        Some(tls) => match tls::accept(tls, seen, &stats.tls).await {
            Ok((io, secured)) => {
                downstream.secured = Some(Box::new(secured));
                io
            }
            Err(failed) => return note_failure(worker, downstream, &place, &failed),
        },
    };
    match place.chain.handler.clone() {
        Handler::Http(_) => http::serve(worker, downstream, place, io).await,
        Handler::Tcp(forward) => tcp::forward(worker, downstream, &place, &forward, io).await,
    }
}

/// A client with whom no handshake came about; it has been told why, as far as TLS has a word for it.
fn note_failure(worker: &Worker, downstream: Downstream, place: &Place, failed: &tls::Failed) {
    let (listener, client, name) = (&place.listener.name, downstream.source, downstream.server_name.as_deref());
    tracing::info!(%listener, chain = &*place.chain.name, %client, name, reason = %failed, "a TLS handshake failed");
    let mut record = ConnectionRecord::new(Rc::new(downstream), place.listener.inbound);
    // Here the chain's object says what the cluster's says where a server is called.
    let chain = &place.chain;
    let object = if chain.provenance.object.is_some() { &chain.provenance } else { &place.listener.provenance };
    record.why = Some(Why::of(failed.reason(), &Deciders { cluster: Some(object), ..Deciders::default() }));
    record.refusal = Some(failed.to_string());
    let logs = match &chain.handler {
        Handler::Http(manager) => &manager.access_log,
        Handler::Tcp(forward) => &forward.access_log,
    };
    record.finish(worker, logs);
}

/// Where the connection was going when it was redirected.
fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let socket = socket2::SockRef::from(stream);
    let found = match stream.local_addr().ok()? {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6().or_else(|_| socket.original_dst_v4()),
    };
    found.ok()?.as_socket()
}

/// Addresses of version 4 that came by a socket of version 6, as what they are.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Looks at the first bytes, as far as the listener wants; gives what was read. None: the client is gone, or was silent
/// for longer than it may.
async fn inspect(
    listener: &Listener,
    inspection: Inspection,
    stream: &mut TcpStream,
    downstream: &mut Downstream,
    stats: &ListenerStats,
) -> Option<Bytes> {
    if !inspection.tls && !inspection.http {
        return Some(Bytes::new());
    }
    let mut first = BytesMut::new();
    let looking = look(inspection, stream, &mut first);
    let found = match listener.inspection_timeout {
        None => looking.await,
        Some(limit) => match tokio::time::timeout(limit, looking).await {
            Ok(found) => found,
            Err(_) => {
                stats.downstream_pre_cx_timeout.inc();
                listener.continues_after_timeout.then_some(Sniffed::Raw)
            }
        },
    };
    match found? {
        Sniffed::Tls { server_name, protocols } => {
            downstream.transport = Transport::Tls;
            (downstream.server_name, downstream.protocols) = (server_name, protocols);
        }
        Sniffed::Http(version) => downstream.protocols = vec![version.into()],
        Sniffed::Raw | Sniffed::More => {}
    }
    Some(first.freeze())
}

async fn look(inspection: Inspection, stream: &mut TcpStream, first: &mut BytesMut) -> Option<Sniffed> {
    loop {
        // Reserved only when there is something to read, so that a silent connection costs no buffer.
        stream.readable().await.ok()?;
        first.reserve(2048);
        let read = stream.read_buf(first).await.ok()?;
        if read == 0 {
            // A client that has said all it will ever say; if that is nothing, nothing is lost.
            return (!first.is_empty()).then_some(Sniffed::Raw);
        }
        match sniff(first, inspection) {
            // It asks for no more than its own limit.
            Sniffed::More => {}
            found => return Some(found),
        }
    }
}
