//! What routes do with a request.

use std::time::Duration;

use http::StatusCode;

use super::*;

fn protobuf(seconds: i64, nanos: i32) -> Option<mesh_proto::envoy::google::protobuf::Duration> {
    Some(mesh_proto::envoy::google::protobuf::Duration { seconds, nanos })
}

fn cluster(name: &str) -> Option<pb::route_action::ClusterSpecifier> {
    Some(pb::route_action::ClusterSpecifier::Cluster(name.into()))
}

#[test]
fn weights_divide_requests() {
    let one = |name: &str, weight: u32| pb::weighted_cluster::ClusterWeight {
        name: name.into(),
        weight: Some(UInt32Value { value: weight }),
        ..Default::default()
    };
    let weighted = |clusters| pb::RouteAction {
        cluster_specifier: Some(pb::route_action::ClusterSpecifier::WeightedClusters(pb::WeightedCluster {
            clusters,
            ..Default::default()
        })),
        ..Default::default()
    };
    let forward = Forward::parse(weighted(vec![one("v1", 80), one("none", 0), one("v2", 20)])).unwrap();
    let count = |name: &str| (0..1000).filter(|random| &*forward.target(*random).cluster == name).count();
    assert_eq!((count("v1"), count("none"), count("v2")), (800, 0, 200));
    assert!(Forward::parse(weighted(vec![one("v1", 0)])).is_err());
}

#[test]
fn timeouts_have_envoys_defaults() {
    let timeout = |timeout| {
        let action = pb::RouteAction { timeout, cluster_specifier: cluster("c"), ..Default::default() };
        Forward::parse(action).unwrap().timeout
    };
    assert_eq!(timeout(None), Some(Duration::from_secs(15)));
    assert_eq!(timeout(protobuf(0, 0)), None);
    assert_eq!(timeout(protobuf(0, 500_000_000)), Some(Duration::from_millis(500)));
}

#[test]
fn paths_are_rewritten() {
    use pb::route_match::PathSpecifier as P;
    let regex = |pattern: &str, by: &str| matcher::RegexMatchAndSubstitute {
        pattern: Some(matcher::RegexMatcher { regex: pattern.into(), ..Default::default() }),
        substitution: by.into(),
    };
    let rewrite = |prefix: &str| pb::RouteAction { prefix_rewrite: prefix.into(), ..Default::default() };
    let cases = [
        (P::Prefix("/api".into()), rewrite("/"), "/api/v1?x=1", "//v1?x=1"),
        (P::Prefix("/api/".into()), rewrite("/"), "/api/v1", "/v1"),
        (P::Path("/api".into()), rewrite("/other"), "/api?y", "/other?y"),
        (
            P::Prefix("/".into()),
            pb::RouteAction { regex_rewrite: Some(regex("^/a/(.*)$", r"/\1/b")), ..Default::default() },
            "/a/x?q",
            "/x/b?q",
        ),
    ];
    for (specifier, action, request, wanted) in cases {
        let action = pb::RouteAction { cluster_specifier: cluster("c"), ..action };
        let route = pb::Route { action: Some(pb::route::Action::Route(action)), ..route("r", path(specifier)) };
        let table = table(vec![host("h", &["*"], vec![route])]);
        let request = Request::new(&format!("GET http://a{request}"));
        let routed = table.route(&request.head(), 0).unwrap();
        let Action::Forward(forward) = &routed.route.action else { panic!("no forward") };
        let rewritten = forward.rewritten_path(&request.head(), routed.matched(&request.head()));
        assert_eq!(rewritten.as_deref(), Some(wanted));
    }
}

#[test]
fn redirects_say_where_to() {
    use pb::redirect_action::{PathRewriteSpecifier as P, SchemeRewriteSpecifier as S};
    let base = pb::RedirectAction::default;
    let cases = [
        (pb::RedirectAction { host_redirect: "b".into(), ..base() }, "http://a:85/x?y", "http://b/x?y"),
        (pb::RedirectAction { port_redirect: 81, ..base() }, "http://a:85/x", "http://a:81/x"),
        (
            pb::RedirectAction { path_rewrite_specifier: Some(P::PathRedirect("/new".into())), ..base() },
            "http://a/x?y",
            "http://a/new?y",
        ),
        (
            pb::RedirectAction { path_rewrite_specifier: Some(P::PathRedirect("/new?z".into())), ..base() },
            "http://a/x?y",
            "http://a/new?z",
        ),
        (
            pb::RedirectAction { path_rewrite_specifier: Some(P::PrefixRewrite("/v2".into())), ..base() },
            "http://a/x/1",
            "http://a/v2/1",
        ),
        (
            pb::RedirectAction { scheme_rewrite_specifier: Some(S::HttpsRedirect(true)), ..base() },
            "http://a:80/x",
            "https://a/x",
        ),
        (
            pb::RedirectAction { scheme_rewrite_specifier: Some(S::SchemeRedirect("https".into())), ..base() },
            "http://a:8080/x",
            "https://a:8080/x",
        ),
        (pb::RedirectAction { strip_query: true, ..base() }, "http://a/x?y", "http://a/x"),
    ];
    for (action, request, wanted) in cases {
        let redirect = Redirect::parse(action).unwrap();
        assert_eq!(redirect.status, StatusCode::MOVED_PERMANENTLY);
        assert_eq!(redirect.location(&Request::new(&format!("GET {request}")).head(), 2), wanted, "{request}");
    }
}

