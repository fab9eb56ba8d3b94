use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{Lost, Merged, delegates, merge};
use crate::{
    config::{Config, ExportScope, ExportTo, FieldMatch, Object, StringMatch, VirtualService},
    parse::{ParseContext, parse},
};

fn virtual_service(namespace: &str, name: &str, spec: &str) -> Arc<Object<VirtualService>> {
    let spec: serde_json::Value = serde_saphyr::from_str(spec).unwrap();
    let meta = json!({ "name": name, "namespace": namespace });
    let object =
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": meta, "spec": spec });
    match parse(&object, &ParseContext::default()).unwrap_or_else(|e| panic!("{e:#?}")).config {
        Config::VirtualService(object) => object,
        other => panic!("{other:#?}"),
    }
}

/// A root with one rule that delegates to `team/d`, and the delegate with one rule that forwards.
fn merged(root: &str, rule: &str) -> Merged {
    let root = format!("{{hosts: [a.b], http: [{{delegate: {{name: d, namespace: team}}, {root}}}]}}");
    let delegate = format!("{{http: [{{route: [{{destination: {{host: x.y}}}}], {rule}}}]}}");
    let (root, delegate) = (virtual_service("shop", "root", &root), virtual_service("team", "d", &delegate));
    assert!(delegates(&root.spec));
    merge(&root, &ExportTo(vec![ExportScope::All]), |named| {
        (*named.name == *"d" && *named.namespace == *"team").then_some(&delegate)
    })
}

#[test]
fn matches_that_agree_are_anded() {
    for (root, own, uri) in [
        ("match: []", "match: [{uri: {exact: /a}}]", StringMatch::Exact("/a".into())),
        ("match: [{uri: {prefix: /a}}]", "match: []", StringMatch::Prefix("/a".into())),
        ("match: [{uri: {prefix: /a}}]", "match: [{uri: {prefix: /ab}}]", StringMatch::Prefix("/ab".into())),
        ("match: [{uri: {prefix: /a}}]", "match: [{uri: {exact: /a/b}}]", StringMatch::Exact("/a/b".into())),
        ("match: [{uri: {regex: '/a.'}}]", "match: [{uri: {exact: /ab}}]", StringMatch::Exact("/ab".into())),
    ] {
        let merged = merged(root, own);
        assert_eq!(merged.routes[0].matches[0].uri, Some(uri), "{root} {own}");
        assert_eq!(merged.lost, []);
    }
    let both =
        merged("match: [{headers: {a: {}}, sourceLabels: {x: z}}]", "match: [{headers: {a: {exact: b}}, port: 80}]");
    let m = &both.routes[0].matches[0];
    assert_eq!(m.headers["a"], FieldMatch::Value(StringMatch::Exact("b".into())));
    assert_eq!((m.port.unwrap().get(), m.source.labels.value("x")), (80, Some("z")));
}

#[test]
fn matches_that_disagree_lose_the_rule() {
    for (root, own) in [
        ("uri: {prefix: /a}", "uri: {prefix: /b}"),
        ("uri: {prefix: /ab}", "uri: {prefix: /a}"),
        ("uri: {exact: /a}", "uri: {prefix: /a}"),
        ("uri: {regex: /a}", "uri: {regex: /a}"),
        ("uri: {prefix: /a}", "uri: {regex: '/a.*'}"),
        ("method: {exact: GET}", "method: {exact: PUT}"),
        ("headers: {a: {exact: b}}", "headers: {a: {exact: c}}"),
        ("headers: {a: {exact: b}}", "headers: {a: {}}"),
        ("queryParams: {a: {exact: b}}", "queryParams: {a: {exact: c}}"),
        ("ignoreUriCase: true", "ignoreUriCase: false"),
        ("port: 80", "port: 81"),
        ("sourceNamespace: a", "sourceNamespace: b"),
        ("sourceLabels: {a: b}", "sourceLabels: {a: c}"),
        ("gateways: [g]", "gateways: [h]"),
    ] {
        let merged = merged(&format!("match: [{{{root}}}]"), &format!("match: [{{{own}}}]"));
        assert_eq!(merged.routes, [], "{root} {own}");
        assert_eq!(merged.lost[0].1, Lost::NothingInCommon);
        assert_eq!(merged.lost[0].0.object.to_string(), "VirtualService/team/d");
    }
    // One match without a partner is enough.
    let one = merged("match: [{uri: {prefix: /a}}]", "match: [{uri: {exact: /ab}}, {uri: {exact: /b}}]");
    assert_eq!(one.routes, []);
}

#[test]
fn every_pair_that_agrees_counts() {
    let merged = merged(
        "match: [{uri: {prefix: /a}, name: r1}, {headers: {x: {}}, name: r2}]",
        "match: [{uri: {exact: /ab}, name: d1}, {uri: {exact: /z}}]",
    );
    let names: Vec<_> = merged.routes[0].matches.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["r1-d1", "r2-d1", "r2"]);
}

#[test]
fn the_delegate_wins_and_the_root_fills() {
    let merged = merged(
        "name: root, timeout: 5s, retries: {attempts: 1}, headers: {request: {set: {a: root}}}",
        "name: own, timeout: 1s",
    );
    let route = &merged.routes[0];
    assert_eq!((route.name.as_str(), route.timeout), ("root-own", Some(Duration::from_secs(1))));
    assert!(route.retries.is_some());
    assert_eq!(route.headers.request.set["a"], "root");
    assert_eq!((route.origin.object.to_string().as_str(), route.origin.index), ("VirtualService/team/d", 0));
}

#[test]
fn delegates_that_cannot_be() {
    let root = virtual_service("shop", "root", "{hosts: [a.b], http: [{delegate: {name: d, namespace: team}}]}");
    let private = virtual_service("team", "d", "{exportTo: [.], http: [{route: [{destination: {host: x.y}}]}]}");
    let hosted = virtual_service("team", "d", "{hosts: [c.d], http: [{route: [{destination: {host: x.y}}]}]}");
    let all = ExportTo(vec![ExportScope::All]);
    let lost = |found: Option<&Arc<Object<VirtualService>>>| merge(&root, &all, |_| found).lost[0].1;
    assert_eq!(lost(None), Lost::Missing);
    assert_eq!(lost(Some(&private)), Lost::NotExported);
    assert_eq!(lost(Some(&hosted)), Lost::NotADelegate);
}
