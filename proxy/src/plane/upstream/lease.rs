//! A connection in use by one request.

use std::{net::SocketAddr, rc::Rc};

use hyper::client::conn::http1::SendRequest;

use super::pool::{HostPool, Http1, Http2};
use crate::plane::body::Body;

/// Holds the connection that an answer comes by. Given back with [`Lease::done`]; dropped, the answer is broken off.
pub(crate) struct Lease {
    /// This end's address.
    pub(crate) local: Option<SocketAddr>,
    held: Option<Held>,
}

enum Held {
    Http1 {
        pool: Rc<HostPool>,
        connection: Http1,
    },
    Http2 {
        pool: Rc<HostPool>,
        connection: Rc<Http2>,
    },
    /// Ends with its request.
    Own {
        _sender: SendRequest<Body>,
    },
}

impl Lease {
    pub(super) fn http1(pool: Rc<HostPool>, connection: Http1, local: Option<SocketAddr>) -> Self {
        Self { local, held: Some(Held::Http1 { pool, connection }) }
    }

    pub(super) fn http2(pool: &Rc<HostPool>, connection: &Rc<Http2>, local: Option<SocketAddr>) -> Self {
        connection.active.set(connection.active.get() + 1);
        Self { local, held: Some(Held::Http2 { pool: pool.clone(), connection: connection.clone() }) }
    }

    pub(super) fn own(sender: SendRequest<Body>, local: Option<SocketAddr>) -> Self {
        Self { local, held: Some(Held::Own { _sender: sender }) }
    }

    /// All of the answer has been read; `max_requests` says after how many the connection is not used again.
    pub(crate) fn done(mut self, max_requests: Option<u32>) {
        if let Some(Held::Http1 { .. }) = &self.held
            && let Some(Held::Http1 { pool, connection }) = self.held.take()
        {
            pool.give_back(connection, max_requests);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Held::Http2 { pool, connection }) = &self.held {
            connection.active.set(connection.active.get() - 1);
            pool.rest(connection);
        }
    }
}
