use std::{collections::BTreeMap, time::Instant};

use mesh_model::{
    push_context::PushContext,
    registry,
    store::{Change, Record, Store},
};
use mesh_proto::registry as wire;
use mesh_xds::Wanted;
use tokio::sync::watch;

use super::*;
use crate::{auth, metrics::Metrics, proxies::Place};

const KEY: &str = "-----BEGIN PRIVATE KEY----- of the gateway";
const CHAIN: &str = "-----BEGIN CERTIFICATE----- of the gateway";
const GATEWAY: &str = "router~10.0.0.9~gw.edge~edge.svc.cluster.local";

/// A service, a gateway's pod, and the certificate that this is to have.
fn store() -> Store {
    let port = wire::ServicePort { name: "http".into(), number: 80, transport: "TCP".into(), ..Default::default() };
    let service = wire::Service {
        host: "web.edge.svc.cluster.local".into(),
        name: "web".into(),
        namespace: "edge".into(),
        vips: vec!["10.96.0.7".into()],
        ports: vec![port],
        ..Default::default()
    };
    let pod = wire::Workload {
        name: "gw".into(),
        namespace: "edge".into(),
        addresses: vec!["10.0.0.9".into()],
        account: "gateway".into(),
        ..Default::default()
    };
    let data = [("tls.crt", CHAIN), ("tls.key", KEY)].map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec()));
    let secret = wire::Secret { name: "tls".into(), namespace: "edge".into(), data: data.into(), ..Default::default() };
    Store::of([
        Change::put("web.edge.svc.cluster.local", Record::Service(registry::Service::try_from(&service).unwrap())),
        Change::put("edge/gw", Record::Workload(registry::Workload::try_from(&pod).unwrap())),
        Change::put("edge/tls", Record::Secret(secret.into())),
    ])
}

fn debug() -> Debug {
    let world = World::first(PushContext::build(&store()), Instant::now(), Arc::default());
    let metrics = Metrics::new(&mesh_bootstrap::Metrics::new("pilot"));
    Debug { worlds: watch::channel(Some(Arc::new(world))).1, proxies: Proxies::new(metrics) }
}

/// A proxy connects, and asks for these.
fn connect(debug: &Debug, id: &str, wanted: &[(&str, &str)]) -> Place {
    let node = auth::node(id, &BTreeMap::from([("NAMESPACE", "edge")]));
    let place = debug.proxies.enter(id.parse().unwrap(), node, Some("gateway".into()), None);
    for (type_url, name) in wanted {
        place.wants(type_url, &Wanted::names([*name]));
    }
    place
}

async fn page(debug: &Debug, proxy: &str, include_eds: Option<&str>) -> Result<Value, NoDump> {
    let wish = Wish { proxy: Some(proxy.to_owned()), include_eds: include_eds.map(str::to_owned) };
    config_dump(State(debug.clone()), Query(wish)).await.map(|Json(value)| value)
}

/// The section of a message of `envoy.admin.v3`.
fn section<'a>(dump: &'a Value, name: &str) -> &'a Value {
    let configs = dump["configs"].as_array().unwrap();
    let type_url = format!("type.googleapis.com/envoy.admin.v3.{name}");
    configs.iter().find(|config| config["@type"] == type_url.as_str()).unwrap_or_else(|| panic!("no {name} in {dump}"))
}

