//! The connections of one worker to one endpoint of one cluster.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use mesh_snapshot::{Cluster, Permit, Resource, Speaks};
use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Arriving, ClusterSide, Failure, Lease, Sent, connect, http2, stream::Shared};
use crate::plane::{
    body::Body,
    gather::{Gather, turn},
    io::Wire,
    worker::spawn,
};

/// How many streams one HTTP/2 connection carries if nobody says.
const STREAMS: u32 = 1024;
/// How long a connection is believed to be as it was.
const JUST_NOW: Duration = Duration::from_millis(5);
/// How often a request that waits for a connection looks whether another worker gave one back.
const PATIENCE: Duration = Duration::from_millis(20);

/// All connections to one endpoint.
pub(super) struct HostPool {
    address: SocketAddr,
    /// What TLS calls the endpoint by.
    name: Option<ServerName<'static>>,
    idle: RefCell<Vec<Http1>>,
    shared: RefCell<Vec<Rc<Http2>>>,
    /// Connections that are open, idle or not.
    open: Cell<usize>,
    /// A connection was given back or has ended.
    freed: Notify,
    /// Held while an HTTP/2 connection is made, so that requests that come meanwhile share it.
    dialling: tokio::sync::Mutex<()>,
}

/// An HTTP/1 connection.
pub(super) struct Http1 {
    sender: http1::SendRequest<Body>,
    stream: Shared,
    local: Option<SocketAddr>,
    born: Instant,
    rested: Instant,
    served: u32,
}

impl Http1 {
    /// Whether the other end has not hung up. What was used a moment ago is believed: the runtime looks at all
    /// connections that often.
    fn is_alive(&self) -> bool {
        self.rested.elapsed() < JUST_NOW || self.stream.is_quiet()
    }
}

/// An HTTP/2 connection.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    /// It takes no further request.
    closed: Rc<Cell<bool>>,
    local: Option<SocketAddr>,
    born: Instant,
    rested: Cell<Instant>,
    pub(super) active: Cell<u32>,
    served: Cell<u32>,
}

/// Room for one more connection; given back when the connection ends.
struct Room {
    pool: Rc<HostPool>,
    side: Rc<ClusterSide>,
    /// None for the one connection that every endpoint is granted.
    _permit: Option<Permit>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.pool.open.set(self.pool.open.get() - 1);
        self.side.stats.upstream_cx_active.add(-1);
        self.pool.freed.notify_one();
    }
}

impl HostPool {
    pub(super) fn new(address: SocketAddr, name: Option<ServerName<'static>>) -> Self {
        Self {
            address,
            name,
            idle: RefCell::default(),
            shared: RefCell::default(),
            open: Cell::new(0),
            freed: Notify::new(),
            dialling: tokio::sync::Mutex::default(),
        }
    }

    /// Closes what has idled for too long; whether any connection is left.
    pub(super) fn tidy(&self, idle: Option<Duration>, now: Instant) -> bool {
        let rests = |since: Instant| idle.is_none_or(|limit| now.saturating_duration_since(since) < limit);
        self.idle.borrow_mut().retain(|c| !c.sender.is_closed() && rests(c.rested));
        self.shared.borrow_mut().retain(|c| !c.closed.get() && (c.active.get() > 0 || rests(c.rested.get())));
        self.open.get() > 0
    }

    /// Sends a request by HTTP/1. To open a connection is rare, and boxed: else each request would carry room for it.
    pub(super) async fn send_http1(
        self: Rc<Self>,
        side: &Rc<ClusterSide>,
        cluster: &Cluster,
        mut request: Box<Request<Body>>,
    ) -> Result<Sent, Failure> {
        loop {
            let mut connection = match self.take_idle(cluster) {
                Some(connection) => connection,
                None => match Box::pin(self.open_http1(side, cluster)).await? {
                    Some(connection) => connection,
                    None => continue,
                },
            };
            let reused = connection.served > 0;
            connection.served += 1;
            match connection.sender.try_send_request(*request).await {
                Ok(response) => {
                    let (response, local) = (response.map(Arriving::Http1), connection.local);
                    return Ok(Sent { response, lease: Lease::http1(self, connection, local) });
                }
                Err(error) => *request = unsent(error, reused)?,
            }
        }
    }

