//! A galley that is played: a mesh as records, told to whoever asks.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use mesh_proto::{
    mcp, pack,
    registry::{Endpoint, Endpoints, MeshConfig, Namespace, Service, ServicePort, Workload},
    type_url, unpack,
};
use mesh_xds::{
    Resource, Wanted,
    server::{Caller, Seen, Session, Source},
};
use tokio::sync::watch;

/// Resources by type and name.
pub(crate) type Records = BTreeMap<(String, String), Arc<Resource>>;

pub(crate) struct Galley(pub(crate) watch::Receiver<Records>);

struct View {
    live: watch::Receiver<Records>,
    pinned: Records,
}

impl Source for Galley {
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, tonic::Status>> {
        assert_eq!(caller.node.id, "pilot");
        let mut live = self.0.clone();
        let pinned = live.borrow_and_update().clone();
        Box::pin(async { Ok(Box::new(View { live, pinned }) as Box<dyn Session>) })
    }

    fn name(&self) -> &str {
        "galley"
    }
}

impl Session for View {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let is_alive = self.live.changed().await.is_ok();
            self.pinned = self.live.borrow_and_update().clone();
            is_alive
        })
    }

    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        let mine = self.pinned.iter().filter(|((kind, name), _)| kind == type_url && wanted.admits(name));
        Some(mine.map(|(_, resource)| resource.clone()).collect())
    }

    fn observe(&mut self, _: Seen<'_>) {}
}

pub(crate) fn put(records: &mut Records, type_url: &str, name: &str, body: &impl prost::Name) {
    let resource = mcp::Resource { metadata: None, body: Some(pack(body)) };
    records.insert((type_url.to_owned(), name.to_owned()), Arc::new(Resource::new(name, pack(&resource))));
}

/// An object of a configuration kind, from YAML.
pub(crate) fn apply(records: &mut Records, yaml: &str) {
    let object: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    let word = |path: &str| object.pointer(path).and_then(serde_json::Value::as_str).unwrap().to_owned();
    let type_url = format!("{}/{}", word("/apiVersion"), word("/kind"));
    let name = format!("{}/{}", word("/metadata/namespace"), word("/metadata/name"));
    put(records, &type_url, &name, &mcp::ConfigObject { json: object.to_string() });
}

pub(crate) fn host(name: &str) -> String {
    format!("{name}.default.svc.cluster.local")
}

fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A service whose pods are `(version, address)`.
pub(crate) fn service(records: &mut Records, name: &str, vip: &str, pods: &[(&str, &str)]) {
    let service = Service {
        host: host(name),
        name: name.to_owned(),
        namespace: "default".to_owned(),
        vips: vec![vip.to_owned()],
        ports: vec![ServicePort {
            name: "http".to_owned(),
            number: 9080,
            transport: "TCP".to_owned(),
            target_port: "9080".to_owned(),
            ..ServicePort::default()
        }],
        selector: strings(&[("app", name)]),
        ..Service::default()
    };
    put(records, type_url::SERVICE, &host(name), &service);
    let mut endpoints = Vec::new();
    for (version, address) in pods {
        let pod = format!("{name}-{version}");
        let workload = Workload {
            name: pod.clone(),
            namespace: "default".to_owned(),
            addresses: vec![(*address).to_owned()],
            labels: strings(&[("app", name), ("version", version)]),
            account: name.to_owned(),
            workload_name: pod.clone(),
            canonical_name: name.to_owned(),
            canonical_revision: (*version).to_owned(),
            ready: true,
            ..Workload::default()
        };
        put(records, type_url::WORKLOAD, &format!("default/{pod}"), &workload);
        endpoints.push(Endpoint {
            address: (*address).to_owned(),
            ports: [("http".to_owned(), 9080)].into(),
            ready: true,
            workload: format!("default/{pod}"),
            ..Endpoint::default()
        });
    }
    let record = Endpoints { host: host(name), namespace: "default".to_owned(), endpoints };
    put(records, type_url::ENDPOINTS, &host(name), &record);
}

/// A client pod without ports, and `reviews` in two versions with subsets.
pub(crate) fn shop() -> Records {
    let mut records = Records::new();
    put(&mut records, type_url::MESH_CONFIG, "istio", &MeshConfig { json: "{}".to_owned() });
    let namespace = Namespace { name: "default".to_owned(), labels: BTreeMap::new() };
    put(&mut records, type_url::NAMESPACE, "default", &namespace);
    service(&mut records, "productpage", "10.96.0.1", &[("v1", "10.0.0.1")]);
    service(&mut records, "reviews", "10.96.0.2", &[("v1", "10.0.0.2"), ("v2", "10.0.0.3")]);
    apply(
        &mut records,
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
",
    );
    split(&mut records, 100);
    records
}

/// `reviews` goes to v1 by this weight, to v2 by the rest.
pub(crate) fn split(records: &mut Records, v1: u32) {
    let v2 = 100 - v1;
    apply(
        records,
        &format!(
            "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, namespace: default}}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {{host: reviews, subset: v1}}
      weight: {v1}
    - destination: {{host: reviews, subset: v2}}
      weight: {v2}
"
        ),
    );
}

/// The port of a service turns to HTTP/2; its endpoints stay what they are.
pub(crate) fn speak_http2(records: &mut Records, name: &str) {
    let key = (type_url::SERVICE.to_owned(), host(name));
    let envelope: mcp::Resource = unpack(&records[&key].body).unwrap();
    let mut service: Service = unpack(&envelope.body.unwrap()).unwrap();
    service.ports[0].app_protocol = "kubernetes.io/h2c".to_owned();
    put(records, type_url::SERVICE, &host(name), &service);
}