#[test]
fn retries_follow_the_words() {
    use TryOutcome as O;
    let policy = |words: &str| {
        let message = pb::RetryPolicy {
            retry_on: words.into(),
            num_retries: Some(UInt32Value { value: 2 }),
            retriable_status_codes: vec![503],
            ..Default::default()
        };
        RetryPolicy::parse(message)
    };
    let empty = HeaderMap::new();
    let mut unavailable = HeaderMap::new();
    unavailable.insert("grpc-status", "14".parse().unwrap());
    let istio = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
    let status = |code: u16| StatusCode::from_u16(code).unwrap();
    let cases = [
        (istio, O::ConnectFailure, true),
        (istio, O::RefusedStream, true),
        (istio, O::Reset { request_sent: true }, false),
        (istio, O::Response(status(503), &empty), true),
        (istio, O::Response(status(500), &empty), false),
        (istio, O::Response(status(200), &unavailable), true),
        ("5xx", O::Response(status(500), &empty), true),
        ("5xx", O::PerTryTimeout, true),
        ("gateway-error", O::Response(status(500), &empty), false),
        ("gateway-error", O::Response(status(502), &empty), true),
        ("retriable-4xx", O::Response(status(409), &empty), true),
        ("reset-before-request", O::Reset { request_sent: false }, true),
        ("reset-before-request", O::Reset { request_sent: true }, false),
        ("", O::ConnectFailure, false),
    ];
    for (words, outcome, wanted) in cases {
        assert_eq!(policy(words).unwrap().retries_after(&outcome), wanted, "{words}: {outcome:?}");
    }
    assert_eq!(policy("5xx,nonsense").unwrap_err().path(), "retry_on");
    let policy = policy("5xx").unwrap();
    assert!((0..100).all(|n| policy.back_off(1, n * 7919) < Duration::from_millis(25)));
    assert!((0..100).all(|n| policy.back_off(9, n * 7919) < Duration::from_millis(250)));
}

#[test]
fn preflights_are_answered_and_responses_marked() {
    let message = mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::CorsPolicy {
        allow_origin_string_match: vec![exact("https://shop.example")],
        allow_methods: "GET,POST".into(),
        max_age: "60".into(),
        allow_credentials: Some(BoolValue { value: true }),
        ..Default::default()
    };
    let cors = Cors::parse(message).unwrap();
    let verdict = |words: &str| cors.check(&Request::new(words).head(), 0);
    let asks = "origin=https://shop.example access-control-request-method=GET";
    let CorsVerdict::Preflight(Preflight(headers)) = verdict(&format!("OPTIONS http://a/ {asks}")) else {
        panic!("no preflight")
    };
    let mut shown: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    shown.sort();
    let wanted = [
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET,POST",
        "access-control-allow-origin: https://shop.example",
        "access-control-max-age: 60",
    ];
    assert_eq!(shown, wanted);
    assert!(matches!(verdict("GET http://a/ origin=https://shop.example"), CorsVerdict::Allowed(_)));
    assert_eq!(verdict("GET http://a/ origin=https://evil.example"), CorsVerdict::None);
    assert_eq!(verdict("GET http://a/"), CorsVerdict::None);
}

#[test]
fn a_cookie_keeps_a_caller() {
    let cookie = pb::route_action::hash_policy::Cookie {
        name: "user".into(),
        ttl: protobuf(60, 0),
        path: "/".into(),
        ..Default::default()
    };
    let policy = pb::route_action::HashPolicy {
        policy_specifier: Some(pb::route_action::hash_policy::PolicySpecifier::Cookie(cookie)),
        terminal: false,
    };
    let policies = [HashPolicy::parse(policy).unwrap()];
    let affinity = |words: &str| {
        let request = Request::new(words);
        let input = HashInput { head: &request.head(), source: "10.0.0.1".parse().unwrap(), random: 7 };
        Affinity::of(&policies, &input)
    };
    let first = affinity("GET http://a/");
    let set = first.cookie.unwrap().to_str().unwrap().to_owned();
    assert_eq!(set, "user=\"0000000000000007\"; Max-Age=60; Path=/; HttpOnly");
    let again = affinity("GET http://a/ cookie=user=0000000000000007");
    assert_eq!((again.hash, again.cookie), (first.hash, None));
}

#[test]
fn faults_take_their_share() {
    use mesh_proto::envoy::envoy::{extensions::filters::http::fault::v3 as fault, r#type::v3::FractionalPercent};
    let abort = fault::FaultAbort {
        percentage: Some(FractionalPercent { numerator: 25, denominator: 0 }),
        error_type: Some(fault::fault_abort::ErrorType::HttpStatus(418)),
        ..Default::default()
    };
    let parsed = Fault::parse(fault::HttpFault { abort: Some(abort), ..Default::default() }).unwrap();
    let hits = (0..100).filter_map(|random| parsed.abort(random)).count();
    assert_eq!(hits, 25);
    assert_eq!(parsed.abort(0), Some(Abort::Http(StatusCode::IM_A_TEAPOT)));
    assert_eq!(parsed.delay(0), None);
}

#[test]
fn changes_apply_from_the_most_specific_on() {
    let add = |value: &str| core::HeaderValueOption {
        header: Some(core::HeaderValue { key: "x-at".into(), value: value.into(), ..Default::default() }),
        ..Default::default()
    };
    let mut r = route("r", prefix("/"));
    r.request_headers_to_add = vec![add("route")];
    let mut h = host("h", &["*"], vec![r]);
    h.request_headers_to_add = vec![add("host")];
    let table = table(vec![h]);
    let request = Request::new("GET http://a/");
    let routed = table.route(&request.head(), 0).unwrap();
    struct None;
    impl crate::Facts for None {
        fn write(&self, _: &crate::Fact, _: &mut String) -> bool {
            false
        }
    }
    let mut headers = HeaderMap::new();
    routed.changes(Option::None).for_each(|c| c.request.apply(&mut headers, &None));
    let values: Vec<_> = headers.get_all("x-at").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!(values, ["route", "host"]);
}
