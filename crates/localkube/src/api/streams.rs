//! The endpoints of a pod that are conversations: `exec`, `attach`, `log`, `portforward`.
//!
//! ```text
//!  WebSocket v5/v4.channel.k8s.io ─┐                        ┌─ remote:  exec, attach
//!                                  ├─► Wire: numbered ──────┤
//!  SPDY/3.1, bare or in a WebSocket┘   streams of bytes     └─ forward: portforward
//! ```

use futures::StreamExt;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::http::{Response, target::Query};
use crate::{
    node::access::{LogRequest, SharedAccess, Target},
    status::Status,
};

mod forward;
mod remote;
mod spdy;
mod upgrade;
mod wire;

/// Answers `subresource` (`exec`, `attach`, `log` or `portforward`) of a pod. The connection must have been
/// served with upgrades.
///
/// # Errors
/// 400 for a request that makes no sense, 404 for another subresource, and what the node says.
pub async fn handle<B>(
    mut request: Request<B>,
    query: &Query,
    access: SharedAccess,
    subresource: &str,
    target: Target,
) -> Result<Response, Status> {
    match subresource {
        "log" => log(&access, target, query).await,
        "exec" | "attach" => remote::answer(&mut request, access, target, query, subresource == "exec").await,
        "portforward" => forward::answer(&mut request, access, target, query),
        other => Err(Status::not_found("", &format!("pods/{other}"), &target.pod)),
    }
}

async fn log(access: &SharedAccess, target: Target, query: &Query) -> Result<Response, Status> {
    let request = LogRequest {
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: natural(query, "tailLines")?,
        limit_bytes: natural(query, "limitBytes")?,
        since_seconds: query.int("sinceSeconds")?,
        since_time: Some(query.get("sinceTime").to_owned()).filter(|time| !time.is_empty()),
    };
    let text = access.logs(target, request).await?;
    let body = StreamBody::new(text.map(|piece| Ok(Frame::data(piece)))).boxed_unsync();
    let mut response = http::Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

fn natural(query: &Query, key: &str) -> Result<Option<usize>, Status> {
    let natural = |number| {
        let message = || format!("{key}: Invalid value: {number}: must be greater than or equal to 0");
        usize::try_from(number).map_err(|_| Status::bad_request(message()))
    };
    query.int(key)?.map(natural).transpose()
}

#[cfg(test)]
mod tests;