#[tokio::test]
async fn a_proxy_is_shown_all_that_is_made_for_it() {
    const CLUSTER: &str = "outbound|80||web.edge.svc.cluster.local";
    let debug = debug();
    let id = "sidecar~10.0.0.8~web-1.edge~edge.svc.cluster.local";
    let _place = connect(&debug, id, &[(type_url::ROUTE, "80"), (type_url::ENDPOINT, CLUSTER)]);
    let dump = page(&debug, "web-1.edge", Some("")).await.unwrap();
    let items = |name: &str, list: &str| section(&dump, name)[list].as_array().unwrap().clone();

    let clusters = items("ClustersConfigDump", "dynamic_active_clusters");
    let web = clusters.iter().find(|item| item["cluster"]["name"] == CLUSTER).unwrap();
    assert_eq!(web["cluster"]["@type"], type_url::CLUSTER);
    assert!(web["version_info"].as_str().is_some_and(|version| !version.is_empty()), "{web}");
    let listeners = items("ListenersConfigDump", "dynamic_listeners");
    let outbound = listeners.iter().find(|item| item["name"] == "virtualOutbound").unwrap();
    assert_eq!(outbound["active_state"]["listener"]["name"], "virtualOutbound");
    let routes = items("RoutesConfigDump", "dynamic_route_configs");
    assert_eq!(routes.iter().map(|item| &item["route_config"]["name"]).collect::<Vec<_>>(), ["80"]);
    let endpoints = items("EndpointsConfigDump", "dynamic_endpoint_configs");
    assert_eq!(endpoints[0]["endpoint_config"]["cluster_name"], CLUSTER);
    assert_eq!(items("SecretsConfigDump", "dynamic_active_secrets"), [Value::Null; 0]);

    let without = page(&debug, id, None).await.unwrap();
    let names: Vec<&str> = without["configs"].as_array().unwrap().iter().filter_map(|c| c["@type"].as_str()).collect();
    assert!(names.len() == 4 && !names.iter().any(|name| name.contains("Endpoints")), "{names:?}");
}

#[tokio::test]
async fn a_gateway_s_keys_are_not_shown() {
    let debug = debug();
    let _place = connect(&debug, GATEWAY, &[(type_url::SECRET, "kubernetes://tls")]);
    let dump = page(&debug, "gw.edge", None).await.unwrap();
    let secret = &section(&dump, "SecretsConfigDump")["dynamic_active_secrets"][0];
    assert_eq!(secret["name"], "kubernetes://tls");
    let certificate = &secret["secret"]["tls_certificate"];
    let masked = "W3JlZGFjdGVkXQ==";
    assert_eq!(certificate["private_key"]["inline_bytes"], masked, "{secret}");
    assert_ne!(certificate["certificate_chain"]["inline_bytes"], masked);
    let text = dump.to_string();
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    assert!(text.contains(&STANDARD.encode(CHAIN)), "the chain is shown");
    assert!(!text.contains(KEY) && !text.contains(&STANDARD.encode(KEY)), "the key is not");
}

#[tokio::test]
async fn who_asks_wrongly_is_told_how_to_ask() {
    let debug = debug();
    let refused = |answer: Result<Value, NoDump>| {
        let error = answer.unwrap_err();
        (causes(&error), error.into_response().status())
    };
    let (text, status) = refused(config_dump(State(debug.clone()), Query(Wish::default())).await.map(|Json(v)| v));
    assert!(status == StatusCode::BAD_REQUEST && text.contains("?proxyID=POD.NAMESPACE"), "{status}: {text}");
    let (text, status) = refused(page(&debug, "gw.edge", None).await);
    assert_eq!((status, &*text), (StatusCode::NOT_FOUND, "proxy `gw.edge` is not connected to this pilot; nobody is"));
    let id = |number: usize| format!("sidecar~10.0.1.{number}~pod-{number:02}.edge~edge.svc.cluster.local");
    let mut places: Vec<Place> = (0..2).map(|number| connect(&debug, &id(number), &[])).collect();
    let (text, _) = refused(page(&debug, "pod-00", None).await);
    assert!(text.ends_with("connected: pod-00.edge, pod-01.edge"), "{text}");
    places.extend((2..30).map(|number| connect(&debug, &id(number), &[])));
    let (text, _) = refused(page(&debug, "pod-00", None).await);
    assert!(text.ends_with("pod-19.edge and 10 more, see /debug/syncz"), "{text}");
}
