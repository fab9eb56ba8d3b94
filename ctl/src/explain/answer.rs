//! What becomes of a request: every decision on its way, and what made it.

use std::net::{IpAddr, SocketAddr};

use mesh_proto::type_url;
use mesh_snapshot::{
    Action, Connection, Deciders, FilterChain, Handler, Head, HttpManager, Listener, Provenance, Reason, Refusal,
    Route, Routed, TcpForward, Transport,
};
use serde::Serialize;

use super::{
    request::{BadRequest, Carrier, Parts, Request},
    targets::Target,
    way::Way,
    world::World,
};

/// The chains of connections to the ports at which they are captured.
const OWN_PORTS: &[&str] = &["virtualOutbound-blackhole", "virtualInbound-blackhole"];
/// The virtual host of hosts that nobody may call, and the cluster that stands for it.
const BLOCK_ALL: &str = "block_all";
const BLACK_HOLE: &str = "BlackHoleCluster";

/// An answer, for people ([`std::fmt::Display`]) and for programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `POD.NAMESPACE`
    pub proxy: String,
    /// What was asked.
    pub request: String,
    /// The address that is dialled.
    pub destination: String,
    /// Why that one.
    pub resolved: String,
    /// Which listener takes the connection.
    pub listener: Option<Made>,
    /// Which of its filter chains.
    pub filter_chain: Option<Chain>,
    /// Which routes, by name.
    pub route_table: Option<String>,
    /// Which virtual host of them.
    pub virtual_host: Option<Made>,
    /// Routes that stand before the one that is taken.
    pub passed: Vec<Passed>,
    /// The route.
    pub route: Option<Made>,
    /// Where it leads; several where weights divide requests.
    pub clusters: Vec<Target>,
    /// What else happens to the request.
    pub applies: Vec<String>,
    /// The status and flag that come back where no server is asked, such as `503 NC`.
    pub code: Option<String>,
    /// Why it is refused, or leaves the mesh, by the code of `docs/reasons.md`, as the proxy's log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What comes of it, in a sentence.
    pub outcome: String,
    /// What to try next.
    pub next: Vec<String>,
    /// What the proxy lacks of all this.
    pub behind: Vec<String>,
    /// What else is good to know.
    pub notes: Vec<String>,
}

/// Something, and who made it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// `KIND NAMESPACE/NAME`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The field in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// A filter chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// Its name, where it has one, and its object.
    #[serde(flatten)]
    pub made: Made,
    /// What it asks of a connection; empty where it takes any.
    pub asks: String,
    /// Whether TLS ends there.
    pub ends_tls: bool,
    /// Whether it reads HTTP.
    pub reads_http: bool,
}

/// A route that is not the request's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// The route.
    pub route: Made,
    /// Everything that keeps the request from it.
    pub because: Vec<String>,
}

impl Made {
    pub(super) fn by(name: &str, provenance: &Provenance) -> Self {
        let object = provenance.object.as_deref().map(|object| object.replacen('/', " ", 1));
        Self { name: name.to_owned(), object, field: provenance.field.as_deref().map(str::to_owned) }
    }
}

/// Where only a share of the requests takes a route, this one does.
const LUCKY: u64 = 0;

