//! Objects in, Gateways, VirtualServices and conditions out: the features of the Gateway API's conformance profiles that
//! concern attachment and status, in our own words (`tests/status.yaml`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    status::{Condition, Facts, SecretState, ServiceFacts},
    *,
};
use crate::{
    config::{GatewayRef, Kind, TlsRoute},
    parse::{ParseContext, parse},
    registry::{Namespace, Service},
    store::Record,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    given: String,
    /// Derived objects, a line each.
    #[serde(default)]
    makes: Option<Vec<String>>,
    /// `KIND/NAMESPACE/NAME[ part]`, and its conditions: `Accepted` where one holds with the reason of its name,
    /// `Accepted=Reason` where it holds with another, `!Accepted=Reason` where it does not.
    #[serde(default)]
    says: BTreeMap<String, String>,
}

/// Services `NAME.NAMESPACE` and Secrets that are there.
struct World;

impl Facts for World {
    fn service(&self, (namespace, name): &ObjectName) -> Option<ServiceFacts> {
        let (is_balanced, addresses) = match &**name {
            "gone-istio" => return None,
            "pending-istio" => (true, Vec::new()),
            "inside-istio" => (false, Vec::new()),
            _ => (true, vec!["192.0.2.1".to_owned(), "lb.example.com".to_owned()]),
        };
        let host = format!("{name}.{namespace}.svc.cluster.local");
        Some(ServiceFacts { host, is_balanced, addresses, ports: vec![15021, 80, 443, 8443] })
    }

    fn secret(&self, (_, name): &ObjectName) -> SecretState {
        match &**name {
            "missing" => SecretState::Missing,
            "malformed" => SecretState::Malformed,
            _ => SecretState::Usable,
        }
    }
}

fn service(name: &str, namespace: &str, index: i64) -> Change {
    let record = mesh_proto::registry::Service {
        host: format!("{name}.{namespace}.svc.cluster.local"),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        vips: vec!["10.96.0.1".to_owned()],
        ports: vec![mesh_proto::registry::ServicePort { number: 80, name: "http".to_owned(), ..Default::default() }],
        selector: BTreeMap::from([("app".to_owned(), name.to_owned())]),
        created: index,
        ..Default::default()
    };
    Change::put(&record.host, Record::Service(Service::try_from(&record).expect("a service")))
}

fn store(yaml: &str) -> Store {
    let mut store = Store::of([service("web", "shop", 1), service("web", "other", 2), service("proxies", "edge", 3)]);
    for (name, team) in [("shop", "a"), ("other", "b")] {
        let labels = [("team", team)].into_iter().collect();
        store.apply(Change::put(name, Record::Namespace(Namespace { name: name.to_owned(), labels })));
    }
    for (index, text) in yaml.split("\n---").filter(|text| !text.trim().is_empty()).enumerate() {
        let mut object: Value = serde_saphyr::from_str(text).expect(text);
        if object["apiVersion"].is_null() {
            let version = match object["kind"].as_str() {
                Some("ReferenceGrant") => "v1beta1",
                Some("TLSRoute") => "v1alpha2",
                _ => "v1",
            };
            object["apiVersion"] = format!("{}/{version}", api::GROUP).into();
        }
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = "shop".into();
        }
        object["metadata"]["creationTimestamp"] = format!("2025-01-01T00:00:{index:02}Z").into();
        object["metadata"]["generation"] = 3.into();
        let parsed = parse(&object, &ParseContext::default()).unwrap_or_else(|issues| panic!("{text}: {issues:?}"));
        store.apply(Change::config(parsed.config));
    }
    store
}

fn line(config: &Config) -> String {
    match config {
        Config::Gateway(object) => {
            let server = &object.spec.servers[0];
            let tls =
                server.tls.as_ref().map(|tls| format!(" {:?} {:?}", tls.mode, tls.certificate)).unwrap_or_default();
            let scope = if object.spec.own_namespace_only { "own" } else { "all" };
            let selector: Vec<String> = object.spec.selector.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let (port, host) = (&server.port, &server.hosts[0].host);
            let meta = &object.meta;
            format!(
                "{}/{} {}:{} {host} {scope} {}{tls}",
                meta.namespace,
                meta.name,
                port.protocol,
                port.number,
                selector.join(",")
            )
        }
        Config::VirtualService(object) => {
            let at = match &object.spec.gateways[0] {
                GatewayRef::Mesh => "mesh".to_owned(),
                GatewayRef::Gateway { namespace, name } => format!("{namespace}/{name}"),
            };
            let rules: Vec<String> = object.spec.http.iter().map(|r| r.name.clone()).collect();
            let port = |t: &TlsRoute| t.matches[0].l4.port.map(|port| format!(":{port}>")).unwrap_or_default();
            let ways = object.spec.tls.iter().flat_map(|t| t.route.iter().map(move |r| (t, r)));
            let tls: Vec<String> = ways.map(|(t, r)| format!("{}{}", port(t), r.destination.host)).collect();
            let (meta, host) = (&object.meta, &object.spec.hosts[0]);
            format!("{}/{} {host} at {at}: {}", meta.namespace, meta.name, [rules, tls].concat().join(" "))
        }
        other => panic!("{other:?}"),
    }
}

