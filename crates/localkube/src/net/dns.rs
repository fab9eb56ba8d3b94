//! The cluster's DNS server: `localkube dns`, the program of the Deployment `kube-dns`.
//!
//! It watches Services and EndpointSlices with the pod's own service account, answers for `cluster.local` from a table
//! ([`zone::Zone`]) that is made anew at every change, and hands everything else on.

pub(super) mod wire;
mod zone;

use std::{
    fmt::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use http::StatusCode;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, reflector, watcher},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Notify,
    time::sleep,
};

use self::{
    wire::{Responder, ask, reply, serve},
    zone::{Found, TTL, Zone, soa},
};
use super::httpd;

/// The manifests of the cluster's DNS: service account, Deployment and Service `kube-dns` in `kube-system`.
pub const MANIFEST: &str = include_str!("dns/manifest.yaml");

/// How long changes are gathered before the table is made anew.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes of questions that wait; the kernel grants as much of it as `net.core.rmem_max` says.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How many names an alias may lead through.
const MAX_ALIASES: usize = 8;

/// `localkube dns`: serve the names of the cluster.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where names are served.
    #[arg(long, default_value = "0.0.0.0:53")]
    listen: SocketAddr,
    /// The DNS server for all other names.
    #[arg(long, default_value = "203.0.113.53:53")]
    forward: SocketAddr,
    /// The port of `/health`.
    #[arg(long, default_value_t = 8080)]
    health_port: u16,
    /// The port of `/ready`.
    #[arg(long, default_value_t = 8181)]
    ready_port: u16,
    /// The port of `/metrics`.
    #[arg(long, default_value_t = 9153)]
    metrics_port: u16,
}

/// The names as of now, and what was asked.
struct Names {
    /// None until the cluster was listed once.
    zone: RwLock<Option<Arc<Zone>>>,
    forward: SocketAddr,
    questions: AtomicU64,
    forwarded: AtomicU64,
}

/// Serves until it is told to end. Run inside a pod: it needs the service account's token.
pub fn main(args: &Args) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let udp = UdpSocket::bind(args.listen).await.with_context(|| format!("listen on UDP {}", args.listen))?;
    // Room for a burst of questions while the machine lets others run; what is dropped costs its asker five seconds.
    socket2::SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER).context("widen the receive buffer")?;
    let tcp = TcpListener::bind(args.listen).await.with_context(|| format!("listen on TCP {}", args.listen))?;
    let config = kube::Config::incluster().context("find the API server: is this a pod with a service account?")?;
    let client = Client::try_from(config).context("prepare the API client")?;
    let names = Arc::new(Names {
        zone: RwLock::new(None),
        forward: args.forward,
        questions: AtomicU64::new(0),
        forwarded: AtomicU64::new(0),
    });
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = serve(udp, tcp, names.clone()) => done.context("serve names"),
        () = follow(client, &names) => anyhow::bail!("the watch of the API ended"),
        done = serve_pages(args, &names) => done.context("serve the health pages"),
        _ = ended.recv() => Ok(()),
    }
}

/// Keeps the table of names up to date.
async fn follow(client: Client, names: &Names) {
    let changed = Notify::new();
    let (services, service_writer) = reflector::store::<Service>();
    let (slices, slice_writer) = reflector::store::<EndpointSlice>();
    let watch_services = reflector(service_writer, watcher(Api::all(client.clone()), watcher::Config::default()))
        .default_backoff()
        .for_each(|event| note("services", event.map(|_| ()), &changed));
    let watch_slices = reflector(slice_writer, watcher(Api::all(client), watcher::Config::default()))
        .default_backoff()
        .for_each(|event| note("endpointslices", event.map(|_| ()), &changed));
    let rebuild = async {
        let listed = tokio::try_join!(services.wait_until_ready(), slices.wait_until_ready());
        if let Err(error) = listed {
            tracing::warn!(%error, "the first listing failed");
            return;
        }
        loop {
            let (services, slices) = (services.state(), slices.state());
            let zone = Zone::new(services.iter().map(|s| &**s), slices.iter().map(|s| &**s));
            *names.zone.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(zone));
            changed.notified().await;
            sleep(GATHER).await;
        }
    };
    tokio::select! {
        () = watch_services => {}
        () = watch_slices => {}
        () = rebuild => {}
    }
}

async fn note(what: &str, event: Result<(), watcher::Error>, changed: &Notify) {
    match event {
        Ok(()) => changed.notify_one(),
        Err(error) => tracing::warn!(%error, what, "watch interrupted"),
    }
}

