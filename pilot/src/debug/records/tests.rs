use std::{sync::Arc, time::Instant};

use mesh_proto::{Any, envoy::envoy::config::core::v3::Node, mcp, registry, type_url, unpack};
use mesh_xds::{
    Resource,
    machine::{Heard, Push, Record, Rejection},
};
use tokio::sync::watch;

use super::*;
use crate::{intake::Intake, metrics::Metrics, proxies::Proxies};

fn namespace() -> Resource {
    let record = registry::Namespace { name: "shop".to_owned(), ..registry::Namespace::default() };
    let envelope = mcp::Resource { metadata: None, body: Some(pack(&record)) };
    Resource::new("shop", pack(&envelope))
}

fn push(nonce: &str, names: &[&str]) -> (Push, Record) {
    let resource = |name: &&str| Arc::new(Resource::with_version(*name, format!("{name}-{nonce}"), Any::default()));
    let push = Push {
        type_url: type_url::ROUTE.to_owned(),
        nonce: nonce.to_owned(),
        resources: names.iter().map(resource).collect(),
        removed: Vec::new(),
        version: String::new(),
    };
    (push, Record { sent: Some(nonce.to_owned()), ..Record::default() })
}

async fn page(debug: &Debug, proxy: Option<&str>) -> Value {
    let which = Which { proxy: proxy.map(str::to_owned) };
    recordz(State(debug.clone()), Query(which)).await.unwrap_or_else(|_| panic!("not ready")).0
}

#[tokio::test]
async fn records_come_back_as_they_were_sent() {
    let mut intake = Intake::new([]);
    intake.take(type_url::NAMESPACE, &[namespace()], &[]);
    let world = intake.publish(None, Instant::now());
    let metrics = Metrics::new(&mesh_bootstrap::Metrics::new("pilot"));
    let debug = Debug { worlds: watch::channel(Some(Arc::new(world))).1, proxies: Proxies::new(metrics) };
    let told = page(&debug, Some("nobody.default")).await;
    assert_eq!((&told["version"], &told["proxy"]), (&json!(1), &Value::Null));
    let record = &told["records"][0];
    assert_eq!((&record["typeUrl"], &record["name"]), (&json!(type_url::NAMESPACE), &json!("shop")));
    let value = STANDARD.decode(record["body"].as_str().unwrap()).unwrap();
    let body = Any { type_url: record["bodyType"].as_str().unwrap().to_owned(), value };
    assert_eq!(unpack::<registry::Namespace>(&body).unwrap().name, "shop");
}

#[tokio::test]
async fn a_proxy_is_told_of_with_what_it_answered() {
    let metrics = Metrics::new(&mesh_bootstrap::Metrics::new("pilot"));
    let debug = Debug {
        worlds: watch::channel(Some(Arc::new(Intake::new([]).publish(None, Instant::now())))).1,
        proxies: Proxies::new(metrics),
    };
    let id = "sidecar~10.0.0.1~a.default~default.svc.cluster.local";
    let node = Node { id: id.to_owned(), ..Node::default() };
    let place = debug.proxies.enter(id.parse().unwrap(), node, None, None);
    let (first, record) = push("1", &["80", "9080"]);
    place.sent(&first, &record);
    place.heard(type_url::ROUTE, &Heard::Accepted, &Record { accepted: record.sent.clone(), ..record });
    let (second, record) = push("2", &["9080"]);
    place.sent(&second, &record);
    let routes = |told: &Value| told["proxy"]["types"][type_url::ROUTE].clone();
    let told = routes(&page(&debug, Some("a.default")).await);
    assert_eq!(told["told"], json!({ "80": "80-1", "9080": "9080-2" }));
    assert_eq!((&told["unanswered"], &told["refused"]), (&json!(["9080"]), &json!([])));
    let rejection = Some(Rejection { nonce: "2".to_owned(), reason: "taste".to_owned() });
    place.heard(type_url::ROUTE, &Heard::Refused("taste".to_owned()), &Record { rejection, ..record });
    let told = page(&debug, Some("a.default")).await;
    let routes = routes(&told);
    assert_eq!(
        (&routes["unanswered"], &routes["refused"], &routes["error"]),
        (&json!([]), &json!(["9080"]), &json!("taste"))
    );
    let node = Any {
        type_url: "type.googleapis.com/envoy.config.core.v3.Node".to_owned(),
        value: STANDARD.decode(told["proxy"]["node"].as_str().unwrap()).unwrap(),
    };
    assert_eq!(unpack::<Node>(&node).unwrap().id, id);
}
