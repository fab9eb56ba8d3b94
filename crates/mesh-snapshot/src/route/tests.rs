use http::{HeaderMap, HeaderName, Method};
use mesh_proto::envoy::{
    envoy::{config::core::v3 as core, r#type::matcher::v3 as matcher},
    google::protobuf::{BoolValue, UInt32Value},
};

use super::*;

mod actions;
mod properties;

/// A request from words: `GET http://host/path?query name=value ...`.
struct Request {
    method: Method,
    authority: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    fn new(words: &str) -> Self {
        let mut words = words.split(' ');
        let method = words.next().unwrap().parse().unwrap();
        let url = words.next().unwrap().strip_prefix("http://").unwrap().to_owned();
        let (authority, path) = url.split_at(url.find('/').unwrap());
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q.to_owned())));
        let mut headers = HeaderMap::new();
        for word in words {
            let (name, value) = word.split_once('=').unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Self { method, authority: authority.to_owned(), path: path.to_owned(), query, headers }
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            scheme: "http",
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

fn forward(cluster: &str) -> pb::route::Action {
    pb::route::Action::Route(pb::RouteAction {
        cluster_specifier: Some(pb::route_action::ClusterSpecifier::Cluster(cluster.into())),
        ..Default::default()
    })
}

fn route(name: &str, matching: pb::RouteMatch) -> pb::Route {
    pb::Route { name: name.into(), r#match: Some(matching), action: Some(forward(name)), ..Default::default() }
}

fn prefix(text: &str) -> pb::RouteMatch {
    path(pb::route_match::PathSpecifier::Prefix(text.into()))
}

fn path(specifier: pb::route_match::PathSpecifier) -> pb::RouteMatch {
    pb::RouteMatch { path_specifier: Some(specifier), ..Default::default() }
}

fn host(name: &str, domains: &[&str], routes: Vec<pb::Route>) -> pb::VirtualHost {
    let domains = domains.iter().map(|d| (*d).to_owned()).collect();
    pb::VirtualHost { name: name.into(), domains, routes, ..Default::default() }
}

fn table(hosts: Vec<pb::VirtualHost>) -> RouteTable {
    let message =
        pb::RouteConfiguration { virtual_hosts: hosts, ignore_port_in_host_matching: true, ..Default::default() };
    RouteTable::parse(message).unwrap()
}

fn found(table: &RouteTable, request: &str) -> Option<String> {
    table.route(&Request::new(request).head(), 0).map(|r| format!("{}:{}", r.virtual_host.name, r.route.name))
}

#[test]
fn the_most_specific_host_wins() {
    let all = |name: &str, domains: &[&str]| host(name, domains, vec![route("r", prefix("/"))]);
    let table = table(vec![
        all("any", &["*"]),
        all("com", &["*.com"]),
        all("shop", &["*.shop.com"]),
        all("dash", &["*-x.shop.com"]),
        all("one", &["a.shop.com", "Reviews"]),
        all("start", &["www.*"]),
    ]);
    let cases = [
        ("a.shop.com", "one"),
        ("A.Shop.COM:8080", "one"),
        ("b.shop.com", "shop"),
        ("a-x.shop.com", "dash"),
        ("x.com", "com"),
        (".com", "any"),
        ("www.net", "start"),
        ("www.com", "com"),
        ("www.", "any"),
        ("reviews", "one"),
        ("reviews.default", "any"),
        ("[::1]:80", "any"),
    ];
    for (authority, wanted) in cases {
        let found = found(&table, &format!("GET http://{authority}/"));
        assert_eq!(found.unwrap(), format!("{wanted}:r"), "{authority}");
    }
}

#[test]
fn a_host_may_be_there_once() {
    let twice = pb::RouteConfiguration {
        virtual_hosts: vec![host("a", &["x"], vec![]), host("b", &["X"], vec![])],
        ..Default::default()
    };
    let bad = RouteTable::parse(twice).unwrap_err();
    assert_eq!(bad.path(), "virtual_hosts[1].domains");
}

#[test]
fn paths_match_in_each_way() {
    use pb::route_match::PathSpecifier as P;
    let insensitive = |mut m: pb::RouteMatch| {
        m.case_sensitive = Some(BoolValue { value: false });
        m
    };
    let regex = matcher::RegexMatcher { regex: "/v[0-9]+/.*".into(), ..Default::default() };
    let cases = [
        (prefix("/foo"), "/foo", true),
        (prefix("/foo"), "/foobar", true),
        (prefix("/foo"), "/Foo", false),
        (insensitive(prefix("/foo")), "/FOObar", true),
        (path(P::Path("/foo".into())), "/foo?x=/foo/", true),
        (path(P::Path("/foo".into())), "/foo/", false),
        (insensitive(path(P::Path("/foo".into()))), "/FOO", true),
        (path(P::PathSeparatedPrefix("/foo".into())), "/foo", true),
        (path(P::PathSeparatedPrefix("/foo".into())), "/foo/bar", true),
        (path(P::PathSeparatedPrefix("/foo".into())), "/foobar", false),
        (path(P::SafeRegex(regex.clone())), "/v1/x?y", true),
        (path(P::SafeRegex(regex)), "/w/v1/x", false),
    ];
    for (matching, request, wanted) in cases {
        let table = table(vec![host("h", &["*"], vec![route("r", matching.clone())])]);
        assert_eq!(found(&table, &format!("GET http://a{request}")).is_some(), wanted, "{matching:?} on {request}");
    }
}

fn header(name: &str, test: Option<pb::header_matcher::HeaderMatchSpecifier>) -> pb::HeaderMatcher {
    pb::HeaderMatcher { name: name.into(), header_match_specifier: test, ..Default::default() }
}

fn exact(text: &str) -> matcher::StringMatcher {
    let pattern = matcher::string_matcher::MatchPattern::Exact(text.into());
    matcher::StringMatcher { match_pattern: Some(pattern), ignore_case: false }
}

#[test]
fn headers_and_queries_match_in_each_way() {
    use pb::header_matcher::HeaderMatchSpecifier as H;
    let invert = |mut h: pb::HeaderMatcher| {
        h.invert_match = true;
        h
    };
    let empty = |mut h: pb::HeaderMatcher| {
        h.treat_missing_header_as_empty = true;
        h
    };
    let user = || header("end-user", Some(H::StringMatch(exact("jason"))));
    let cases = [
        (user(), "end-user=jason", true),
        (user(), "end-user=other", false),
        (user(), "x=y", false),
        (invert(user()), "end-user=other", true),
        (invert(user()), "x=y", false),
        (empty(invert(user())), "x=y", true),
        (header("A", Some(H::StringMatch(exact("1,2")))), "a=1 a=2", true),
        (header("a", None), "a=1", true),
        (header("a", Some(H::PresentMatch(true))), "b=1", false),
        (invert(header("a", Some(H::PresentMatch(true)))), "b=1", true),
        (header("a", Some(H::PresentMatch(false))), "b=1", true),
        (header(":method", Some(H::StringMatch(exact("GET")))), "b=1", true),
        (header(":authority", Some(H::StringMatch(exact("a:80")))), "b=1", true),
        (header(":path", Some(H::StringMatch(exact("/p?q=1&r")))), "b=1", true),
        (
            header("n", Some(H::RangeMatch(mesh_proto::envoy::envoy::r#type::v3::Int64Range { start: -1, end: 2 }))),
            "n=1",
            true,
        ),
        (
            header("n", Some(H::RangeMatch(mesh_proto::envoy::envoy::r#type::v3::Int64Range { start: -1, end: 2 }))),
            "n=2",
            false,
        ),
    ];
    for (test, headers, wanted) in cases {
        let matching = pb::RouteMatch { headers: vec![test.clone()], ..prefix("/") };
        let table = table(vec![host("h", &["*"], vec![route("r", matching)])]);
        let request = format!("GET http://a:80/p?q=1&r {headers}");
        assert_eq!(found(&table, &request).is_some(), wanted, "{test:?} on {headers}");
    }
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier as Q;
    let queries = [
        ("q", Some(Q::StringMatch(exact("1"))), true),
        ("q", Some(Q::StringMatch(exact("2"))), false),
        ("r", Some(Q::PresentMatch(true)), true),
        ("s", None, false),
    ];
    for (name, test, wanted) in queries {
        let query = pb::QueryParameterMatcher { name: name.into(), query_parameter_match_specifier: test };
        let matching = pb::RouteMatch { query_parameters: vec![query], ..prefix("/") };
        let table = table(vec![host("h", &["*"], vec![route("r", matching)])]);
        assert_eq!(found(&table, "GET http://a/p?q=1&r").is_some(), wanted, "{name}");
    }
}

#[test]
fn routes_are_tried_in_the_written_order() {
    let table = table(vec![host(
        "reviews",
        &["reviews"],
        vec![
            route(
                "jason",
                pb::RouteMatch {
                    headers: vec![header(
                        "end-user",
                        Some(pb::header_matcher::HeaderMatchSpecifier::StringMatch(exact("jason"))),
                    )],
                    ..prefix("/")
                },
            ),
            route("v1", prefix("/")),
            route("never", prefix("/deeper")),
        ],
    )]);
    assert_eq!(found(&table, "GET http://reviews/ end-user=jason").unwrap(), "reviews:jason");
    assert_eq!(found(&table, "GET http://reviews/deeper").unwrap(), "reviews:v1");
    assert_eq!(found(&table, "GET http://ratings/"), None);
}

#[test]
fn whoever_asks_why_hears_every_reason() {
    use pb::header_matcher::HeaderMatchSpecifier as H;
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier as Q;
    let user =
        |invert_match| pb::HeaderMatcher { invert_match, ..header("end-user", Some(H::StringMatch(exact("jason")))) };
    let query =
        |name: &str, test| pb::QueryParameterMatcher { name: name.into(), query_parameter_match_specifier: Some(test) };
    let regex = matcher::RegexMatcher { regex: "/v[0-9]".into(), ..Default::default() };
    let strict = pb::RouteMatch {
        headers: vec![user(false), header(":method", Some(H::StringMatch(exact("POST")))), header("x", None)],
        query_parameters: vec![query("q", Q::PresentMatch(true)), query("r", Q::StringMatch(exact("2")))],
        ..path(pb::route_match::PathSpecifier::Path("/a".into()))
    };
    let odd = pb::RouteMatch { headers: vec![user(true)], ..path(pb::route_match::PathSpecifier::SafeRegex(regex)) };
    let table =
        table(vec![host("h", &["*"], vec![route("strict", strict), route("odd", odd), route("b", prefix("/b"))])]);
    let reasons = |request: &str| -> Vec<String> {
        let request = Request::new(request);
        let search = table.search(&request.head(), 0);
        search.passed.iter().map(|(route, because)| format!("{}: {}", route.name, because.join("; "))).collect()
    };
    assert_eq!(
        reasons("GET http://a/b?r=1 end-user=other"),
        [
            "strict: the path is `/b`, should be `/a`; header `end-user` is `other`, should be `jason`; the method is `GET`, \
             should be `POST`; header `x` is absent, should be there; query parameter `q` is absent, should be there; query \
             parameter `r` is `1`, should be `2`",
            "odd: the path is `/b`, should match `/v[0-9]`",
        ]
    );
    assert_eq!(
        reasons("POST http://a/v1"),
        [
            "strict: the path is `/v1`, should be `/a`; header `end-user` is absent, should be `jason`; header `x` is absent, \
             should be there; query parameter `q` is absent, should be there; query parameter `r` is absent, should be `2`",
            "odd: header `end-user` is absent, should be there and not be `jason`",
            "b: the path is `/v1`, should begin with `/b`",
        ]
    );
}

#[test]
fn unknown_fields_are_refused_by_name() {
    let mut bad = route("r", prefix("/"));
    bad.request_body_buffer_limit = Some(mesh_proto::envoy::google::protobuf::UInt64Value { value: 1 });
    let message = pb::RouteConfiguration { virtual_hosts: vec![host("h", &["*"], vec![bad])], ..Default::default() };
    assert_eq!(
        RouteTable::parse(message).unwrap_err().to_string(),
        "virtual_hosts[0].routes[0].request_body_buffer_limit: is not supported"
    );
}