impl Responder for Names {
    fn respond<'a>(&'a self, query: &'a Message) -> BoxFuture<'a, Message> {
        self.answer(query).boxed()
    }
}

impl Names {
    fn zone(&self) -> Option<Arc<Zone>> {
        self.zone.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn answer(&self, query: &Message) -> Message {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let Some(zone) = self.zone() else { return reply(query, ResponseCode::ServFail) };
        let Some(question) = query.queries.first() else { return reply(query, ResponseCode::FormErr) };
        let kind = question.query_type();
        let mut answer = reply(query, ResponseCode::NoError);
        answer.metadata.authoritative = true;
        let mut name = question.name().clone();
        for _ in 0..MAX_ALIASES {
            let code = match zone.find(&name, kind) {
                Found::Alias(target) => {
                    answer.add_answer(Record::from_rdata(name, TTL, RData::CNAME(CNAME(target.clone()))));
                    name = target;
                    continue;
                }
                Found::Records(records) => {
                    for target in records.iter().filter_map(srv_target) {
                        if let Found::Records(addresses) = zone.find(target, RecordType::A) {
                            answer.add_additionals(
                                addresses.into_iter().map(|a| Record::from_rdata(target.clone(), TTL, a)),
                            );
                        }
                    }
                    answer.add_answers(records.into_iter().map(|r| Record::from_rdata(name.clone(), TTL, r)));
                    return answer;
                }
                Found::Foreign => return self.hand_on(query, answer, name, kind).await,
                Found::NoData => ResponseCode::NoError,
                Found::NoName => ResponseCode::NXDomain,
            };
            answer.metadata.response_code = code;
            answer.add_authorities(soa().map(|(name, data)| Record::from_rdata(name, TTL, data)));
            return answer;
        }
        reply(query, ResponseCode::ServFail)
    }

    /// Asks the other server; behind an alias for the alias's target, whose records follow it in the answer.
    async fn hand_on(&self, query: &Message, mut begun: Message, name: Name, kind: RecordType) -> Message {
        self.forwarded.fetch_add(1, Ordering::Relaxed);
        let mut onward = Message::query();
        onward.metadata.recursion_desired = true;
        onward.add_query(Query::query(name.clone(), kind));
        let Ok(found) = ask(self.forward, &onward).await.inspect_err(|error| {
            tracing::warn!(%error, %name, server = %self.forward, "name not resolved");
        }) else {
            return reply(query, ResponseCode::ServFail);
        };
        begun.metadata.authoritative = false;
        begun.metadata.response_code = found.metadata.response_code;
        begun.add_answers(found.answers);
        begun.add_authorities(found.authorities);
        begun.add_additionals(found.additionals);
        begun
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        for (name, help, value) in [
            ("localkube_dns_questions_total", "Questions asked.", &self.questions),
            ("localkube_dns_forwarded_total", "Questions handed on to another server.", &self.forwarded),
        ] {
            let value = value.load(Ordering::Relaxed);
            // Writing to a String cannot fail.
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}").unwrap_or_default();
        }
        text
    }
}

fn srv_target(record: &RData) -> Option<&Name> {
    if let RData::SRV(srv) = record { Some(&srv.target) } else { None }
}

/// `/health`, `/ready` and `/metrics`, each at its port as CoreDNS has them.
async fn serve_pages(args: &Args, names: &Arc<Names>) -> anyhow::Result<()> {
    let (ready, counted) = (names.clone(), names.clone());
    tokio::try_join!(
        page(args.health_port, || Some("OK".to_owned())),
        page(args.ready_port, move || ready.zone().map(|_| "OK".to_owned())),
        page(args.metrics_port, move || Some(counted.metrics())),
    )?;
    Ok(())
}

/// Answers every request at `port` with what `content` says; with 503 for None.
async fn page(port: u16, content: impl Fn() -> Option<String> + Send + Sync + 'static) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.with_context(|| format!("listen on TCP port {port}"))?;
    let handler = move |_, _| {
        let answer = match content() {
            Some(body) => httpd::text(StatusCode::OK, body),
            None => httpd::text(StatusCode::SERVICE_UNAVAILABLE, "the cluster's names are not listed yet"),
        };
        std::future::ready(answer).boxed()
    };
    httpd::serve(listener, None, Arc::new(handler)).await;
    Ok(())
}

#[cfg(test)]
mod tests;
