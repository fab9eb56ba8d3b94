//! What becomes of a request: every decision on its way, and what made it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mesh_proto::type_url;
use mesh_snapshot::{
    Action, Connection, FilterChain, Handler, Head, HttpManager, Listener, Provenance, Route, Routed, TcpForward,
    Transport,
};
use serde::Serialize;

use super::{
    request::{BadRequest, Carrier, Parts, Request},
    targets::Target,
    world::World,
};

/// The listener that takes redirected connections.
const BOUND: &str = "virtualOutbound";
/// Where names lead that nobody knows: an address of no network.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

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
        let resolved = self.resolve(&parts.host);
        let destination = SocketAddr::new(resolved.ip.unwrap_or(NOWHERE), parts.port);
        let mut told = Explanation {
            proxy: self.proxy.name.clone(),
            request: format!("{} {}", parts.method, request.url),
            destination: destination.to_string(),
            resolved: resolved.how,
            ..Explanation::default()
        };
        if !resolved.known {
            told.notes.push(format!(
                "`{}` is resolved by whoever runs its DNS; only its port and name are known here",
                parts.host
            ));
        }
        if destination.ip().is_loopback() {
            told.outcome = "calls of the pod's own loopback do not pass through its proxy".to_owned();
            return Ok(told);
        }
        let mut involved = vec![(type_url::LISTENER, BOUND.to_owned())];
        self.connect(&parts, destination, &mut told, &mut involved);
        involved.dedup();
        let names: Vec<(&'static str, &str)> = involved.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
        told.behind = self.behind(&names);
        self.note_issues(&mut told);
        Ok(told)
    }

    fn connect(&self, parts: &Parts, destination: SocketAddr, told: &mut Explanation, involved: &mut Involved) {
        let Some(bound) = self.snapshot.listener(BOUND) else {
            told.fails("no connection", "this proxy has no listener for outbound calls; it is no sidecar".to_owned());
            return;
        };
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
        let own = self.view.addresses.first().copied().unwrap_or(NOWHERE);
        let connection = Connection {
            destination,
            source: SocketAddr::new(own, 0),
            transport: if is_tls { Transport::Tls } else { Transport::Raw },
            server_name: (is_tls && name.parse::<IpAddr>().is_err()).then_some(&name),
            protocols: &protocols,
        };
        let Some(chain) = listener.chain(&connection.inspected(listener.inspection(destination.port()))) else {
            told.fails("closed NR", format!("no filter chain of {} takes the connection: it is closed", listener.name));
            told.next.push(self.command(&format!("proxy-config listener {{}} --port {}", destination.port())));
            return;
        };
        told.filter_chain = Some(Chain::of(chain));
        match &chain.handler {
            Handler::Tcp(forward) => self.pass_bytes(chain, forward, destination, told, involved),
            Handler::Http(manager) => self.route(manager, parts, destination, told, involved),
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
        chain: &FilterChain,
        forward: &TcpForward,
        destination: SocketAddr,
        told: &mut Explanation,
        involved: &mut Involved,
    ) {
        told.route = chain.provenance.field.is_some().then(|| Made::by("", &chain.provenance));
        let total: u64 = forward.targets().iter().map(|(_, weight)| weight).sum();
        for (cluster, weight) in forward.targets() {
            told.clusters.push(self.target(cluster, *weight, total, destination, involved));
        }
        self.conclude(told, false);
    }

    fn route(
        &self,
        manager: &HttpManager,
        parts: &Parts,
        destination: SocketAddr,
        told: &mut Explanation,
        involved: &mut Involved,
    ) {
        let Some(table) = self.snapshot.routes(manager) else {
            told.fails("404 NR", "the routes of this listener have not come".to_owned());
            return;
        };
        involved.push((type_url::ROUTE, table.name.to_string()));
        told.route_table = Some(table.name.to_string());
        let Some(path) = manager.path_form.apply(&parts.path) else {
            told.fails("400", "the path leads out of its root".to_owned());
            return;
        };
        if path != parts.path {
            told.applies.push(format!("the path is read as {path}"));
        }
        let head = Head {
            method: &parts.method,
            scheme: "http",
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
            let why = match &told.virtual_host {
                None => format!("no virtual host of routes {} has the name {}", table.name, head.host()),
                Some(host) => format!("no route of virtual host {} takes the request", host.name),
            };
            told.fails("404 NR", why);
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
            Action::Direct(response) if &*routed.route.name == "block_all" => {
                let status = response.status.as_u16();
                told.fails(
                    &status.to_string(),
                    format!("{status}: nobody knows {}, and outboundTrafficPolicy is REGISTRY_ONLY", head.host()),
                );
                told.next.push("add a ServiceEntry for the host, or a Sidecar egress host that imports it".to_owned());
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
                self.conclude(told, true);
            }
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

/// Resources that had a say.
pub(super) type Involved = Vec<(&'static str, String)>;

impl Explanation {
    pub(super) fn fails(&mut self, code: &str, outcome: String) {
        self.code = Some(code.to_owned());
        self.outcome = outcome;
    }
}

impl Chain {
    fn of(chain: &FilterChain) -> Self {
        let reads_http = matches!(chain.handler, Handler::Http(_));
        Self { made: Made::by(&chain.name, &chain.provenance), asks: chain.asks(), reads_http }
    }
}

fn of_route(route: &Route) -> Made {
    Made::by(&route.name, &route.provenance)
}
