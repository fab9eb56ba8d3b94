//! A mesh out of YAML.
//!
//! Services, Secrets and Istio's kinds are written as users write them. A pod is `kind: Pod` with metadata and `ip` (and `node`,
//! `locality`, `ready`, `draining`, `named_ports`, `hostname`); the endpoints of services follow from selectors. The proxy
//! of a pod with label `captures-dns` captures DNS.

use std::collections::BTreeMap;

use mesh_model::{
    parse::{ParseContext, parse, parse_mesh},
    push_context::PushContext,
    registry,
    store::{Change, Record, Store},
};
use mesh_proto::{nds::NameTable, registry as wire};
use prost::Message as _;
use serde_json::Value;

use crate::{
    pb::{self, core::Node},
    view::ProxyView,
};

/// Label of pods whose proxies capture DNS.
const CAPTURES_DNS: &str = "captures-dns";

/// A mesh, and the proxies in it.
pub(crate) struct Mesh {
    pub(crate) store: Store,
    pub(crate) push: PushContext,
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: &Value, pointer: &str) -> BTreeMap<String, String> {
    let map = value.pointer(pointer).and_then(Value::as_object).cloned().unwrap_or_default();
    map.into_iter().map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned())).collect()
}

fn list(value: &Value, pointer: &str) -> Vec<Value> {
    value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn namespace(value: &Value) -> String {
    match text(value, "/metadata/namespace") {
        empty if empty.is_empty() => "default".to_owned(),
        name => name,
    }
}

fn number(value: &Value, pointer: &str) -> u32 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default().try_into().unwrap()
}

fn service(value: &Value) -> wire::Service {
    let (name, namespace) = (text(value, "/metadata/name"), namespace(value));
    let ip = text(value, "/spec/clusterIP");
    let resolution = match (text(value, "/spec/type").as_str(), ip.as_str()) {
        ("ExternalName", _) => wire::Resolution::ExternalName,
        (_, "None") => wire::Resolution::Headless,
        _ => wire::Resolution::ClusterIp,
    };
    let ports = list(value, "/spec/ports").into_iter().map(|port| wire::ServicePort {
        name: text(&port, "/name"),
        number: number(&port, "/port"),
        transport: match text(&port, "/protocol") {
            empty if empty.is_empty() => "TCP".to_owned(),
            word => word,
        },
        app_protocol: text(&port, "/appProtocol"),
        target_port: port.get("targetPort").map(|t| t.to_string().replace('"', "")).unwrap_or_default(),
        node_port: 0,
    });
    let export = text(value, "/metadata/annotations/networking.istio.io~1exportTo");
    wire::Service {
        host: format!("{name}.{namespace}.svc.cluster.local"),
        vips: if ip.is_empty() || ip == "None" { Vec::new() } else { vec![ip] },
        ports: ports.collect(),
        export_to: export.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
        resolution: resolution as i32,
        external_name: text(value, "/spec/externalName"),
        created: i64::from(number(value, "/metadata/created")),
        selector: texts(value, "/spec/selector"),
        publish_not_ready: value.pointer("/spec/publishNotReadyAddresses") == Some(&Value::Bool(true)),
        node_local: text(value, "/spec/internalTrafficPolicy") == "Local",
        name,
        namespace,
        ..Default::default()
    }
}

fn pod(value: &Value) -> wire::Workload {
    let labels = texts(value, "/metadata/labels");
    let name = text(value, "/metadata/name");
    let label = |key: &str, default: &str| labels.get(key).cloned().unwrap_or_else(|| default.to_owned());
    wire::Workload {
        namespace: namespace(value),
        addresses: vec![text(value, "/ip")],
        account: "default".to_owned(),
        node: text(value, "/node"),
        locality: text(value, "/locality"),
        workload_name: name.clone(),
        canonical_name: label("app", &name),
        canonical_revision: label("version", "latest"),
        named_ports: value
            .get("named_ports")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, number)| (name.clone(), number.as_u64().unwrap().try_into().unwrap()))
            .collect(),
        ready: value.get("ready") != Some(&Value::Bool(false)),
        annotations: texts(value, "/metadata/annotations"),
        labels,
        name,
        ..Default::default()
    }
}

fn endpoints(service: &wire::Service, pods: &[(Value, wire::Workload)]) -> wire::Endpoints {
    let selected = |pod: &wire::Workload| {
        pod.namespace == service.namespace
            && !service.selector.is_empty()
            && service.selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v))
    };
    let endpoint = |(value, pod): &(Value, wire::Workload)| wire::Endpoint {
        address: pod.addresses[0].clone(),
        ports: service
            .ports
            .iter()
            .filter_map(|port| {
                let target = match port.target_port.as_str() {
                    "" => port.number,
                    text => text.parse().ok().or_else(|| pod.named_ports.get(text).copied())?,
                };
                Some((port.name.clone(), target))
            })
            .collect(),
        ready: pod.ready,
        draining: value.get("draining") == Some(&Value::Bool(true)),
        workload: format!("{}/{}", pod.namespace, pod.name),
        node: pod.node.clone(),
        hostname: text(value, "/hostname"),
    };
    wire::Endpoints {
        host: service.host.clone(),
        namespace: service.namespace.clone(),
        endpoints: pods.iter().filter(|(_, pod)| selected(pod)).map(endpoint).collect(),
    }
}

