//! The answer on its way back.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use mesh_snapshot::{Deciders, Facts, Head, Permit, Reason, Routed, ServerHeader, Target};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    HttpConnection,
    attempt::{Answer, Busy},
    forward::{Exchange, Outgoing},
    local::REASON,
    millis, prepare,
};
use crate::plane::{
    body::{Body, BodyError},
    flags::Flags,
    record::{Record, RequestFacts, Why},
    upstream::{Arriving, Lease},
};

const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");
const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");

/// Changes the headers of an answer as the route asks.
pub(super) fn change(routed: &Routed<'_>, target: Option<&Target>, headers: &mut HeaderMap, facts: &dyn Facts) {
    for changes in routed.changes(target) {
        changes.response.apply(headers, facts);
    }
}

/// What is done to the head of every answer at last.
pub(super) fn finish_head(connection: &HttpConnection, response: &mut Response<Body>) {
    let place = connection.place.borrow();
    let mesh_snapshot::Handler::Http(manager) = &place.chain.handler else { return };
    let headers = response.headers_mut();
    let absent = !headers.contains_key(header::SERVER);
    match manager.server_header {
        ServerHeader::Overwrite => drop(headers.insert(header::SERVER, manager.server_name.clone())),
        ServerHeader::AppendIfAbsent if absent => drop(headers.insert(header::SERVER, manager.server_name.clone())),
        ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
    }
    if !connection.http2 && connection.is_closing() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Changes the head of an upstream's answer.
pub(super) fn pass_head(
    exchange: &Exchange<'_>,
    record: &mut Record,
    outgoing: &Outgoing,
    host: &mesh_snapshot::Host,
    took: Duration,
    response: &mut Response<Body>,
) {
    let recorder = &exchange.connection.worker.recorder;
    prepare::clean(response.headers_mut());
    let peer = recorder.take_peer(response.headers_mut());
    // Nobody but the caller's own proxy says why: what comes from further away is not passed on as if it did.
    response.headers_mut().remove(REASON);
    if !exchange.inbound {
        record.peer = peer.or_else(|| recorder.peer_of_host(host));
    } else if exchange.introduced {
        recorder.introduce(response.headers_mut());
    }
    let headers = response.headers_mut();
    headers.insert(SERVICE_TIME, HeaderValue::from(millis(took)));
    if exchange.routed.virtual_host.attempt_count_in_response {
        headers.insert(ATTEMPT_COUNT, HeaderValue::from(record.attempts));
    }
    if let Some(cookie) = &outgoing.plan.affinity.cookie {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
    if let Some((cors, origin)) = &exchange.marked {
        cors.mark(origin.clone(), headers);
    }
    record.code = response.status().as_u16();
    if exchange.routed.changes(Some(exchange.target)).any(|changes| !changes.response.is_empty()) {
        let before = response.headers().clone();
        let head = Head {
            method: &outgoing.parts.method,
            scheme: outgoing.scheme,
            authority: outgoing.authority.to_str().unwrap_or_default(),
            path: outgoing.path.path(),
            query: outgoing.path.query(),
            headers: &outgoing.parts.headers,
        };
        let facts = RequestFacts { record, head, response: Some(&before), route: &exchange.routed.route.name };
        change(&exchange.routed, Some(exchange.target), response.headers_mut(), &facts);
    }
    finish_head(exchange.connection, response);
    response.headers_mut().extend(record.told().map(|code| (REASON, code)));
    record.details = "via_upstream";
    record.answer(response.status(), response.headers());
}

/// Passes an answer on.
pub(super) fn pass(
    exchange: &Exchange<'_>,
    mut record: Box<Record>,
    outgoing: &Outgoing,
    answer: Box<Answer>,
    permit: Permit,
) -> Response<Body> {
    let Answer { sent, host, took, busy } = *answer;
    let (parts, incoming) = sent.response.into_parts();
    let mut response = Response::from_parts(parts, Body::Empty);
    pass_head(exchange, &mut record, outgoing, &host, took, &mut response);
    let ended = record.progress.ended();
    let deadline = outgoing.plan.timeout.and_then(|limit| Some(Instant::from_std(ended? + limit)));
    *response.body_mut() = Body::Response(Box::new(ResponseBody {
        incoming,
        deadline: deadline.map(|at| Box::pin(sleep_until(at))),
        silence: outgoing.plan.idle.map(|limit| (limit, Box::pin(sleep_until(Instant::now() + limit)))),
        max_requests: exchange.snapshot.cluster(&exchange.target.cluster).and_then(|c| c.config.http.max_requests),
        open: Some(Open { record, lease: sent.lease, _busy: busy, _permit: permit }),
    }));
    response
}

/// The body of an answer. When it ends, so does the request.
pub(crate) struct ResponseBody {
    incoming: Arriving,
    deadline: Option<Pin<Box<Sleep>>>,
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
    max_requests: Option<u32>,
    open: Option<Open>,
}

/// What an answer holds until its end.
struct Open {
    record: Box<Record>,
    lease: Lease,
    _busy: Busy,
    _permit: Permit,
}

impl ResponseBody {
    /// All of it has come.
    fn end(&mut self) {
        if let Some(open) = self.open.take() {
            open.lease.done(self.max_requests);
            open.record.finish();
        }
    }

    /// It is broken off.
    fn break_off(&mut self, flag: Flags, reason: Option<Reason>, details: &'static str) {
        if let Some(mut open) = self.open.take() {
            open.record.flags.set(flag);
            let why = |reason| {
                let cluster = open.record.cluster.as_ref().map(|cluster| &cluster.provenance);
                Why::of(reason, &Deciders { cluster, ..Deciders::default() })
            };
            open.record.why = reason.map(why).or(open.record.why.take());
            open.record.details = details;
            open.record.finish();
        }
    }

    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.break_off(Flags::UPSTREAM_TIMEOUT, Some(Reason::RouteTimeout), "response_timeout");
            return Poll::Ready(());
        }
        if let Some((_, silence)) = &mut self.silence
            && silence.as_mut().poll(cx).is_ready()
        {
            self.break_off(Flags::STREAM_IDLE, Some(Reason::IdleTimeout), "stream_idle_timeout");
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.poll_limits(cx));
                return Poll::Ready(Some(Err(BodyError::Late)));
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some((limit, silence)) = &mut self.silence {
                    silence.as_mut().reset(Instant::now() + *limit);
                }
                if let Some(open) = &mut self.open {
                    frame.data_ref().into_iter().for_each(|data| open.record.sends(data));
                    frame.trailers_ref().into_iter().for_each(|trailers| open.record.trailers(trailers));
                }
                if self.incoming.is_end_stream() {
                    self.end();
                }
            }
            Some(Err(_)) => self.break_off(
                Flags::UPSTREAM_TERMINATED,
                Some(Reason::UpstreamEnded),
                "upstream_reset_after_response_started",
            ),
            None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.end();
        } else {
            self.break_off(Flags::DOWNSTREAM_TERMINATED, None, "downstream_remote_disconnect");
        }
    }
}
