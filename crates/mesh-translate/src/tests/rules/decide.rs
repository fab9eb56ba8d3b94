//! A proxy of ours, asked what it would do.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mesh_model::registry::Health;
use mesh_proto::Any;
use mesh_snapshot::{
    Abort, Action, Cluster, Connection, Discovery, Fact, Facts, FilterChain, Forward, Handler, Head, HttpManager, Kind,
    PickContext, Policy, Provenance, RewrittenHost, Routed, Snapshot, Store, TcpForward, Tick, Transport,
    UpstreamProtocol,
};
use mesh_types::NodeKind;

use super::{super::fixture::Mesh, Call};
use crate::{Built, ProxyView};

/// Every fact that a case may name.
pub(super) const FACTS: [&str; 29] = [
    "listener",
    // Which first bytes are waited for before a chain is chosen.
    "waits",
    // The chain's name, or what it asks of a connection.
    "chain",
    // Where TLS ends: `ready`, or what it waits for.
    "handshake",
    // Virtual host, object and field that made the route, its name as logs have it.
    "host",
    "rule",
    "name",
    // `CLUSTER`, or `CLUSTER*WEIGHT + CLUSTER*WEIGHT`.
    "cluster",
    // What comes back where no server is asked: `404 NR`, `503 NC`, `503 UH`, `closed`, `refused`, `301 LOCATION`, `STATUS BODY`.
    "answer",
    // What the server gets in place of what was sent.
    "path",
    "authority",
    "request",
    // What becomes of a response with `x-up: 1`.
    "response",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "cors",
    "hash",
    "log",
    // Of the cluster, where there is one.
    "endpoints",
    "policy",
    "protocol",
    "tls",
    "limits",
    "connect",
    "ejects",
    "object",
    "why",
];

/// Where a caller was going, and which host it asks for.
#[derive(Clone, Copy)]
struct Going<'a> {
    destination: SocketAddr,
    asked: Option<&'a str>,
}

type Decided = BTreeMap<&'static str, String>;

pub(super) struct Proxy {
    view: ProxyView,
    snapshot: Snapshot,
    pub(super) refused: Vec<String>,
}

struct Nothing;

impl Facts for Nothing {
    fn write(&self, _: &Fact, _: &mut String) -> bool {
        false
    }
}

