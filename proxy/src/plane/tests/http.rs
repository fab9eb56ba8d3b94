//! What becomes of a request and its answer.

use serde_json::json;

use super::rig::{Rig, all_to, answer, cluster, echo, get, listener, request, upstream};

#[tokio::test]
async fn a_request_goes_to_its_cluster_and_back() {
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[echo().await], json!({}))]).await;
    let answer = rig.ask(request("POST", "/x/../y?q=1", "hello")).await;
    assert_eq!(answer.status, 200);
    let lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!(lines[0], "POST /y?q=1 HTTP/1.1");
    assert!(lines.contains(&"host: test") && lines.contains(&"x-forwarded-proto: http"), "{lines:?}");
    assert!(lines.contains(&"x-envoy-attempt-count: 1") && lines.contains(&"content-length: 5"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("x-request-id: ") && line.len() == 14 + 36), "{lines:?}");
    assert!(answer.text().ends_with("\n\nhello"));
    assert_eq!(answer.header("server"), "envoy");
    assert!(answer.header("x-envoy-upstream-service-time").parse::<u64>().is_ok());
    assert_eq!(rig.stat("cluster.a.upstream_rq_2xx"), 1);
    assert_eq!(rig.stat("http.test.downstream_rq_2xx"), 1);
}

#[tokio::test]
async fn what_belongs_to_a_connection_ends_with_it() {
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[echo().await], json!({}))]).await;
    let mut asked = get("/");
    for (name, value) in [
        ("connection", "x-mine, keep-alive"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
        ("x-envoy-max-retries", "99"),
        ("x-forwarded-client-cert", "Hash=0"),
        ("x-request-id", "kept"),
    ] {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = rig.ask(asked).await;
    let seen = answer.text();
    for gone in ["x-mine", "keep-alive", "te:", "x-envoy-max-retries", "x-forwarded-client-cert"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert!(seen.contains("x-request-id: kept\n"), "{seen}");
}

#[tokio::test]
async fn routes_rewrite_change_headers_redirect_and_answer() {
    let routes = json!([
        { "match": { "path": "/moved" }, "redirect": { "host_redirect": "there", "path_redirect": "/new" } },
        { "match": { "path": "/said" }, "direct_response": { "status": 418, "body": { "inline_string": "tea" } },
          "response_headers_to_add": [{ "header": { "key": "x-kind", "value": "direct" } }] },
        { "match": { "prefix": "/old" },
          "route": { "cluster": "a", "prefix_rewrite": "/new", "host_rewrite_literal": "other" },
          "request_headers_to_add": [{ "header": { "key": "x-from", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" } }],
          "request_headers_to_remove": ["x-secret"],
          "response_headers_to_add": [{ "header": { "key": "x-code", "value": "%RESPONSE_CODE%" } }] },
        { "match": { "prefix": "/lost" }, "route": { "cluster": "nowhere" } },
        { "match": { "prefix": "/empty" }, "route": { "cluster": "empty" } },
    ]);
    let clusters = [cluster("a", &[echo().await], json!({})), cluster("empty", &[], json!({}))];
    let rig = Rig::new(listener(routes, json!({})), &clusters).await;

    let moved = rig.get("/moved?q=1").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (301, "http://there/new?q=1"));
    let said = rig.get("/said").await;
    assert_eq!((said.status.as_u16(), said.text(), said.header("x-kind")), (418, "tea", "direct"));
    assert_eq!(said.header("content-type"), "text/plain");

    let mut asked = get("/old/page?q=1");
    asked.headers_mut().insert("x-secret", "1".parse().unwrap());
    let changed = rig.ask(asked).await;
    let seen = changed.text();
    assert!(seen.starts_with("GET /new/page?q=1 "), "{seen}");
    assert!(seen.contains("host: other\n") && seen.contains("x-from: 127.0.0.1\n"), "{seen}");
    assert!(seen.contains("x-envoy-original-path: /old/page?q=1\n") && !seen.contains("x-secret"), "{seen}");
    assert_eq!(changed.header("x-code"), "200");

    assert_eq!(rig.get("/unknown").await.status, 404);
    assert_eq!(rig.get("/lost").await.status, 503);
    let empty = rig.get("/empty").await;
    assert_eq!((empty.status.as_u16(), empty.text()), (503, "no healthy upstream"));
}

#[tokio::test]
async fn faults_and_origins_are_answered_here() {
    const FAULT: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
    const CORS: &str = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy";
    let routes = json!([
        { "match": { "prefix": "/broken" }, "route": { "cluster": "a" }, "typed_per_filter_config": { "fault": {
            "@type": FAULT, "abort": { "http_status": 555, "percentage": { "numerator": 100 } } } } },
        { "match": { "prefix": "/slow" }, "route": { "cluster": "a" }, "typed_per_filter_config": { "fault": {
            "@type": FAULT, "delay": { "fixed_delay": "0.2s", "percentage": { "numerator": 100 } } } } },
        { "match": { "prefix": "/" }, "route": { "cluster": "a" }, "typed_per_filter_config": { "cors": {
            "@type": CORS, "allow_origin_string_match": [{ "exact": "http://page" }], "allow_methods": "GET" } } },
    ]);
    let rig = Rig::new(listener(routes, json!({})), &[cluster("a", &[echo().await], json!({}))]).await;

    let broken = rig.get("/broken").await;
    assert_eq!((broken.status.as_u16(), broken.text()), (555, "fault filter abort"));
    assert_eq!(rig.stat("http.test.downstream_rq_5xx"), 1);
    let began = std::time::Instant::now();
    assert_eq!(rig.get("/slow").await.status, 200);
    assert!(began.elapsed().as_millis() >= 200);

    let mut preflight = request("OPTIONS", "/", "");
    preflight.headers_mut().insert("origin", "http://page".parse().unwrap());
    preflight.headers_mut().insert("access-control-request-method", "GET".parse().unwrap());
    let preflight = rig.ask(preflight).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-methods")), (200, "GET"));
    let mut asked = get("/");
    asked.headers_mut().insert("origin", "http://page".parse().unwrap());
    assert_eq!(rig.ask(asked).await.header("access-control-allow-origin"), "http://page");
}

#[tokio::test]
async fn weights_and_copies_are_followed() {
    let (first, second) = (upstream(|_, _| answer(200, "first")).await, upstream(|_, _| answer(200, "second")).await);
    let (seen, copies) = tokio::sync::mpsc::unbounded_channel();
    let shadow = upstream(move |parts, body| {
        seen.send(format!("{:?} {:?}", parts.headers.get("host").unwrap(), body)).unwrap();
        answer(500, "nobody cares")
    });
    let clusters = [
        cluster("first", &[first], json!({})),
        cluster("second", &[second], json!({})),
        cluster("shadow", &[shadow.await], json!({})),
    ];
    let routes = json!([{ "match": { "prefix": "/" }, "route": {
        "weighted_clusters": { "clusters": [
            { "name": "first", "weight": 3 },
            { "name": "second", "weight": 1, "response_headers_to_add": [{ "header": { "key": "x-second", "value": "yes" } }] },
        ] },
        "request_mirror_policies": [{ "cluster": "shadow" }],
    } }]);
    let rig = Rig::new(listener(routes, json!({})), &clusters).await;
    let mut seconds = 0;
    for _ in 0..200 {
        let answer = rig.ask(request("POST", "/", "body")).await;
        assert_eq!(answer.header("x-second") == "yes", answer.text() == "second");
        seconds += u32::from(answer.text() == "second");
    }
    assert!((20..=80).contains(&seconds), "{seconds} of 200");
    let mut copies = copies;
    for _ in 0..200 {
        let copy = tokio::time::timeout(std::time::Duration::from_secs(5), copies.recv()).await.unwrap().unwrap();
        assert_eq!(copy, "\"test-shadow\" b\"body\"");
    }
}

#[tokio::test]
async fn a_new_configuration_holds_for_connections_that_are_open() {
    let (old, new) = (upstream(|_, _| answer(200, "old")).await, upstream(|_, _| answer(200, "new")).await);
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[old], json!({}))]).await;
    let stream = rig.connect().await;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    for expected in ["old", "new"] {
        sender.ready().await.unwrap();
        let response = sender.send_request(get("/")).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        assert_eq!(body, expected);
        rig.configure(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[new], json!({}))]);
    }
}
