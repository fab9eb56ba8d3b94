use mesh_proto::envoy::envoy::service::discovery::v3::DeltaDiscoveryResponse;

use super::{super::Sink, *};

fn response(type_url: &str, resources: &[(&str, &str)], removed: &[&str]) -> DeltaDiscoveryResponse {
    let make = |(name, content): &(&str, &str)| {
        let body = Any { type_url: type_url.to_owned(), value: content.as_bytes().to_vec() };
        std::sync::Arc::new(Resource::with_version(*name, *content, body))
    };
    let push = Push {
        type_url: type_url.to_owned(),
        nonce: "n".to_owned(),
        resources: resources.iter().map(make).collect(),
        removed: removed.iter().map(|n| (*n).into()).collect(),
        version: String::new(),
    };
    push.into_delta("test")
}

fn held(sink: &Sink, type_url: &str) -> Vec<String> {
    let opening = sink.opening();
    let request = opening.iter().find(|r| r.type_url == type_url).unwrap();
    let mut held: Vec<String> = request.initial_resource_versions.iter().map(|(n, v)| format!("{n}={v}")).collect();
    held.sort();
    held
}

#[test]
fn what_was_refused_is_not_held() {
    let mut sink = Sink::new();
    assert!(sink.want(type_url::CLUSTER, Wanted::everything()).is_some());
    let (changed, receipt) = sink.read(response(type_url::CLUSTER, &[("a", "1"), ("b", "1")], &[]));
    assert_eq!(changed.len(), 2);
    let refused = [Refused { name: "b".to_owned(), reason: "no timeout".to_owned() }];
    let answer = sink.settle(&receipt, &refused, None);
    assert_eq!(answer.response_nonce, "n");
    assert_eq!(answer.error_detail.unwrap().message, "b: no timeout");
    assert_eq!(held(&sink, type_url::CLUSTER), ["a=1"]);

    let (_, receipt) = sink.read(response(type_url::CLUSTER, &[("b", "2")], &["a"]));
    assert_eq!(sink.settle(&receipt, &[], None).error_detail, None);
    assert_eq!(held(&sink, type_url::CLUSTER), ["b=2"]);

    let (_, receipt) = sink.read(response(type_url::CLUSTER, &[("b", "3")], &[]));
    assert!(sink.settle(&receipt, &[], Some("all wrong")).error_detail.is_some());
    assert_eq!(held(&sink, type_url::CLUSTER), ["b=2"]);
}

#[test]
fn wishes_are_told_as_differences() {
    let mut sink = Sink::new();
    let opening = sink.want(type_url::ENDPOINT, Wanted::names(["a", "b"])).unwrap();
    assert_eq!(opening.resource_names_subscribe, ["a", "b"]);
    let change = sink.want(type_url::ENDPOINT, Wanted::names(["b", "c"])).unwrap();
    assert_eq!(
        (change.resource_names_subscribe, change.resource_names_unsubscribe),
        (vec!["c".into()], vec!["a".into()])
    );
    assert_eq!(sink.want(type_url::ENDPOINT, Wanted::names(["b", "c"])), None);
    let (changed, receipt) = sink.read(response(type_url::ENDPOINT, &[("a", "1"), ("c", "1")], &[]));
    assert_eq!(changed.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["c"], "given up meanwhile");
    sink.settle(&receipt, &[], None);
    assert_eq!(held(&sink, type_url::ENDPOINT), ["c=1"]);
    let change = sink.want(type_url::ENDPOINT, Wanted::everything()).unwrap();
    assert_eq!(change.resource_names_subscribe, ["*"]);
}

#[test]
fn streams_open_in_the_order_of_pushes() {
    let mut sink = Sink::new();
    for type_url in [type_url::ROUTE, "a.custom/Type", type_url::ENDPOINT, type_url::CLUSTER] {
        sink.want(type_url, Wanted::names(["x"]));
    }
    let order: Vec<String> = sink.opening().into_iter().map(|r| r.type_url).collect();
    assert_eq!(order, [type_url::CLUSTER, type_url::ENDPOINT, type_url::ROUTE, "a.custom/Type"]);
}
