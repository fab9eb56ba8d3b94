//! The data plane's mind: xDS resources made into a [`Snapshot`], and every decision asked of it.
//!
//! ```text
//!   Any ─ Store::put ─► validated resource ─ Store::build ─► Snapshot      one immutable world, behind one `Arc`
//!                              │ refused by name and field                    │
//!                              └─ its last good version stays                 ├─ listener_for(destination)
//!                                                                             ├─ Listener::chain(connection)
//!                                                                             ├─ RouteTable::route(head)
//!                                                                             ├─ Forward::target(random)
//!                                                                             └─ Cluster::pick(context)
//! ```
//!
//! Decisions are pure: time and random numbers are arguments, nothing waits, nothing locks. What changes with each
//! request (active requests, ejections, permits, whose turn it is) lives in atomics behind the endpoints and clusters,
//! and a new snapshot takes these over by cluster and address, so that an update of endpoints resets nothing.
//!
//! What is refused has a [`Reason`]: a code, its meaning, the way out, and whose object decided. The proxy's log and
//! `lateenctl explain` print the same [`Refusal`].
//!
//! [`names`] is beside it: what a proxy answers to DNS questions.
//!
//! **Not here:** sockets, files, HTTP codecs, connection pools, clocks. **Invariants:** no field of a resource is ignored in
//! silence: a decoder takes what it understands out of a message, and whatever is left is refused by its name. TLS is
//! never replaced by plain bytes: what it lacks makes handshakes fail.
//!
//! Start reading at [`Store`], then [`Snapshot`], then [`RouteTable`].

#![allow(deprecated, reason = "Istio's control plane still writes fields that Envoy calls deprecated")]

mod balance;
mod cluster;
mod endpoint;
mod format;
mod fraction;
mod hash;
mod headers;
mod host;
mod http;
mod listener;
mod log;
pub mod names;
mod outlier;
mod path;
mod reason;
mod refusal;
mod route;
mod snapshot;
mod sniff;
mod take;
mod tcp;
mod text;
mod tls;

pub use self::{
    balance::PickContext,
    cluster::{
        ClusterConfig, Discovery, DnsFamily, Dynamic, HttpOptions, Keepalive, Limits, NameTerms, Policy, ServiceName,
        SlowStart, UpstreamProtocol,
    },
    endpoint::{Assignment, Endpoint, EndpointAddress, LocalityEndpoints},
    format::{Fact, Facts, Field, Missing, Template},
    fraction::Fraction,
    headers::HeaderChanges,
    host::{Active, Cluster, Host, Permit, Resource},
    http::{Client, ClientCertHeader, Codec, Edge, HttpManager, RouteSource, ServerHeader},
    listener::{Connection, FilterChain, Handler, Inspection, Listener, Transport},
    log::AccessLog,
    outlier::{HostOutcome, OutlierConfig, Tick},
    path::{EscapedSlashes, PathForm},
    reason::{Deciders, Reason, Refusal, shell_word},
    refusal::{Bad, Kind, Refused},
    route::{
        Abort, Action, Affinity, Changes, Cors, CorsVerdict, DirectResponse, Fault, Forward, HashInput, HashPolicy,
        Head, Mirror, Preflight, Provenance, Redirect, RetryPolicy, RewrittenHost, Route, RouteTable, Routed, Search,
        Target, TryOutcome, VirtualHost, is_grpc,
    },
    snapshot::{Resolved, Snapshot, Store, Wanted},
    sniff::{SNIFF_LIMIT, Sniffed, sniff},
    tcp::TcpForward,
    text::{Pattern, Substitution, TextTest},
    tls::{ClientTls, Distrust, NotReady, Origin, PeerFacts, ServerTls, Speaks},
};