    /// Sends a request by HTTP/2.
    pub(super) async fn send_http2(
        self: Rc<Self>,
        side: &Rc<ClusterSide>,
        cluster: &Cluster,
        request: Box<Request<Body>>,
    ) -> Result<Sent, Failure> {
        loop {
            let connection = match self.shared_connection(cluster) {
                Some(connection) => connection,
                None => {
                    let _turn = self.dialling.lock().await;
                    match self.shared_connection(cluster) {
                        Some(connection) => connection,
                        None => match Box::pin(self.open_http2(side, cluster)).await? {
                            Some(connection) => connection,
                            None => continue,
                        },
                    }
                }
            };
            let reused = connection.served.replace(connection.served.get() + 1) > 0;
            let lease = Lease::http2(&self, &connection, connection.local);
            let mut sender = connection.sender.clone();
            if http2::ready(&mut sender).await.is_ok() {
                let response = http2::send(&mut sender, request).await.map_err(|error| stream_failure(&error))?;
                return Ok(Sent { response, lease });
            }
            // It was over before anything was written: by another one, if this one has served, and nobody notices.
            connection.closed.set(true);
            if !reused {
                return Err(Failure::Reset { request_sent: false });
            }
        }
    }

    /// The connection that was used last and can be used again.
    fn take_idle(&self, cluster: &Cluster) -> Option<Http1> {
        let options = &cluster.config.http;
        loop {
            let connection = self.idle.borrow_mut().pop()?;
            let young = options.max_age.is_none_or(|limit| connection.born.elapsed() < limit);
            let fresh = options.idle_timeout.is_none_or(|limit| connection.rested.elapsed() < limit);
            if young && fresh && connection.sender.is_ready() && connection.is_alive() {
                return Some(connection);
            }
        }
    }

    fn shared_connection(&self, cluster: &Cluster) -> Option<Rc<Http2>> {
        let options = &cluster.config.http;
        let streams = options.max_streams.unwrap_or(STREAMS);
        let mut shared = self.shared.borrow_mut();
        shared.retain(|c| {
            let young = options.max_age.is_none_or(|limit| c.born.elapsed() < limit);
            let unspent = options.max_requests.is_none_or(|limit| c.served.get() < limit);
            !c.closed.get() && young && unspent
        });
        shared.iter().find(|c| c.active.get() < streams).cloned()
    }

    /// Gives a connection back after its answer.
    pub(super) fn give_back(&self, mut connection: Http1, max_requests: Option<u32>) {
        if connection.sender.is_closed() || max_requests.is_some_and(|limit| connection.served >= limit) {
            return;
        }
        connection.rested = Instant::now();
        self.idle.borrow_mut().push(connection);
        self.freed.notify_one();
    }

    pub(super) fn rest(&self, connection: &Http2) {
        connection.rested.set(Instant::now());
        self.freed.notify_one();
    }

    /// Room for one more connection, as soon as there is; none: another request gave its connection back meanwhile.
    async fn room(self: &Rc<Self>, side: &Rc<ClusterSide>, cluster: &Cluster) -> Result<Option<Room>, Failure> {
        let granted = |permit| {
            self.open.set(self.open.get() + 1);
            side.stats.upstream_cx_active.add(1);
            Room { pool: self.clone(), side: side.clone(), _permit: permit }
        };
        let permit = cluster.take(Resource::Connection);
        // An endpoint without any connection gets one, whatever the limit says: Envoy's rule.
        if permit.is_some() || self.open.get() == 0 {
            return Ok(Some(granted(permit)));
        }
        side.stats.upstream_cx_overflow.inc();
        // The end of the wait is known by another worker if it was that one's connection: so it is looked for, too.
        drop(timeout(PATIENCE, self.freed.notified()).await);
        let has_idle = !self.idle.borrow().is_empty() || self.shared_connection(cluster).is_some();
        Ok(if has_idle { None } else { cluster.take(Resource::Connection).map(|permit| granted(Some(permit))) })
    }

