//! What good documents mean.

use std::time::Duration;

use super::unwrap;
use crate::config::{
    AbortStatus, ClientTls, Delegate, ExportScope, FieldMatch, GatewayRef, HashKey, HashTable, LbAlgorithm,
    LocalityRule, Percent, RedirectCode, RedirectPort, Retries, RouteAction, StringMatch, UriRewrite,
};

#[test]
fn short_names_are_completed_with_the_namespace_of_the_object() {
    let vs = unwrap!(
        VirtualService,
        "{hosts: [reviews, a.example.org], http: [{route: [{destination: {host: reviews}}], mirror: {host: m}}]}"
    );
    assert_eq!(vs.hosts[0].as_str(), "reviews.shop.svc.cluster.local");
    assert_eq!(vs.hosts[1].as_str(), "a.example.org");
    let RouteAction::Forward(to) = &vs.http[0].action else { panic!() };
    assert_eq!(to[0].destination.host.as_str(), "reviews.shop.svc.cluster.local");
    assert_eq!(vs.http[0].mirrors[0].destination.host.as_str(), "m.shop.svc.cluster.local");
    // A gateway is asked for the name as written.
    let vs = unwrap!(VirtualService, "{hosts: [reviews], gateways: [g], http: [{route: [{destination: {host: r}}]}]}");
    assert_eq!(vs.hosts[0].as_str(), "reviews");
    assert!(!vs.binds_mesh());
    let rule = unwrap!(DestinationRule, "{host: reviews}");
    assert_eq!(rule.host.as_str(), "reviews.shop.svc.cluster.local");
}

#[test]
fn gateways_are_named_in_three_ways() {
    let vs = unwrap!(
        VirtualService,
        "{hosts: [a.b], gateways: [mesh, g, ns/g, g.other.svc.cluster.local], http: [{route: [{destination: {host: r}}]}]}"
    );
    let of = |ns: &str| GatewayRef::Gateway { namespace: ns.into(), name: "g".into() };
    assert_eq!(vs.gateways, [GatewayRef::Mesh, of("shop"), of("ns"), of("other")]);
    let vs = unwrap!(VirtualService, "{hosts: [a.b], exportTo: [., x], http: [{route: [{destination: {host: r}}]}]}");
    assert_eq!(vs.gateways, [GatewayRef::Mesh]);
    assert_eq!(vs.export_to.unwrap().0, [ExportScope::Own, ExportScope::Namespace("x".into())]);
}

#[test]
fn weights_are_parts_of_their_sum() {
    let weights = |route: &str| {
        let vs = unwrap!(VirtualService, &format!("{{hosts: [a.b], http: [{{route: [{route}]}}]}}"));
        let RouteAction::Forward(to) = vs.http[0].action.clone() else { panic!() };
        to.into_iter().map(|d| (d.destination.subset.unwrap_or_default(), d.weight.get())).collect::<Vec<_>>()
    };
    let to = |subset: &str, weight: u32| format!("{{destination: {{host: x, subset: {subset}}}, weight: {weight}}}");
    assert_eq!(weights(&to("v1", 0)), [("v1".to_owned(), 1)], "alone: all");
    assert_eq!(weights(&to("v1", 30)), [("v1".to_owned(), 1)], "alone: all");
    let three = [to("v1", 1), to("v2", 0), to("v3", 2)].join(", ");
    assert_eq!(weights(&three), [("v1".to_owned(), 1), ("v3".to_owned(), 2)], "nothing for weight 0");
}

const RICH: &str = "
hosts: [a.b]
http:
- name: first
  match:
  - name: m
    uri: {prefix: /api}
    method: {exact: GET}
    headers: {End-User: {exact: jason}, x-there: {}}
    withoutHeaders: {x-not: {regex: 'a.*'}}
    queryParams: {q: {prefix: a}}
    ignoreUriCase: true
    port: 9080
    sourceLabels: {app: a}
    sourceNamespace: ns
  rewrite: {uri: /v2, authority: c.d}
  timeout: 1.5s
  retries: {attempts: 3, perTryTimeout: 250ms, retryOn: '5xx, 409 ,reset', retryRemoteLocalities: true}
  fault:
    delay: {fixedDelay: 7s, percentage: {value: 0.5}}
    abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}
  mirrors: [{destination: {host: m.n, port: {number: 8080}}, percentage: {value: 10}}]
  corsPolicy: {allowOrigins: [{exact: 'https://a.b'}], allowMethods: [GET], maxAge: 24h, allowCredentials: true}
  headers:
    request: {add: {a: b}, remove: [c]}
    response: {set: {d: '%REQ(x)%'}}
  route: [{destination: {host: r.s, subset: v1}, headers: {request: {set: {host: e.f}}}}]
- match: [{uri: {exact: /old}}]
  redirect: {uri: /new, derivePort: FROM_PROTOCOL_DEFAULT, redirectCode: 308}
- match: [{uri: {regex: '/r.*'}}]
  directResponse: {status: 503, body: {bytes: YWI=}}
- match: [{uri: {prefix: /d}}]
  delegate: {name: d}
";

