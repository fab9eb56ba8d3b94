//! The floor: a forwarder of nothing but hyper, one thread, pooled connections; no routing, metrics, policy or logs.

use std::{cell::RefCell, rc::Rc};

use anyhow::Result;
use http::{Request, Response, Version};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::Executor,
    server::conn,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};

use crate::backend::{HTTP1, HTTP2};

/// Where redirected connections come in, as at a proxy.
const PORT: &str = "127.0.0.1:15001";

/// Tasks on the one thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        drop(spawn_local(task));
    }
}

/// Connections to the backend: the last one that was used is the next one.
#[derive(Default)]
struct Pool {
    idle: RefCell<Vec<http1::SendRequest<Incoming>>>,
    shared: RefCell<Option<http2::SendRequest<Incoming>>>,
}

/// Forwards until it is killed.
pub(crate) async fn run() -> Result<()> {
    let pool = Rc::new(Pool::default());
    LocalSet::new().run_until(accept(pool)).await
}

async fn accept(pool: Rc<Pool>) -> Result<()> {
    let listener = TcpListener::bind(PORT).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        drop(spawn_local(serve(stream, Rc::clone(&pool))));
    }
}

async fn serve(stream: TcpStream, pool: Rc<Pool>) {
    // As Envoy does: the preface tells the version.
    let mut first = [0; 3];
    let is_http2 = stream.peek(&mut first).await.is_ok() && &first == b"PRI";
    let service = service_fn(move |request| {
        // A failure ends the connection: the generator notices.
        Rc::clone(&pool).forward(request)
    });
    let io = TokioIo::new(stream);
    // The end of a connection, however it comes, is no news.
    if is_http2 {
        conn::http2::Builder::new(Local).timer(TokioTimer::new()).serve_connection(io, service).await.ok();
    } else {
        conn::http1::Builder::new().serve_connection(io, service).await.ok();
    }
}

impl Pool {
    async fn forward(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<Incoming>> {
        if request.version() == Version::HTTP_2 {
            return Ok(self.http2().await?.send_request(request).await?);
        }
        let mut sender = self.http1().await?;
        let response = sender.send_request(request).await?;
        // It is ready again, and chosen again, once the answer's body has been read.
        self.idle.borrow_mut().push(sender);
        Ok(response)
    }

    async fn http1(&self) -> Result<http1::SendRequest<Incoming>> {
        let free = {
            let mut idle = self.idle.borrow_mut();
            let at = idle.iter().rposition(http1::SendRequest::is_ready);
            at.map(|at| idle.swap_remove(at))
        };
        if let Some(sender) = free {
            return Ok(sender);
        }
        let stream = TcpStream::connect(HTTP1).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        drop(spawn_local(connection));
        Ok(sender)
    }

    async fn http2(&self) -> Result<http2::SendRequest<Incoming>> {
        if let Some(sender) = self.shared.borrow().as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = TcpStream::connect(HTTP2).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::handshake(Local, TokioIo::new(stream)).await?;
        drop(spawn_local(connection));
        *self.shared.borrow_mut() = Some(sender.clone());
        Ok(sender)
    }
}