    async fn dial(
        self: &Rc<Self>,
        side: &Rc<ClusterSide>,
        cluster: &Cluster,
        speaks: Speaks,
    ) -> Result<Option<(Wire<TcpStream>, Room)>, Failure> {
        let Some(_waiting) = cluster.take(Resource::Pending) else {
            side.stats.upstream_rq_pending_overflow.inc();
            return Err(Failure::Overflow);
        };
        let Some(room) = self.room(side, cluster).await? else { return Ok(None) };
        let stream = connect(cluster, &side.stats, self.address, speaks, self.name.as_ref()).await?;
        Ok(Some((stream, room)))
    }

    async fn open_http1(self: &Rc<Self>, side: &Rc<ClusterSide>, cluster: &Cluster) -> Result<Option<Http1>, Failure> {
        let Some((stream, room)) = self.dial(side, cluster, Speaks::Http1).await? else { return Ok(None) };
        let local = stream.tcp().local_addr().ok();
        let stream = Shared::new(stream);
        let (sender, connection) =
            http1::Builder::new().handshake(stream.clone()).await.map_err(|error| failure(&error))?;
        spawn(async move {
            // How it ended is told by the request that was under way.
            drop(connection.await);
            drop(room);
        });
        let now = Instant::now();
        Ok(Some(Http1 { sender, stream, local, born: now, rested: now, served: 0 }))
    }

    async fn open_http2(
        self: &Rc<Self>,
        side: &Rc<ClusterSide>,
        cluster: &Cluster,
    ) -> Result<Option<Rc<Http2>>, Failure> {
        let Some((stream, room)) = self.dial(side, cluster, Speaks::Http2).await? else { return Ok(None) };
        let local = stream.tcp().local_addr().ok();
        let stream = Gather::new(stream);
        let (sender, connection) = http2::open(stream.clone()).await.map_err(|error| stream_failure(&error))?;
        let closed = Rc::new(Cell::new(false));
        let ended = closed.clone();
        spawn(async move {
            drop(turn(&stream, pin!(connection)).await);
            ended.set(true);
            drop(room);
        });
        let now = Instant::now();
        let connection = Rc::new(Http2 {
            sender,
            closed,
            local,
            born: now,
            rested: Cell::new(now),
            active: Cell::new(0),
            served: Cell::new(0),
        });
        self.shared.borrow_mut().push(connection.clone());
        Ok(Some(connection))
    }

    /// Sends a request that may turn its connection into something else, on a connection of its own.
    pub(super) async fn send_upgrade(
        self: Rc<Self>,
        side: &Rc<ClusterSide>,
        cluster: &Cluster,
        request: Request<Body>,
    ) -> Result<Sent, Failure> {
        let (stream, room) = loop {
            if let Some(dialled) = self.dial(side, cluster, Speaks::Http1).await? {
                break dialled;
            }
            // Somebody's idle connection is of no use here.
            self.idle.borrow_mut().pop();
            sleep(Duration::from_millis(1)).await;
        };
        let local = stream.tcp().local_addr().ok();
        let (mut sender, connection) =
            http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(|error| failure(&error))?;
        spawn(async move {
            drop(connection.with_upgrades().await);
            drop(room);
        });
        let response = sender.send_request(request).await.map_err(|error| failure(&error))?.map(Arriving::Http1);
        Ok(Sent { response, lease: Lease::own(sender, local) })
    }
}

/// The request again, if its connection had served before and was over before anything of it was written: it can be sent
/// by another one, and nobody notices.
fn unsent(mut error: TrySendError<Request<Body>>, reused: bool) -> Result<Request<Body>, Failure> {
    match error.take_message() {
        Some(request) if reused => Ok(request),
        Some(_) => Err(Failure::Reset { request_sent: false }),
        None => Err(failure(error.error())),
    }
}

/// What an error of HTTP/1's codec means.
fn failure(error: &hyper::Error) -> Failure {
    if error.is_parse() { Failure::Protocol } else { Failure::Reset { request_sent: true } }
}

/// What an error of a stream means.
fn stream_failure(error: &h2::Error) -> Failure {
    let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM) || error.is_go_away() && error.is_remote();
    if is_refused { Failure::Refused } else { Failure::Reset { request_sent: true } }
}