fn short(name: &str) -> String {
    name.replace(".svc.cluster.local", "")
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

fn made_by(provenance: &Provenance) -> Option<String> {
    let object = provenance.object.as_deref()?;
    Some(match provenance.field.as_deref() {
        Some(field) => format!("{object} {field}"),
        None => object.to_owned(),
    })
}

impl Proxy {
    /// The proxy of a pod, after it was sent everything that it asks for.
    pub(super) fn of(mesh: &Mesh, pod: &str) -> Self {
        let view = mesh.view(pod);
        let mut store = Store::default();
        let mut refused = put(&mut store, &crate::clusters(&view, &mesh.push));
        refused.extend(put(&mut store, &crate::listeners(&view, &mesh.push)));
        let wanted = store.wanted();
        refused.extend(put(&mut store, &crate::endpoints(&view, &mesh.push, &wanted.endpoints)));
        refused.extend(put(&mut store, &crate::routes(&view, &mesh.push, &wanted.routes)));
        refused.extend(put(&mut store, &crate::secrets(&view, &mesh.push, &wanted.secrets)));
        for (name, ..) in wanted.names {
            store.resolve(&name, vec![[198, 51, 100, 1].into(), [198, 51, 100, 2].into()]);
        }
        Self { snapshot: store.build(&Snapshot::default()), view, refused }
    }

    /// What becomes of a call.
    pub(super) fn decide(&self, mesh: &Mesh, call: &Call) -> Decided {
        let (verb, target) = call.call.split_once(' ').unwrap();
        let (scheme, rest) = target.split_once("://").unwrap_or((verb, target));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority
            .rsplit_once(':')
            .map_or((authority, if scheme == "https" { 443 } else { 80 }), |(h, p)| (h, p.parse().unwrap()));
        let pod = call.into.as_deref().unwrap_or(&call.from);
        let own = mesh.push.workload(pod).unwrap().addresses[0];
        let ip = if call.into.is_some() { own } else { address(mesh, pod, host) };
        let is_gateway = self.view.kind == NodeKind::Router;
        let opened = if is_gateway { self.view.pod_ports(port)[0] } else { port };
        let destination = call.at.unwrap_or(SocketAddr::new(ip, opened));
        let protocols: Vec<Box<str>> = match scheme {
            "http" => vec!["http/1.1".into()],
            "http10" => vec!["http/1.0".into()],
            "h2c" => vec!["h2c".into()],
            "TLS" | "https" => vec!["h2".into(), "http/1.1".into()],
            _ => Vec::new(),
        };
        let tls = matches!(scheme, "TLS" | "https");
        let connection = Connection {
            destination,
            source: SocketAddr::new(if call.into.is_some() { [10, 9, 9, 9].into() } else { own }, 40_000),
            transport: if tls { Transport::Tls } else { Transport::Raw },
            server_name: tls.then_some(host),
            protocols: &protocols,
        };
        let bound = match (is_gateway, &call.into) {
            (true, _) => format!("0.0.0.0_{}", destination.port()),
            (false, Some(_)) => "virtualInbound".to_owned(),
            (false, None) => "virtualOutbound".to_owned(),
        };
        let Some(bound) = self.snapshot.listener(call.on.as_ref().unwrap_or(&bound)) else {
            return Decided::from([("answer", "refused".to_owned())]);
        };
        assert!(bound.binds, "{} has no socket", bound.name);
        let listener = self.snapshot.listener_for(bound, destination);
        let inspection = listener.inspection(destination.port());
        let waits = match (inspection.tls, inspection.http) {
            (false, false) => "no",
            (true, false) => "for TLS",
            (false, true) => "for HTTP",
            (true, true) => "for TLS or HTTP",
        };
        let mut decided = Decided::from([("listener", listener.name.to_string()), ("waits", waits.to_owned())]);
        let Some(chain) = listener.chain(&connection.inspected(inspection)) else {
            decided.insert("answer", "closed".to_owned());
            return decided;
        };
        decided.insert("chain", name_of(chain));
        if let Some(ends) = &chain.tls {
            decided.insert("handshake", ends.config().map_or_else(ToString::to_string, |_| "ready".to_owned()));
        }
        // Whoever opens TLS where none ends, or does not where one waits for it, is not understood.
        if tls != chain.tls.is_some() && (!tls || matches!(chain.handler, Handler::Http(_))) {
            decided.insert("answer", "closed".to_owned());
            return decided;
        }
        let logs = match &chain.handler {
            Handler::Tcp(forward) => &forward.access_log,
            Handler::Http(manager) => &manager.access_log,
        };
        decided.extend(logs.first().map(|log| ("log", log.path.to_string())));
        match &chain.handler {
            Handler::Tcp(forward) => {
                self.bytes(chain, forward, Going { destination, asked: connection.server_name }, &mut decided);
            }
            Handler::Http(manager) => {
                let authority = call.headers.get("host").map_or(authority, String::as_str);
                let method: Method = verb.parse().unwrap();
                let headers = headers(&call.headers);
                let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
                let path = manager.path_form.apply(path).unwrap();
                let scheme = if chain.tls.is_some() { "https" } else { "http" };
                let head = Head { method: &method, scheme, authority, path: &path, query, headers: &headers };
                self.request(manager, &head, destination, &mut decided);
            }
        }
        decided
    }

    fn bytes(&self, chain: &FilterChain, forward: &TcpForward, going: Going<'_>, decided: &mut Decided) {
        let targets = forward.targets();
        let names = targets.iter().map(|(name, weight)| (name.as_ref(), *weight));
        decided.insert("cluster", weighted(names));
        decided.extend(made_by(&chain.provenance).map(|by| ("rule", by)));
        decided.extend(forward.hash([10, 0, 0, 1].into()).map(|_| ("hash", "yes".to_owned())));
        let Some(cluster) = self.snapshot.cluster(&targets[0].0) else {
            decided.insert("answer", "closed".to_owned());
            return;
        };
        if self.about(cluster, going, None, decided).is_none() {
            decided.insert("answer", "closed".to_owned());
        }
    }

    fn request(&self, manager: &HttpManager, head: &Head<'_>, destination: SocketAddr, decided: &mut Decided) {
        let table = self.snapshot.routes(manager).expect("routes that nobody sent");
        let search = table.search(head, 0);
        let routed = table.route(head, 0);
        assert_eq!(search.routed.map(|r| std::ptr::from_ref(r.route)), routed.map(|r| std::ptr::from_ref(r.route)));
        decided.extend(search.virtual_host.map(|host| ("host", short(&host.name))));
        let Some(routed) = routed else {
            decided.insert("answer", "404 NR".to_owned());
            return;
        };
        decided.extend(made_by(&routed.route.provenance).map(|by| ("rule", by)));
        decided.insert("name", routed.route.name.to_string());
        if let Some(fault) = routed.fault() {
            let delay = fault.any_delay().map(|(time, share)| format!("delay {} {}%", seconds(time), share.percent()));
            let abort = fault.any_abort().map(|(abort, share)| match abort {
                Abort::Http(status) => format!("abort {} {}%", status.as_u16(), share.percent()),
                Abort::Grpc(status) => format!("abort grpc {status} {}%", share.percent()),
            });
            decided.insert("fault", delay.into_iter().chain(abort).collect::<Vec<_>>().join(", "));
        }
        if let Some(cors) = routed.cors() {
            decided.insert("cors", format!("{:?}", cors.check(head, 0)).split(['(', ' ']).next().unwrap().to_owned());
        }
        let matched = routed.matched(head);
        match &routed.route.action {
            Action::Redirect(to) => {
                decided.insert("answer", format!("{} {}", to.status.as_u16(), to.location(head, matched)));
            }
            Action::Direct(answer) => {
                let text = format!("{} {}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body));
                decided.insert("answer", text.trim_end().to_owned());
            }
            Action::Forward(forward) => {
                self.forward(&routed, forward, head, destination, decided);
            }
        }
        changes(&routed, head, decided);
    }

    fn forward(
        &self,
        routed: &Routed<'_>,
        forward: &Forward,
        head: &Head<'_>,
        destination: SocketAddr,
        decided: &mut Decided,
    ) {
        let targets = forward.targets();
        decided.insert("cluster", weighted(targets.iter().map(|t| (t.cluster.as_ref(), t.weight()))));
        decided.insert("timeout", forward.timeout.map_or_else(|| "none".to_owned(), seconds));
        if let Some(retry) = &forward.retry {
            let per_try = retry.per_try_timeout.map(|t| format!(" per try {}", seconds(t))).unwrap_or_default();
            let same_host = if retry.other_host_attempts == 0 { " any host" } else { "" };
            decided.insert("retries", format!("{} {}{per_try}{same_host}", retry.retries, retry.conditions()));
        }
        decided.extend(forward.rewritten_path(head, routed.matched(head)).map(|path| ("path", path)));
        let hosts = targets.iter().filter_map(|target| match forward.rewritten_host(target, head) {
            RewrittenHost::Same => None,
            RewrittenHost::To(host) => Some(host.to_owned()),
            RewrittenHost::Upstream => Some("of the endpoint".to_owned()),
        });
        decided.extend(hosts.last().map(|host| ("authority", host)));
        if !forward.mirrors.is_empty() {
            let one = |m: &mesh_snapshot::Mirror| format!("{} {}%", short(&m.cluster), m.share.percent());
            decided.insert("mirror", forward.mirrors.iter().map(one).collect::<Vec<_>>().join(", "));
        }
        let input = mesh_snapshot::HashInput { head, source: [10, 0, 0, 1].into(), random: 7 };
        if !forward.affinity.is_empty() {
            let affinity = mesh_snapshot::Affinity::of(&forward.affinity, &input);
            let words = [affinity.hash.map(|_| "yes"), affinity.cookie.as_ref().map(|_| "with a new cookie")];
            let words: Vec<&str> = words.into_iter().flatten().collect();
            decided.insert("hash", if words.is_empty() { "nothing to hash".to_owned() } else { words.join(" ") });
        }
        for target in targets {
            let Some(cluster) = self.snapshot.cluster(&target.cluster) else {
                decided.insert("answer", format!("{} NC", forward.not_found.as_u16()));
                continue;
            };
            let going = Going { destination, asked: Some(head.authority) };
            if self.about(cluster, going, None, decided).is_none() {
                decided.insert("answer", "503 UH".to_owned());
            }
        }
    }

    /// Facts of a cluster, and where it sends.
    fn about(
        &self,
        cluster: &Arc<Cluster>,
        Going { destination, asked }: Going<'_>,
        hash: Option<u64>,
        decided: &mut Decided,
    ) -> Option<SocketAddr> {
        let config = &cluster.config;
        let context = PickContext {
            now: Tick::after(Duration::from_secs(1)),
            random: 0,
            hash,
            original_destination: Some(destination),
            tried: &[],
            avoid: 0,
        };
        let picked = cluster.pick(&context).map(|host| host.address);
        let mut levels: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (priority, host) in cluster.hosts() {
            let weight = if host.weight == 1 { String::new() } else { format!("*{}", host.weight) };
            levels.entry(priority).or_default().push(format!("{}{weight}", host.address));
        }
        let sent: Vec<String> = levels.into_values().map(|hosts| hosts.join(" ")).collect();
        let original = config.discovery == Discovery::OriginalDestination;
        let original = picked.filter(|_| original).map(|address| format!("dialled {address}"));
        decided.insert("endpoints", original.unwrap_or_else(|| sent.join(" then ")));
        if let Discovery::Dynamic(dynamic) = &config.discovery {
            let name = asked.and_then(|asked| dynamic.name(asked));
            let name = name.map_or("nobody".to_owned(), |name| format!("{name}:{}", dynamic.port));
            decided.insert("endpoints", format!("{name} as asked for"));
        }
        decided.insert(
            "policy",
            match config.policy {
                Policy::RoundRobin => "round robin".to_owned(),
                Policy::LeastRequest { .. } => "least request".to_owned(),
                Policy::Random => "random".to_owned(),
                Policy::RingHash { min, .. } => format!("ring {min}"),
                Policy::Maglev { size } => format!("maglev {size}"),
                Policy::Provided { .. } => "as dialled".to_owned(),
            },
        );
        let protocol = match config.http.protocol {
            UpstreamProtocol::Http1 => "http1",
            UpstreamProtocol::Http2 => "http2",
            UpstreamProtocol::Downstream => "as the client",
        };
        decided.insert("protocol", protocol.to_owned());
        decided.insert("tls", cluster.tls.as_ref().map_or_else(|| "no".to_owned(), ToString::to_string));
        let limits = [
            ("connections", config.limits.connections),
            ("pending", config.limits.pending),
            ("requests", config.limits.requests),
            ("retries", config.limits.retries),
        ];
        let limits = limits.iter().filter(|(_, n)| *n != u32::MAX).map(|(word, n)| format!("{word} {n}"));
        decided.insert("limits", limits.collect::<Vec<_>>().join(", "));
        decided.insert("connect", seconds(config.connect_timeout));
        decided.insert("ejects", if config.outlier.is_some() { "yes" } else { "no" }.to_owned());
        decided.extend(made_by(&config.provenance).map(|by| ("object", by)));
        decided.extend(config.refused.as_ref().map(|why| ("why", why.to_string())));
        picked
    }
}

fn put(store: &mut Store, built: &[Built]) -> Vec<String> {
    let refused = built.iter().filter_map(|b| {
        let any = Any { type_url: b.type_url.to_owned(), value: b.value.clone() };
        store.put(Kind::of_type_url(b.type_url).unwrap(), &b.name, &any).err().map(|refused| refused.line())
    });
    refused.collect()
}

/// What a name is in the DNS of a pod; an address that nobody has, for names of other worlds.
fn address(mesh: &Mesh, pod: &str, host: &str) -> IpAddr {
    if let Ok(ip) = host.parse() {
        return ip;
    }
    let namespace = pod.split('/').next().unwrap();
    let names = [
        format!("{host}.{namespace}.svc.cluster.local"),
        format!("{host}.svc.cluster.local"),
        format!("{host}.cluster.local"),
        host.to_owned(),
    ];
    // The proxy of a pod that captures DNS answers itself.
    let table = if mesh.view(pod).captures_dns { mesh.names(pod) } else { Default::default() };
    let told = names.iter().find_map(|name| table.table.get(name)?.ips.first()?.parse().ok());
    if let Some(ip) = told {
        return ip;
    }
    let known = |name: &String| mesh.push.services().iter().find(|s| s.host.as_str() == name);
    let service = names.iter().find_map(known);
    let vip = service.and_then(|s| s.addresses.first()).map(ipnet::IpNet::addr);
    let pod = service.filter(|s| s.is_headless()).and_then(|s| {
        let endpoints = mesh.push.endpoints(s, s.ports.first()?);
        endpoints.iter().find(|e| e.health == Health::Ready)?.address.ip()
    });
    vip.or(pod).unwrap_or(Ipv4Addr::new(203, 0, 113, 9).into())
}

fn name_of(chain: &FilterChain) -> String {
    if chain.name.is_empty() { chain.asks() } else { chain.name.to_string() }
}

fn weighted<'a>(targets: impl ExactSizeIterator<Item = (&'a str, u64)>) -> String {
    let single = targets.len() == 1;
    let one = |(name, weight): (&str, u64)| if single { short(name) } else { format!("{}*{weight}", short(name)) };
    targets.map(one).collect::<Vec<_>>().join(" + ")
}