impl World {
    /// Follows a request through the proxy.
    ///
    /// # Errors
    /// The request is none.
    pub fn explain(&self, request: &Request) -> Result<Explanation, BadRequest> {
        let parts = request.parts()?;
        let way = self.way(&parts);
        let mut told = Explanation {
            proxy: self.proxy.name.clone(),
            request: format!("{} {}", parts.method, request.url),
            destination: way.destination.to_string(),
            resolved: way.how.clone(),
            notes: way.note.iter().cloned().collect(),
            ..Explanation::default()
        };
        if way.destination.ip().is_loopback() {
            told.outcome = "calls of the pod's own loopback do not pass through its proxy".to_owned();
            return Ok(told);
        }
        let mut involved = Involved::new();
        self.connect(&parts, &way, &mut told, &mut involved);
        involved.dedup();
        let names: Vec<(&'static str, &str)> = involved.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
        told.behind = self.behind(&names);
        self.note_issues(&mut told);
        Ok(told)
    }

    fn connect(&self, parts: &Parts, way: &Way<'_>, told: &mut Explanation, involved: &mut Involved) {
        let destination = way.destination;
        let Some(bound) = way.bound else {
            let outcome = format!("no connection: this proxy does not listen on port {}", destination.port());
            told.fails("no connection", outcome);
            told.next.push("add a Gateway server with that port, and a selector that chooses this pod".to_owned());
            told.next.push(self.command("proxy-config listener {}"));
            return;
        };
        involved.push((type_url::LISTENER, bound.name.to_string()));
        let listener = self.snapshot.listener_for(bound, destination);
        involved.push((type_url::LISTENER, listener.name.to_string()));
        told.listener = Some(Made::by(&listener.name, &listener.provenance));
        self.note_missing_listener(listener, destination, told);
        let protocols: Vec<Box<str>> = match parts.carrier {
            Carrier::Http(version) => vec![version.into()],
            Carrier::Tls => vec!["h2".into(), "http/1.1".into()],
            Carrier::Bytes => Vec::new(),
        };
        let name = parts.host.to_ascii_lowercase();
        let is_tls = parts.carrier == Carrier::Tls;
        let connection = Connection {
            destination,
            source: SocketAddr::new(way.source, 0),
            transport: if is_tls { Transport::Tls } else { Transport::Raw },
            server_name: (is_tls && name.parse::<IpAddr>().is_err()).then_some(&name),
            protocols: &protocols,
        };
        let Some(chain) = listener.chain(&connection.inspected(listener.inspection(destination.port()))) else {
            let deciders = Deciders { listener: Some(&listener.provenance), ..Deciders::default() };
            told.refuses("closed NR", Reason::NoFilterChain, &parts.called(destination), &deciders);
            told.next.push(self.command(&format!("proxy-config listener {{}} --port {}", destination.port())));
            return;
        };
        told.filter_chain = Some(Chain::of(chain));
        match &chain.handler {
            Handler::Tcp(forward) => {
                let host = parts.called(destination);
                self.pass_bytes(listener, chain, forward, Going { host: &host, destination }, told, involved);
            }
            Handler::Http(manager) => self.route(listener, manager, parts, destination, told, involved),
        }
    }

    /// A listener that our proxy refused would have taken the connection.
    fn note_missing_listener(&self, listener: &Listener, destination: SocketAddr, told: &mut Explanation) {
        let names = [format!("{destination}").replace(':', "_"), format!("0.0.0.0_{}", destination.port())];
        let refused = names.iter().filter(|name| ***name != *listener.name).find_map(|name| self.refused.get(name));
        told.notes.extend(refused.map(|why| format!("our proxy does not take the {why}")));
    }

    fn pass_bytes(
        &self,
        listener: &Listener,
        chain: &FilterChain,
        forward: &TcpForward,
        going: Going<'_>,
        told: &mut Explanation,
        involved: &mut Involved,
    ) {
        told.route = chain.provenance.field.is_some().then(|| Made::by("", &chain.provenance));
        let total: u64 = forward.targets().iter().map(|(_, weight)| weight).sum();
        for (cluster, weight) in forward.targets() {
            told.clusters.push(self.target(cluster, *weight, total, going.destination, involved));
        }
        let deciders =
            Deciders { listener: Some(&listener.provenance), route: Some(&chain.provenance), ..Deciders::default() };
        if OWN_PORTS.contains(&&*chain.name) {
            return told.refuses("closed UH", Reason::OwnPort, going.host, &deciders);
        }
        self.conclude(told, "closed", going, &deciders);
    }

    fn route(
        &self,
        listener: &Listener,
        manager: &HttpManager,
        parts: &Parts,
        destination: SocketAddr,
        told: &mut Explanation,
        involved: &mut Involved,
    ) {
        let Some(table) = self.snapshot.routes(manager) else {
            told.refuses("404 NR", Reason::NoHost, &parts.authority, &Deciders::default());
            told.notes.push("the routes of this listener have not come".to_owned());
            return;
        };
        involved.push((type_url::ROUTE, table.name.to_string()));
        told.route_table = Some(table.name.to_string());
        let Some(path) = manager.path_form.apply(&parts.path) else {
            told.refuses("400", Reason::BadRequest, &parts.authority, &Deciders::default());
            told.notes.push("the path leads out of its root".to_owned());
            return;
        };
        if path != parts.path {
            told.applies.push(format!("the path is read as {path}"));
        }
        let head = Head {
            method: &parts.method,
            scheme: if parts.carrier == Carrier::Tls { "https" } else { "http" },
            authority: &parts.authority,
            path: &path,
            query: parts.query.as_deref(),
            headers: &parts.headers,
        };
        let search = table.search(&head, LUCKY);
        told.virtual_host = search.virtual_host.map(|host| Made::by(&host.name, &host.provenance));
        let passed = search.passed.into_iter().map(|(route, because)| Passed { route: of_route(route), because });
        told.passed = passed.collect();
        let Some(routed) = search.routed else {
            let host = search.virtual_host;
            let deciders = Deciders {
                listener: Some(&listener.provenance),
                virtual_host: host.map(|host| &host.provenance),
                ..Deciders::default()
            };
            told.refuses("404 NR", Reason::of_unrouted(host), head.authority, &deciders);
            told.next.push(self.command(&format!("proxy-config route {{}} --name {}", table.name)));
            return;
        };
        told.route = Some(of_route(routed.route));
        self.act(&routed, &head, destination, told, involved);
    }

    fn act(
        &self,
        routed: &Routed<'_>,
        head: &Head<'_>,
        destination: SocketAddr,
        told: &mut Explanation,
        involved: &mut Involved,
    ) {
        told.applies.extend(super::targets::applies(routed, head));
        match &routed.route.action {
            Action::Redirect(to) => {
                let (status, location) = (to.status.as_u16(), to.location(head, routed.matched(head)));
                told.fails(&status.to_string(), format!("{status}, location: {location}"));
            }
            Action::Direct(response) if &*routed.virtual_host.name == BLOCK_ALL => {
                let hole = self.snapshot.cluster(BLACK_HOLE).map(|cluster| &cluster.config.provenance);
                let deciders = Deciders { cluster: hole, ..routed.deciders() };
                told.refuses(&response.status.as_u16().to_string(), Reason::BlackHole, head.authority, &deciders);
                self.note_scope(head.authority, destination, told);
            }
            Action::Direct(response) => {
                let (status, body) = (response.status.as_u16(), String::from_utf8_lossy(&response.body));
                told.fails(&status.to_string(), format!("{status} {body}").trim_end().to_owned());
            }
            Action::Forward(forward) => {
                let total: u64 = forward.targets().iter().map(mesh_snapshot::Target::weight).sum();
                for target in forward.targets() {
                    told.clusters.push(self.target(&target.cluster, target.weight(), total, destination, involved));
                }
                let going = Going { host: head.authority, destination };
                self.conclude(told, "503", going, &routed.deciders());
                self.inject(routed, head, told);
            }
        }
    }

    /// A fault that every request meets is what comes of it.
    fn inject(&self, routed: &Routed<'_>, head: &Head<'_>, told: &mut Explanation) {
        let cluster = told.clusters.first().map_or("", |target| &target.cluster.name);
        let Some(fault) = routed.fault().filter(|fault| fault.concerns(head, cluster)) else { return };
        let always = |share: mesh_snapshot::Fraction| share.percent() >= 100.0;
        if let Some((abort, _)) = fault.any_abort().filter(|(_, share)| always(*share)) {
            let code = match abort {
                mesh_snapshot::Abort::Http(status) => format!("{} FI", status.as_u16()),
                mesh_snapshot::Abort::Grpc(_) => "200 FI".to_owned(),
            };
            told.refuses(&code, Reason::FaultAbort, head.authority, &routed.deciders());
        } else if told.reason.is_none() && fault.any_delay().is_some_and(|(_, share)| always(share)) {
            told.goes_on(Reason::FaultDelay, head.authority, &routed.deciders());
        }
    }

    /// A command about this proxy; `{}` stands for it.
    pub(super) fn command(&self, rest: &str) -> String {
        format!("lateenctl {}", rest.replace("{}", &self.proxy.name))
    }

    /// What pilot finds wrong with the objects that decided.
    fn note_issues(&self, told: &mut Explanation) {
        let route = told.route.iter().chain(told.passed.iter().map(|p| &p.route)).chain(&told.virtual_host);
        let objects: Vec<&str> = route.filter_map(|made| made.object.as_deref()).collect();
        let known = |issue: &mesh_model::issue::Issue| {
            objects.contains(&issue.object.to_string().replacen('/', " ", 1).as_str())
        };
        let issues = self.push.issues().into_iter().filter(known).map(|issue| issue.to_string());
        told.notes.extend(issues);
    }
}

fn refusal(reason: Reason, host: &str, deciders: &Deciders<'_>) -> Refusal {
    Refusal { reason, host: host.into(), decided: reason.decided_by(deciders), explain: None }
}

/// What is called, and where that leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Going<'a> {
    /// As the proxy's log has it.
    pub(super) host: &'a str,
    pub(super) destination: SocketAddr,
}

