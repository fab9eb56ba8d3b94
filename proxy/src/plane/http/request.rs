//! A request, from its head to the head of its answer. Each line asks a pure value one question.

use std::rc::Rc;

use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use mesh_snapshot::{Abort, Action, CorsVerdict, Deciders, Fault, Handler, Head, Listener, Reason, RouteTable, Routed};

use super::{
    HttpConnection,
    forward::{Exchange, forward},
    local::Reply,
    prepare::prepare,
    response,
};
use crate::plane::{
    body::{Body, Progress},
    flags::Flags,
    record::{Record, RequestFacts, Why},
    worker::Worker,
};

/// By its presence a peer's proxy says who it is.
const PEER: &str = "x-envoy-peer-metadata";
/// The virtual host of hosts that nobody may call, and the cluster by which Istio counts such calls.
const BLOCK_ALL: &str = "block_all";
const BLACK_HOLE: &str = "BlackHoleCluster";

/// What of a request is still with the client's connection.
pub(super) struct Rest {
    pub(super) incoming: Incoming,
    pub(super) upgrade: OnUpgrade,
}

/// Answers a request.
pub(super) async fn answer(connection: &Rc<HttpConnection>, mut request: Request<Incoming>) -> Response<Body> {
    let worker = &connection.worker;
    let place = connection.place();
    let Handler::Http(manager) = &place.chain.handler else { return Response::new(Body::Empty) };
    let snapshot = worker.snapshot();
    let upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let rest = Rest { upgrade, incoming };
    let progress = Progress::new(rest.incoming.is_end_stream());
    let inbound = place.listener.inbound;
    let mut record = Record::new(worker, &connection.downstream, manager, &connection.stats, inbound, progress);

    let prepared = prepare(worker, manager, &connection.downstream, &mut parts);
    // Whoever says who it is wants to know who answers, also where it cannot be understood.
    let introduced = parts.headers.contains_key(PEER);
    let peer = worker.recorder.take_peer(&mut parts.headers);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(reply) => {
            record.keep_head(&parts, "", parts.uri.path());
            return reply.send(connection, record);
        }
    };
    record.peer = peer.filter(|_| inbound);
    record.keep_head(&parts, prepared.authority.to_str().unwrap_or_default(), &prepared.path_and_query());

    let head = prepared.head(&parts);
    record.grpc = head.is_grpc();
    if record.grpc {
        record.progress.count_messages();
    }
    let table = snapshot.routes(manager);
    let Some(routed) = table.and_then(|table| table.route(&head, worker.random())) else {
        return no_route(table.map(AsRef::as_ref), &place.listener, &head).send(connection, record);
    };
    record.keep_route(&routed.virtual_host.name, &routed.route.name);

    let target = match &routed.route.action {
        Action::Forward(forward) => Some(forward.target(worker.random())),
        Action::Redirect(_) | Action::Direct(_) => None,
    };
    if let Some(fault) = routed.fault().filter(|_| manager.faults)
        && let Some(reply) = inject(worker, fault, &routed, &head, target.map_or("", |t| &t.cluster), &mut record).await
    {
        return reply.send(connection, record);
    }
    let verdict = routed.cors().filter(|_| manager.cors).map(|cors| (cors, cors.check(&head, worker.random())));
    let marked = match verdict {
        Some((_, CorsVerdict::Preflight(preflight))) => {
            let mut reply = Reply::new(StatusCode::OK, Flags::default(), "cors_response");
            reply.headers = preflight.0;
            return reply.send(connection, record);
        }
        Some((cors, CorsVerdict::Allowed(origin))) => Some((cors, origin)),
        Some((_, CorsVerdict::None)) | None => None,
    };
    match (&routed.route.action, target) {
        (Action::Forward(to), Some(target)) => {
            let exchange =
                Exchange { connection, snapshot: &snapshot, manager, inbound, routed, to, target, introduced, marked };
            forward(exchange, record, &prepared, parts, rest).await
        }
        (action, _) => {
            if &*routed.virtual_host.name == BLOCK_ALL {
                record.cluster = snapshot.cluster(BLACK_HOLE).map(|cluster| cluster.config.clone());
                record.leaves(Reason::BlackHole, head.authority);
            }
            local_action(action, &routed, &head, &parts, record, connection)
        }
    }
}

/// The answer where no route takes a request, be it for want of its host or of its other properties.
fn no_route(table: Option<&RouteTable>, listener: &Listener, head: &Head<'_>) -> Reply {
    let host = table.and_then(|table| table.virtual_host(head));
    let deciders = Deciders {
        listener: Some(&listener.provenance),
        virtual_host: host.map(|host| &host.provenance),
        ..Deciders::default()
    };
    let reply = Reply::new(StatusCode::NOT_FOUND, Flags::NO_ROUTE, "route_not_found");
    reply.because(Reason::of_unrouted(host)).decided_by(&deciders)
}

/// Injects what the route's fault says: a delay, which is waited for here, and then perhaps an answer.
async fn inject(
    worker: &Worker,
    fault: &Fault,
    routed: &Routed<'_>,
    head: &Head<'_>,
    cluster: &str,
    record: &mut Record,
) -> Option<Reply> {
    if !fault.concerns(head, cluster) {
        return None;
    }
    if let Some(delay) = fault.delay(worker.random()) {
        record.flags.set(Flags::DELAY_INJECTED);
        record.why = Some(Why::of(Reason::FaultDelay, &routed.deciders()));
        tokio::time::sleep(delay).await;
    }
    let abort = fault.abort(worker.random())?;
    let status = match abort {
        Abort::Http(status) => status,
        Abort::Grpc(_) => StatusCode::OK,
    };
    let reply = Reply::new(status, Flags::FAULT_INJECTED, "fault_filter_abort").body("fault filter abort");
    let mut reply = reply.because(Reason::FaultAbort).decided_by(&routed.deciders());
    if let Abort::Grpc(status) = abort {
        record.grpc = true;
        reply.grpc_status = Some(status);
    }
    Some(reply)
}

/// Redirects and direct responses.
fn local_action(
    action: &Action,
    routed: &Routed<'_>,
    head: &Head<'_>,
    parts: &Parts,
    record: Box<Record>,
    connection: &HttpConnection,
) -> Response<Body> {
    let mut reply = match action {
        Action::Direct(direct) => {
            let body = bytes::Bytes::copy_from_slice(&direct.body);
            Reply::new(direct.status, Flags::default(), "direct_response").body(body)
        }
        Action::Redirect(redirect) => {
            let location = redirect.location(head, routed.matched(head));
            let mut reply = Reply::new(redirect.status, Flags::default(), "direct_response");
            if let Ok(location) = HeaderValue::from_str(&location) {
                reply.headers.insert(header::LOCATION, location);
            }
            reply
        }
        // Taken care of by the caller.
        Action::Forward(_) => Reply::new(StatusCode::INTERNAL_SERVER_ERROR, Flags::default(), "internal_error"),
    };
    let facts = RequestFacts {
        record: &record,
        head: Head { headers: &parts.headers, ..*head },
        response: None,
        route: &routed.route.name,
    };
    response::change(routed, None, &mut reply.headers, &facts);
    reply.send(connection, record)
}