/// Fills in what tests leave out, so that they can be short: API version, namespace, and age by position.
fn complete(mut object: Value, index: usize) -> Value {
    let group = match object["kind"].as_str().unwrap() {
        "PeerAuthentication" => "security.istio.io/v1",
        "Telemetry" => "telemetry.istio.io/v1",
        _ => "networking.istio.io/v1",
    };
    if object["apiVersion"].is_null() {
        let is_route = matches!(object["kind"].as_str(), Some("HTTPRoute" | "GRPCRoute"));
        object["apiVersion"] = if is_route { "gateway.networking.k8s.io/v1" } else { group }.into();
    }
    let namespace = namespace(&object);
    let second = object.pointer("/metadata/created").and_then(Value::as_u64).unwrap_or(index as u64);
    let meta = object["metadata"].as_object_mut().unwrap();
    meta.remove("created");
    meta.insert("namespace".into(), namespace.into());
    meta.insert("creationTimestamp".into(), format!("2025-01-01T00:{:02}:{:02}Z", second / 60, second % 60).into());
    object
}

impl Mesh {
    /// Reads documents; panics where one is refused.
    pub(crate) fn of(yaml: &str) -> Self {
        Self::try_of(yaml).unwrap_or_else(|issues| panic!("{issues}"))
    }

    /// Reads documents; tells why one is refused, a line for each reason.
    pub(crate) fn try_of(yaml: &str) -> Result<Self, String> {
        let lines = |issues: Vec<mesh_model::issue::Issue>| {
            issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let documents = yaml.split("\n---").filter(|text| !text.trim().is_empty());
        let objects: Vec<Value> = documents.map(|text| serde_saphyr::from_str(text).expect(text)).collect();
        let kind = |word: &'static str| objects.iter().filter(move |o| o["kind"] == word);
        let pods: Vec<(Value, wire::Workload)> = kind("Pod").map(|o| (o.clone(), pod(o))).collect();
        let mut store = Store::default();
        for (_, pod) in &pods {
            let record = Record::Workload(registry::Workload::try_from(pod).unwrap());
            store.apply(Change::put(&format!("{}/{}", pod.namespace, pod.name), record));
        }
        for object in kind("Service") {
            let service = service(object);
            let endpoints = endpoints(&service, &pods);
            let host = service.host.clone();
            let endpoints = registry::Endpoints::try_from(&endpoints).unwrap();
            store.apply(Change::put(&host, Record::Endpoints(endpoints)));
            store.apply(Change::put(&host, Record::Service(registry::Service::try_from(&service).unwrap())));
        }
        for (index, object) in objects.iter().enumerate() {
            match object["kind"].as_str().unwrap() {
                "Pod" | "Service" => {}
                "Secret" => {
                    let (name, namespace) = (text(object, "/metadata/name"), namespace(object));
                    let data = texts(object, "/stringData").into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
                    let key = format!("{namespace}/{name}");
                    let secret = wire::Secret { name, namespace, kind: text(object, "/type"), data };
                    store.apply(Change::put(&key, Record::Secret(secret.into())));
                }
                "Namespace" => {
                    let (name, labels) = (text(object, "/metadata/name"), texts(object, "/metadata/labels"));
                    store.apply(Change::put(
                        &name,
                        Record::Namespace((&wire::Namespace { name: name.clone(), labels }).into()),
                    ));
                }
                "MeshConfig" => {
                    let mesh = parse_mesh(&object["mesh"], &ParseContext::default()).map_err(lines)?;
                    store.apply(Change::put("istio", Record::Mesh(Box::new(mesh.config))));
                }
                _ => {
                    let parsed = parse(&complete(object.clone(), index), &ParseContext::default());
                    store.apply(Change::config(parsed.map_err(lines)?.config));
                }
            }
        }
        Ok(Self { push: PushContext::build(&store), store })
    }

    /// Bookinfo, and further documents.
    pub(crate) fn bookinfo(yaml: &str) -> Self {
        Self::try_bookinfo(yaml).unwrap_or_else(|issues| panic!("{issues}"))
    }

    /// The same; tells why a document is refused.
    pub(crate) fn try_bookinfo(yaml: &str) -> Result<Self, String> {
        Self::try_of(&format!("{}\n---\n{yaml}", include_str!("bookinfo.yaml")))
    }

    /// The proxy of a pod `NAMESPACE/NAME`; a gateway if the pod was injected as one.
    pub(crate) fn view(&self, pod: &str) -> ProxyView {
        let workload = self.push.workload(pod).expect("no such pod");
        let (namespace, name) = pod.split_once('/').unwrap();
        let ip = workload.addresses[0];
        let is_gateway = workload.annotations.get("inject.istio.io/templates").is_some_and(|names| names == "gateway");
        let kind = if is_gateway { "router" } else { "sidecar" };
        let captures = crate::wire::text("true");
        let captures = workload.labels.0.contains_key(CAPTURES_DNS).then(|| ("DNS_CAPTURE".to_owned(), captures));
        let node = Node {
            id: format!("{kind}~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local"),
            metadata: captures.map(|field| pb::Struct { fields: [field].into() }),
            ..Default::default()
        };
        ProxyView::new(&node, &self.push).unwrap()
    }

    /// The names that a pod's proxy answers.
    pub(crate) fn names(&self, pod: &str) -> NameTable {
        let built = crate::name_tables(&self.view(pod), &self.push);
        NameTable::decode(&built[0].value[..]).unwrap()
    }

    /// A cluster as a proxy has it.
    pub(crate) fn cluster(&self, pod: &str, name: &str) -> Option<pb::cluster::Cluster> {
        crate::cluster::messages(&self.view(pod), &self.push).into_iter().find(|c| c.name == name)
    }
}
