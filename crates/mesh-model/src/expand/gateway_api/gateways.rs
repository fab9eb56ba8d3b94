//! Listeners: what is right and wrong with them, and the Gateways that they become.

use std::sync::Arc;

use istio_api::gateway_api::{self as api, ListenerTlsMode};
use mesh_types::{Hostname, Labels, Protocol};

use super::{
    CONTROLLER, DERIVED, GATEWAY_NAME, GatewayReport, ListenerReport, ObjectName, RouteKind, Verdict,
    world::{Namer, Shared, World},
};
use crate::config::{
    Derived, Gateway, Kind, Meta, Object, ObjectRef, Server, ServerCertificate, ServerHost, ServerHostScope,
    ServerPort, ServerTls, ServerTlsMode,
};

/// Overrides the names of the objects that are made for a Gateway.
pub(super) const NAME_OVERRIDE: &str = "gateway.istio.io/name-override";
/// Says how TLS is ended, beyond what the Gateway API knows.
const TERMINATE_MODE: &str = "gateway.istio.io/tls-terminate-mode";

/// A Gateway of ours while routes attach to it.
pub(super) struct Plan {
    pub(super) gateway: Shared<api::Gateway>,
    pub(super) listeners: Vec<Listener>,
    accepted: Verdict,
    is_managed: bool,
    is_deployed: bool,
    services: Vec<ObjectName>,
    selector: Labels,
}

/// A listener of a [`Plan`].
pub(super) struct Listener {
    pub(super) report: ListenerReport,
    pub(super) hostname: Option<Hostname>,
    /// The Gateway that it becomes.
    pub(super) name: Arc<str>,
    protocol: Protocol,
    tls: Option<ServerTls>,
}