fn headers(of: &BTreeMap<String, String>) -> HeaderMap {
    let pair = |(name, value): (&String, &String)| -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), value.parse().unwrap())
    };
    of.iter().filter(|(name, _)| *name != "host").map(pair).collect()
}

/// What becomes of headers, for each of several targets.
fn changes(routed: &Routed<'_>, head: &Head<'_>, decided: &mut Decided) {
    let targets: Vec<Option<&mesh_snapshot::Target>> = match &routed.route.action {
        Action::Forward(forward) => forward.targets().iter().map(Some).collect(),
        _ => vec![None],
    };
    let up = headers(&BTreeMap::from([("x-up".to_owned(), "1".to_owned())]));
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    for target in targets {
        let (mut request, mut response) = (head.headers.clone(), up.clone());
        for changes in routed.changes(target) {
            changes.request.apply(&mut request, &Nothing);
            changes.response.apply(&mut response, &Nothing);
        }
        requests.extend(difference(head.headers, &request));
        responses.extend(difference(&up, &response));
    }
    for (fact, lines) in [("request", requests), ("response", responses)] {
        if !lines.is_empty() {
            decided.insert(fact, lines.join(" or "));
        }
    }
}

fn difference(before: &HeaderMap, after: &HeaderMap) -> Option<String> {
    let values = |of: &HeaderMap, name: &HeaderName| {
        of.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    let mut lines: Vec<String> = after
        .keys()
        .filter(|name| values(before, name) != values(after, name))
        .map(|name| format!("{name}={}", values(after, name)))
        .collect();
    lines.extend(before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("-{name}")));
    lines.sort();
    (!lines.is_empty()).then(|| lines.join(" "))
}