#[test]
fn a_rule_with_everything() {
    let vs = unwrap!(VirtualService, RICH);
    let rule = &vs.http[0];
    assert_eq!(
        (rule.origin.object.to_string().as_str(), rule.origin.path().as_str()),
        ("VirtualService/shop/it", "spec.http[0]")
    );
    let m = &rule.matches[0];
    assert_eq!(m.uri, Some(StringMatch::Prefix("/api".into())));
    assert_eq!(m.headers["end-user"], FieldMatch::Value(StringMatch::Exact("jason".into())));
    assert_eq!(m.headers["x-there"], FieldMatch::Present);
    assert_eq!((m.port.unwrap().get(), m.source.namespace.as_deref()), (9080, Some("ns")));
    assert!(!m.takes_every_request());
    assert_eq!(rule.timeout, Some(Duration::from_millis(1500)));
    let Some(Retries::On(retries)) = &rule.retries else { panic!() };
    assert_eq!((retries.attempts.get(), retries.statuses.as_slice()), (3, [409].as_slice()));
    assert_eq!(retries.conditions, ["5xx", "reset"]);
    let rewrite = rule.rewrite.as_ref().unwrap();
    assert_eq!(rewrite.uri, Some(UriRewrite::Replace("/v2".into())));
    let fault = rule.fault.as_ref().unwrap();
    assert_eq!(fault.delay.as_ref().unwrap().share.millionths(), 5_000);
    assert_eq!(fault.abort.as_ref().unwrap().status, AbortStatus::Grpc(14));
    assert_eq!(rule.mirrors[0].share, Percent::parse(10.0).unwrap());
    assert_eq!(rule.cors.as_ref().unwrap().max_age, Some(Duration::from_secs(86_400)));
    assert_eq!(rule.headers.request.remove, ["c"]);
    let RouteAction::Forward(to) = &rule.action else { panic!() };
    assert_eq!(to[0].headers.host.as_deref(), Some("e.f"));
    assert!(to[0].headers.request.is_empty());
}

#[test]
fn the_other_actions() {
    let vs = unwrap!(VirtualService, RICH);
    let RouteAction::Redirect(redirect) = &vs.http[1].action else { panic!() };
    assert_eq!((redirect.code, redirect.port), (RedirectCode::PermanentRedirect, Some(RedirectPort::OfProtocol)));
    let RouteAction::DirectResponse(answer) = &vs.http[2].action else { panic!() };
    assert_eq!((answer.status, answer.body.as_deref()), (503, Some(b"ab".as_slice())));
    let delegate = Delegate { namespace: "shop".into(), name: "d".into() };
    assert_eq!(vs.http[3].action, RouteAction::Delegate(delegate));
    assert_eq!(vs.http[3].origin.path(), "spec.http[3]");
}

#[test]
fn claims_of_tokens() {
    let spec = |name: &str| {
        format!(
            "{{hosts: [a.b], gateways: [g], http: [{{match: [{{headers: {{'{name}': {{exact: x}}}}}}], route: [{{destination: {{host: r}}}}]}}]}}"
        )
    };
    for (name, path) in [
        ("@request.auth.claims.sub", vec!["sub"]),
        ("@request.auth.claims.a.b", vec!["a", "b"]),
        ("@request.auth.claims[a.b][c]", vec!["a.b", "c"]),
    ] {
        let vs = unwrap!(VirtualService, &spec(name));
        assert_eq!(vs.http[0].matches[0].claims[0].path, path, "{name}");
    }
    assert!(super::networking("VirtualService", &spec("@request.auth.claims")).is_err());
}

#[test]
fn traffic_policies() {
    let rule = unwrap!(
        DestinationRule,
        "
host: a.b
trafficPolicy:
  loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 0s}}}
  connectionPool: {tcp: {maxConnections: 7, connectTimeout: 30ms, idleTimeout: 0s}, http: {maxRetries: 0, http2MaxRequests: 9}}
  outlierDetection: {consecutive5xxErrors: 7, interval: 5m, baseEjectionTime: 15m, maxEjectionPercent: 50}
  tls: {mode: SIMPLE, sni: x.y}
  portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]
subsets:
- {name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: UNSPECIFIED, localityLbSetting: {distribute: [{from: a/*, to: {'a/*': 80, 'b/*': 20}}]}}}}
"
    );
    let policy = rule.policy.unwrap();
    let key = HashKey::Cookie { name: "user".into(), path: String::new(), ttl: Some(Duration::ZERO) };
    let table = HashTable::Ring { minimum_size: 1024 };
    assert_eq!(policy.blocks.load_balancer.unwrap().algorithm, Some(LbAlgorithm::ConsistentHash { key, table }));
    let pool = policy.blocks.connection_pool.unwrap();
    assert_eq!(pool.tcp.max_connections.unwrap().get(), 7);
    assert_eq!((pool.tcp.idle_timeout, pool.http.max_retries), (Some(Duration::ZERO), None));
    assert_eq!(policy.blocks.outlier_detection.unwrap().max_ejection_percent, Some(50));
    let Some(ClientTls::Simple(tls)) = policy.blocks.tls else { panic!() };
    assert_eq!(tls.sni.as_deref(), Some("x.y"));
    assert_eq!(policy.ports.keys().map(|p| p.get()).collect::<Vec<_>>(), [80]);
    let lb = rule.subsets[0].policy.clone().unwrap().blocks.load_balancer.unwrap();
    assert_eq!(lb.algorithm, Some(LbAlgorithm::LeastRequest));
    assert!(matches!(lb.locality.unwrap().rule, LocalityRule::Distribute(_)));
}

#[test]
fn fields_without_effect_are_listed() {
    let spec = "{hosts: [a.b], gateways: [mesh, g], http: [{retries: {attempts: 1, retryRemoteLocalities: true}, route: [{destination: {host: r}}]}, {retries: {attempts: 1, retryRemoteLocalities: false}, route: [{destination: {host: r}}]}], tcp: [{match: [{sourceSubnet: 10.0.0.0/8}], route: [{destination: {host: r}}]}]}";
    let listed = super::good("VirtualService", spec).without_effect;
    let paths = ["spec.http[0].retries.retryRemoteLocalities", "spec.tcp[0].match[0].sourceSubnet"];
    assert_eq!(listed, paths.map(Into::into));
}