/// Resources that had a say.
pub(super) type Involved = Vec<(&'static str, String)>;

impl Explanation {
    /// It ends here, in the words of the proxy's log.
    pub(super) fn refuses(&mut self, code: &str, reason: Reason, host: &str, deciders: &Deciders<'_>) {
        let refusal = refusal(reason, host, deciders);
        self.reason = Some(reason.code());
        self.next.push(reason.way_out().to_owned());
        self.fails(code, format!("{code}, {refusal}"));
    }

    /// It goes on, but not as usual.
    pub(super) fn goes_on(&mut self, reason: Reason, host: &str, deciders: &Deciders<'_>) {
        self.reason = Some(reason.code());
        self.next.push(reason.way_out().to_owned());
        self.outcome = format!("{}; {}", self.outcome, refusal(reason, host, deciders));
    }

    pub(super) fn fails(&mut self, code: &str, outcome: String) {
        self.code = Some(code.to_owned());
        self.outcome = outcome;
    }
}

impl Chain {
    fn of(chain: &FilterChain) -> Self {
        let reads_http = matches!(chain.handler, Handler::Http(_));
        let (made, ends_tls) = (Made::by(&chain.name, &chain.provenance), chain.tls.is_some());
        Self { made, asks: chain.asks(), ends_tls, reads_http }
    }
}

fn of_route(route: &Route) -> Made {
    Made::by(&route.name, &route.provenance)
}
