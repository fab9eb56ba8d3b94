//! HTTP: requests are read from a client's connection, and each is answered.
//!
//! ```text
//!   serve ─ hyper ─► request::answer ─ prepare ─ route ─┬─ local (redirect, direct response, fault, preflight)
//!                                                       ├─ forward ─ attempt ─ upstream ─► ResponseBody
//!                                                       └─ upgrade (WebSocket)
//! ```

mod attempt;
mod edge;
mod forward;
mod local;
mod mirror;
mod plan;
mod prepare;
mod request;
mod response;
mod upgrade;

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::Future,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mesh_snapshot::{Codec, Handler, HttpManager};

pub(crate) use self::response::ResponseBody;
use super::{
    accept::{Downstream, Place},
    gather::{Gather, turn},
    io::Io,
    stats::HttpStats,
    worker::{Worker, spawn},
};

/// What an HTTP/2 client may send before it has to wait, per stream and per connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The least that hyper's buffer of an HTTP/1 connection may be limited to.
const LEAST_BUFFER: usize = 8 << 10;

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        spawn(task);
    }
}

/// A client's connection, while requests are read from it.
struct HttpConnection {
    worker: Rc<Worker>,
    downstream: Rc<Downstream>,
    place: RefCell<Rc<Place>>,
    stats: Arc<HttpStats>,
    http2: bool,
    /// Requests under way.
    active: Cell<u32>,
    /// When the last one was answered.
    rested: Cell<Instant>,
    /// The connection ends after its current answer.
    closing: Cell<bool>,
}

/// Reads requests until the connection ends.
pub(crate) async fn serve(worker: &Rc<Worker>, downstream: Downstream, place: Place, io: Io) {
    let Handler::Http(manager) = place.chain.handler.clone() else { return };
    let http2 = match manager.codec {
        Codec::Http2 => true,
        Codec::Http1 => false,
        Codec::Auto => match &downstream.secured {
            Some(tls) => tls.protocol.as_deref() == Some(mesh_tls::alpn::H2),
            None => downstream.protocols.iter().any(|protocol| &**protocol == "h2c"),
        },
    };
    let stats = worker.shared.stats.http(&manager.stat_prefix);
    stats.downstream_cx_total.inc();
    stats.downstream_cx_active.add(1);
    let connection = Rc::new(HttpConnection {
        worker: worker.clone(),
        downstream: Rc::new(downstream),
        place: RefCell::new(Rc::new(place)),
        stats,
        http2,
        active: Cell::new(0),
        rested: Cell::new(Instant::now()),
        closing: Cell::new(false),
    });
    if http2 {
        connection.clone().serve_http2(&manager, io).await;
    } else {
        connection.clone().serve_http1(&manager, io).await;
    }
    connection.stats.downstream_cx_active.add(-1);
}

impl HttpConnection {
    async fn serve_http1(self: Rc<Self>, manager: &HttpManager, io: Io) {
        let buffer = (manager.max_headers_kb as usize * 1024).max(LEAST_BUFFER);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(buffer);
        let connection = self.clone();
        let service = service_fn(move |request| Self::answer(connection.clone(), request));
        let serving = builder.serve_connection(TokioIo::new(io), service).with_upgrades();
        let mut serving = pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = self.overdue(manager) => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        self.note_end(ended);
    }

    async fn serve_http2(self: Rc<Self>, manager: &HttpManager, io: Io) {
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(manager.max_streams)
            .max_header_list_size(manager.max_headers_kb * 1024);
        let connection = self.clone();
        let service = service_fn(move |request| Self::answer(connection.clone(), request));
        let io = Gather::new(io);
        let mut serving = pin!(builder.serve_connection(TokioIo::new(io.clone()), service));
        let mut draining = self.worker.shared.life.draining();
        let ended = tokio::select! {
            ended = turn(&io, serving.as_mut()) => ended,
            () = async {
                tokio::select! {
                    () = self.overdue(manager) => {}
                    // HTTP/2 can say so at once, and loses nothing by it.
                    _ = draining.wait_for(|draining| *draining) => {}
                }
            } => {
                serving.as_mut().graceful_shutdown();
                turn(&io, serving).await
            }
        };
        self.note_end(ended);
    }

    fn note_end(&self, ended: hyper::Result<()>) {
        if let Err(error) = ended
            && error.is_parse()
        {
            self.stats.downstream_cx_protocol_error.inc();
            tracing::debug!(%error, client = %self.downstream.source, "a client does not speak HTTP");
        }
    }

    async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> Result<http::Response<super::body::Body>, Infallible> {
        self.active.set(self.active.get() + 1);
        let busy = Busy(self.clone());
        // Boxed where it begins: tasks that carry it are moved, and it is large.
        let response = Box::pin(request::answer(&self, request)).await;
        drop(busy);
        Ok(response)
    }

    /// Where requests of this connection are handled, asked again whenever the configuration has changed.
    fn place(&self) -> Rc<Place> {
        if self.place.borrow().generation != self.worker.snapshot().generation {
            match self.downstream.place(&self.worker) {
                Some(place) if matches!(place.chain.handler, Handler::Http(_)) => {
                    drop(self.place.replace(Rc::new(place)))
                }
                // Its chain is gone: what is under way is answered as it was begun.
                _ => self.closing.set(true),
            }
        }
        self.place.borrow().clone()
    }

    /// Whether the client is to be told that this connection ends.
    fn is_closing(&self) -> bool {
        self.closing.get() || self.worker.shared.life.is_draining()
    }

    /// Waits until the connection has idled for too long, or is too old.
    async fn overdue(&self, manager: &HttpManager) {
        let oldest = manager.max_age.map(|age| self.downstream.began + age);
        loop {
            let idle = manager
                .idle_timeout
                .map(|limit| if self.active.get() > 0 { Instant::now() + limit } else { self.rested.get() + limit });
            let Some(next) = [idle, oldest].into_iter().flatten().min() else { return std::future::pending().await };
            if next <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

/// A request under way.
struct Busy(Rc<HttpConnection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        self.0.rested.set(Instant::now());
    }
}

/// Milliseconds as headers carry them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