/// What becomes of a Gateway; none of one that is another controller's.
pub(super) fn plan(world: &World<'_>, gateway: &Shared<api::Gateway>) -> Option<Plan> {
    let controller = world.controller(&gateway.spec.gateway_class_name)?;
    let is_managed = controller == CONTROLLER;
    let namespace = &gateway.meta.namespace;
    let mut listeners: Vec<Listener> =
        gateway.spec.listeners.iter().map(|listener| self::listener(world, gateway, listener)).collect();
    conflicts(&gateway.spec.listeners, &mut listeners);
    let hosts: Vec<&str> =
        gateway.spec.addresses.iter().filter(|a| *a.r#type == *"Hostname").map(|a| &*a.value).collect();
    let is_deployed = is_managed && hosts.is_empty();
    let found: Vec<_> = hosts.iter().filter_map(|host| world.service_at(host, namespace)).collect();
    let services = if is_deployed {
        vec![(Arc::clone(namespace), deployed_name(gateway).into())]
    } else {
        found.iter().map(|s| (s.namespace.as_str().into(), s.name.as_str().into())).collect()
    };
    let selector = match found.first() {
        Some(service) if !is_deployed => service.selector.clone(),
        _ => [(GATEWAY_NAME, gateway.meta.name.to_string())].into_iter().collect(),
    };
    let accepted = accepted(gateway, &listeners, hosts.iter().find(|host| world.service_at(host, namespace).is_none()));
    Some(Plan { gateway: Arc::clone(gateway), listeners, accepted, is_managed, is_deployed, services, selector })
}

/// The name of the objects that are made for a Gateway.
pub(super) fn deployed_name(gateway: &Object<api::Gateway>) -> String {
    let named = gateway.meta.annotations.get(NAME_OVERRIDE).filter(|name| !name.is_empty());
    named.cloned().unwrap_or_else(|| format!("{}-{}", gateway.meta.name, gateway.spec.gateway_class_name))
}

fn accepted(gateway: &Object<api::Gateway>, listeners: &[Listener], unknown: Option<&&str>) -> Verdict {
    let foreign = |a: &&api::Address| !matches!(&*a.r#type, "" | "IPAddress" | "Hostname");
    if let Some(address) = gateway.spec.addresses.iter().find(foreign) {
        let message = format!("addresses of type `{}` are not supported; use Hostname or IPAddress", &*address.r#type);
        return Verdict::no("UnsupportedAddress", message);
    }
    if let Some(unknown) = unknown {
        return Verdict::no("UnsupportedAddress", format!("no Service has the host `{unknown}`"));
    }
    let parameters = gateway.spec.infrastructure.as_ref().and_then(|i| i.parameters_ref.as_ref());
    if let Some(parameters) = parameters {
        let message = format!("parametersRef is not supported yet: {} {}", &*parameters.kind, &*parameters.name);
        return Verdict::no("InvalidParameters", message);
    }
    let wrong = listeners.iter().filter(|l| !l.report.is_served()).count();
    let message = format!("{wrong} of {} listeners cannot be served; see their conditions", listeners.len());
    match wrong {
        0 => Verdict::yes("Accepted", "the Gateway is served"),
        n if n < listeners.len() => Verdict { holds: true, ..Verdict::no("ListenersNotValid", message) },
        _ => Verdict::no("ListenersNotValid", message),
    }
}

fn listener(world: &World<'_>, gateway: &Shared<api::Gateway>, given: &api::Listener) -> Listener {
    let passes = given.tls.as_ref().is_some_and(|tls| tls.mode == ListenerTlsMode::Passthrough);
    let (protocol, supported): (Option<Protocol>, &[RouteKind]) = match &*given.protocol {
        "HTTP" => (Some(Protocol::Http), &[RouteKind::Http, RouteKind::Grpc]),
        "HTTPS" if !passes => (Some(Protocol::Https), &[RouteKind::Http, RouteKind::Grpc]),
        "TLS" if passes => (Some(Protocol::Tls), &[RouteKind::Tls]),
        _ => (None, &[]),
    };
    let mut resolved = Verdict::yes("ResolvedRefs", "every reference is right");
    let kinds = kinds(given, supported, &mut resolved);
    let hostname = (!given.hostname.is_empty()).then(|| Hostname::parse(&given.hostname));
    let mut accepted = Verdict::yes("Accepted", "the listener is right");
    if protocol.is_none() {
        let what = if *given.protocol == *"TLS" { "TLS that ends at the listener" } else { &*given.protocol };
        let message = format!("{what} is not supported; use HTTP, HTTPS, or TLS with mode Passthrough");
        accepted = Verdict::no("UnsupportedProtocol", message);
    }
    let port = u16::try_from(given.port).ok().filter(|port| *port != 0);
    if port.is_none() || matches!(hostname, Some(Err(_))) {
        accepted = Verdict::no("Invalid", "port or hostname is wrong");
    }
    let mut secrets = Vec::new();
    let tls = match protocol {
        Some(Protocol::Https) => match certificate(world, gateway, given) {
            Ok((tls, secret)) => {
                secrets.extend(secret);
                Some(tls)
            }
            Err(wrong) => {
                resolved = wrong;
                None
            }
        },
        Some(Protocol::Tls) => Some(server_tls(ServerTlsMode::Passthrough, None)),
        _ => None,
    };
    Listener {
        report: ListenerReport {
            name: given.name.to_string(),
            port: port.unwrap_or_default(),
            kinds,
            attached: 0,
            accepted,
            conflicted: Verdict::no("NoConflicts", "no other listener is in its way"),
            resolved,
            secrets,
        },
        hostname: hostname.and_then(Result::ok),
        name: format!("{}-{DERIVED}-{}", gateway.meta.name, &*given.name).into(),
        protocol: protocol.unwrap_or(Protocol::Http),
        tls,
    }
}

/// Kinds that may attach: those that go with the protocol, and of these the allowed ones.
fn kinds(given: &api::Listener, supported: &[RouteKind], resolved: &mut Verdict) -> Vec<RouteKind> {
    let allowed = given.allowed_routes.as_ref().map_or(&[][..], |allowed| &allowed.kinds);
    if allowed.is_empty() {
        return supported.to_vec();
    }
    let find = |kind: &api::RouteGroupKind| {
        let is_ours = kind.group.as_ref().is_none_or(|group| **group == *api::GROUP);
        supported.iter().copied().find(|k| is_ours && *kind.kind == *k.word())
    };
    if let Some(wrong) = allowed.iter().find(|kind| find(kind).is_none()) {
        let message =
            format!("routes of kind {} cannot attach to a listener of protocol {}", &*wrong.kind, &*given.protocol);
        *resolved = Verdict::no("InvalidRouteKinds", message);
    }
    allowed.iter().filter_map(find).collect()
}

/// TLS that ends here, and the Secret that it needs.
fn certificate(
    world: &World<'_>,
    gateway: &Object<api::Gateway>,
    given: &api::Listener,
) -> Result<(ServerTls, Option<ObjectName>), Verdict> {
    let invalid = |message: String| Verdict::no("InvalidCertificateRef", message);
    let tls = given.tls.clone().unwrap_or_default();
    let mode = match tls.options.get(TERMINATE_MODE).map(|mode| &**mode) {
        None | Some("SIMPLE") => ServerTlsMode::Simple,
        Some("MUTUAL") => ServerTlsMode::Mutual,
        Some("OPTIONAL_MUTUAL") => ServerTlsMode::OptionalMutual,
        Some("ISTIO_MUTUAL") => return Ok((server_tls(ServerTlsMode::IstioMutual, None), None)),
        Some(other) => return Err(invalid(format!("option {TERMINATE_MODE} cannot be `{other}`"))),
    };
    let [reference] = tls.certificate_refs.as_slice() else {
        return Err(invalid(format!("one certificateRef is needed, there are {}", tls.certificate_refs.len())));
    };
    if !reference.group.is_empty() || !matches!(&*reference.kind, "" | "Secret") {
        return Err(invalid(format!("a certificate is a Secret, not a {}", &*reference.kind)));
    }
    let own = &gateway.meta.namespace;
    let namespace = if reference.namespace.is_empty() { own } else { &*reference.namespace };
    let by = Namer { kind: "Gateway", namespace: own };
    if !world.is_granted(by, "", "Secret", namespace, &reference.name) {
        let message =
            format!("namespace {namespace} has no ReferenceGrant for Secret {} to Gateways of {own}", &*reference.name);
        return Err(Verdict::no("RefNotPermitted", message));
    }
    let credential = format!("kubernetes-gateway://{namespace}/{}", &*reference.name);
    let secret = (namespace.into(), (&*reference.name).into());
    Ok((server_tls(mode, Some(ServerCertificate::Credential(credential))), Some(secret)))
}

fn server_tls(mode: ServerTlsMode, certificate: Option<ServerCertificate>) -> ServerTls {
    ServerTls {
        https_redirect: false,
        mode,
        certificate,
        ca_certificates: None,
        ca_crl: None,
        subject_alt_names: Vec::new(),
        verify_spki: Vec::new(),
        verify_hash: Vec::new(),
        min_version: None,
        max_version: None,
        cipher_suites: Vec::new(),
    }
}

/// Two listeners cannot tell their connections apart: they speak differently on one port, or have the same host there.
fn conflicts(given: &[api::Listener], listeners: &mut [Listener]) {
    for (i, listener) in listeners.iter_mut().enumerate() {
        let mine = &given[i];
        let others = given.iter().enumerate().filter(|(j, other)| *j != i && other.port == mine.port);
        for (_, other) in others {
            if on_the_wire(other) != on_the_wire(mine) {
                let message = format!("listener {} speaks {} on the same port", &*other.name, &*other.protocol);
                listener.report.conflicted = Verdict { holds: true, ..Verdict::no("ProtocolConflict", message) };
            } else if other.hostname == mine.hostname && !listener.report.conflicted.holds {
                let message = format!("listener {} has the same port and hostname", &*other.name);
                listener.report.conflicted = Verdict { holds: true, ..Verdict::no("HostnameConflict", message) };
            }
        }
    }
}

/// What tells connections of listeners apart on the wire: server names tell HTTPS from TLS.
fn on_the_wire(listener: &api::Listener) -> &str {
    match &*listener.protocol {
        "HTTPS" => "TLS",
        protocol => protocol,
    }
}

impl Plan {
    /// The Gateways that its listeners become.
    pub(super) fn objects(&self) -> impl Iterator<Item = Arc<Object<Gateway>>> {
        let served = self.listeners.iter().enumerate().filter(|(_, l)| self.is_served(l));
        served.map(|(index, listener)| Arc::new(self.object(index, listener)))
    }

    /// A listener without its certificate would answer in plaintext; better not at all.
    pub(super) fn is_served(&self, listener: &Listener) -> bool {
        self.is_managed
            && listener.report.is_served()
            && (listener.protocol == Protocol::Http || listener.tls.is_some())
    }

    fn object(&self, index: usize, listener: &Listener) -> Object<Gateway> {
        let meta = &self.gateway.meta;
        let host = listener.hostname.clone().unwrap_or_else(Hostname::everything);
        let server = Server {
            port: ServerPort { number: listener.report.port, protocol: listener.protocol, name: "default".to_owned() },
            bind: None,
            hosts: vec![ServerHost { scope: ServerHostScope::Any, host }],
            name: String::new(),
            tls: listener.tls.clone(),
        };
        Object {
            meta: derived_meta(meta, Kind::Gateway, Arc::clone(&listener.name), meta.object(), index),
            spec: Gateway {
                selector: self.selector.clone(),
                servers: vec![server],
                own_namespace_only: self.is_deployed,
            },
        }
    }

    /// What is to be said of it.
    pub(super) fn report(self) -> GatewayReport {
        GatewayReport {
            object: self.gateway.meta.object(),
            generation: self.gateway.meta.generation,
            accepted: self.accepted,
            is_deployed: self.is_deployed,
            services: self.services,
            addresses: self.gateway.spec.addresses.clone(),
            listeners: self.listeners.into_iter().map(|l| l.report).collect(),
        }
    }
}

fn derived_meta(of: &Meta, kind: Kind, name: Arc<str>, object: ObjectRef, index: usize) -> Meta {
    let derived = Some(Derived { object, path: format!("spec.listeners[{index}]") });
    Meta {
        kind,
        name,
        namespace: Arc::clone(&of.namespace),
        created: of.created,
        generation: of.generation,
        uid: String::new(),
        labels: Labels::default(),
        annotations: Default::default(),
        derived,
    }
}