fn conditions(all: &[Condition]) -> String {
    let one = |c: &Condition| match (c.verdict.holds, c.kind == c.verdict.reason) {
        (true, true) => c.kind.to_owned(),
        (true, false) => format!("{}={}", c.kind, c.verdict.reason),
        (false, _) => format!("!{}={}", c.kind, c.verdict.reason),
    };
    all.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn said(conversion: &Conversion) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    let word = |object: &ObjectRef| {
        assert!(object.kind != Kind::Gateway);
        format!("{}/{}/{}", object.kind.word(), object.namespace, object.name)
    };
    for report in &conversion.gateways {
        assert_eq!(report.generation, 3);
        let status = status::gateway(report, &World);
        let addresses: Vec<&str> = status.addresses.iter().map(|(_, value)| value.as_str()).collect();
        let all = [conditions(&status.conditions), addresses.join(" ")].join(" ");
        said.insert(word(&report.object), all.trim_end().to_owned());
        for listener in &status.listeners {
            let kinds: Vec<&str> = listener.kinds.iter().map(|kind| kind.word()).collect();
            let all = format!("{} {} [{}]", conditions(&listener.conditions), listener.attached, kinds.join(" "));
            // What is right with most listeners is not said.
            let all = all.replace("Accepted !Conflicted=NoConflicts Programmed ResolvedRefs", "ok");
            let all = all.replace("[HTTPRoute GRPCRoute]", "[http]");
            said.insert(format!("{} {}", word(&report.object), listener.name), all);
        }
    }
    for report in &conversion.routes {
        for parent in &report.parents {
            let section = parent.parent.section_name.to_string();
            let key = format!("{} {} {section}", word(&report.object), &*parent.parent.name);
            said.insert(key.trim_end().to_owned(), conditions(&status::parent(parent)));
        }
    }
    said
}

#[test]
fn every_case_is_as_the_gateway_api_says() {
    let cases: Vec<Case> =
        serde_json::from_value(serde_saphyr::from_str::<Value>(include_str!("tests/status.yaml")).expect("YAML"))
            .expect("cases");
    let mut failures = Vec::new();
    for case in &cases {
        let conversion = convert(&store(&case.given));
        let made: Vec<String> = conversion.objects.iter().map(line).collect();
        if case.makes.as_ref().is_some_and(|wanted| *wanted != made) {
            failures.push(format!("{}: it makes\n    {}", case.case, made.join("\n    ")));
        }
        let said = said(&conversion);
        for (what, wanted) in &case.says {
            let got = said.get(what).map_or("nothing", String::as_str);
            if got != wanted {
                failures.push(format!(
                    "{}: {what}\n    should be {wanted}\n    and is    {got}\n    of {:?}",
                    case.case,
                    said.keys()
                ));
            }
        }
        if case.says.is_empty() && case.makes.is_none() {
            failures.push(format!("{}: it asks nothing", case.case));
        }
    }
    assert!(failures.is_empty() && cases.len() > 25, "{} cases fail\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn classes_are_ours_by_their_controller() {
    let class = |name: &str, controller: &str| {
        format!("kind: GatewayClass\nmetadata: {{name: {name}}}\nspec: {{controllerName: {controller}}}")
    };
    let given =
        [class("mine", CONTROLLER), class("nginx", "nginx.org/gateway"), class("istio", "other.io/x")].join("\n---\n");
    let conversion = convert(&store(&given));
    let names: Vec<&str> = conversion.classes.iter().map(|c| &*c.object.name).collect();
    assert_eq!(names, ["mine"]);
    assert!(conversion.classes.iter().all(|c| c.object.namespace.is_empty()));
}
