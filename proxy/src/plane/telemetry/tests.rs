use http::{HeaderMap, HeaderValue};

use super::{labels::testing::a_cluster, peer::METADATA, *};
use crate::plane::stats::testing::{Family, families};

fn workload(name: &str) -> Workload {
    Workload { name: name.into(), namespace: "default".into(), ..Workload::default() }
}

fn telemetry() -> Arc<Telemetry> {
    Arc::new(Telemetry::new(workload("productpage-v1"), "sidecar~10.0.0.1~productpage-v1-1.default~default.svc"))
}

fn measured<'a>() -> Measured<'a> {
    Measured {
        reporter: Reporter::Source,
        peer: None,
        cluster: None,
        grpc: None,
        code: 200,
        flags: Flags::default(),
        duration: Duration::from_micros(4_250),
        request_bytes: 300,
        response_bytes: 12_000,
    }
}

fn told(telemetry: &Telemetry) -> Vec<Family> {
    let mut text = String::new();
    telemetry.prometheus(&mut text);
    families(&text)
}

/// The values of a family's samples whose labels have all of these.
fn values(telemetry: &Telemetry, family: &str, labels: &[&str]) -> Vec<f64> {
    let told = told(telemetry);
    let Some(family) = told.iter().find(|f| f.name == family) else { return Vec::new() };
    let matching = family.samples.iter().filter(|(sample, _)| labels.iter().all(|label| sample.contains(label)));
    matching.map(|(_, value)| *value).collect()
}

fn headers_of(said: &Workload) -> HeaderMap {
    let mut headers = HeaderMap::new();
    Introduction::new(said, "sidecar~10.0.0.2~pod.default~d").set(&mut headers);
    headers
}

#[test]
fn a_quiet_proxy_tells_its_version() {
    let telemetry = telemetry();
    let told = told(&telemetry);
    assert_eq!(told.iter().map(|f| &*f.name).collect::<Vec<_>>(), ["istio_build", "istio_proxy_peers_overflow_total"]);
    assert_eq!(values(&telemetry, "istio_build", &["component=\"proxy\"", "tag=\""]), [1.0]);
}

#[test]
fn requests_are_counted_with_time_and_bytes() {
    let telemetry = telemetry();
    let recorder = Recorder::new(telemetry.clone());
    recorder.request(&measured());
    recorder.request(&Measured { duration: Duration::from_millis(700), ..measured() });
    recorder.request(&Measured { code: 503, flags: Flags::NO_HEALTHY_UPSTREAM, ..measured() });

    let ok = "response_code=\"200\"";
    assert_eq!(values(&telemetry, "istio_requests_total", &[ok]), [2.0]);
    let failed = ["response_code=\"503\"", "response_flags=\"UH\""];
    assert_eq!(values(&telemetry, "istio_requests_total", &failed), [1.0]);
    let duration = |part| values(&telemetry, "istio_request_duration_milliseconds", &[ok, part]);
    assert_eq!(duration("_sum{"), [704.25]);
    assert_eq!(duration("_count{"), [2.0]);
    assert_eq!(duration("le=\"1\""), [0.0]);
    assert_eq!(duration("le=\"5\""), [1.0]);
    assert_eq!(duration("le=\"500\""), [1.0]);
    assert_eq!(duration("le=\"1000\""), [2.0]);
    assert_eq!(duration("le=\"+Inf\""), [2.0]);
    assert_eq!(duration("_bucket{").len(), 20);
    assert_eq!(values(&telemetry, "istio_request_bytes", &[ok, "_sum{"]), [600.0]);
    assert_eq!(values(&telemetry, "istio_response_bytes", &[ok, "_sum{"]), [24_000.0]);
}

#[test]
fn workers_share_series() {
    let telemetry = telemetry();
    let cluster = a_cluster("outbound|80||a.b.svc.cluster.local", None);
    let peer = Arc::new(workload("reviews-v1"));
    for _ in 0..3 {
        let recorder = Recorder::new(telemetry.clone());
        recorder.request(&Measured { cluster: Some(&cluster), peer: Some(&peer), ..measured() });
        // What is the same workload elsewhere in memory is the same series.
        let again = Arc::new((*peer).clone());
        recorder.request(&Measured { cluster: Some(&cluster), peer: Some(&again), ..measured() });
    }
    assert_eq!(values(&telemetry, "istio_requests_total", &[]), [6.0]);
}

#[test]
fn what_differs_is_another_series() {
    let telemetry = telemetry();
    let recorder = Recorder::new(telemetry.clone());
    let peer = Arc::new(workload("reviews-v1"));
    let cluster = a_cluster("c", Some(("a.b", "a", "b")));
    for changed in [
        measured(),
        Measured { reporter: Reporter::Destination, ..measured() },
        Measured { peer: Some(&peer), ..measured() },
        Measured { cluster: Some(&cluster), ..measured() },
        Measured { grpc: Some(Some(0)), ..measured() },
        Measured { code: 404, ..measured() },
        Measured { flags: Flags::UPSTREAM_TIMEOUT, ..measured() },
    ] {
        recorder.request(&changed);
        recorder.request(&changed);
    }
    assert_eq!(values(&telemetry, "istio_requests_total", &[]), [2.0; 7]);
}

#[test]
fn messages_are_counted_by_their_parties() {
    let telemetry = telemetry();
    let recorder = Recorder::new(telemetry.clone());
    let (reviews, ratings) = (Arc::new(workload("reviews-v1")), Arc::new(workload("ratings-v1")));
    let call = |peer, messages: u64| {
        let parties = Parties { reporter: Reporter::Source, peer: Some(peer), cluster: None };
        let counts = recorder.messages(&parties);
        counts.request.add(messages);
        counts.response.add(2 * messages);
    };
    call(&reviews, 3);
    call(&ratings, 10);
    call(&reviews, 4);
    let to_reviews = ["reporter=\"source\"", "destination_workload=\"reviews-v1\""];
    assert_eq!(values(&telemetry, "istio_request_messages_total", &to_reviews), [7.0]);
    assert_eq!(values(&telemetry, "istio_response_messages_total", &to_reviews), [14.0]);
    assert_eq!(values(&telemetry, "istio_request_messages_total", &[]).into_iter().sum::<f64>(), 17.0);
    assert_eq!(values(&telemetry, "istio_request_messages_total", &["response_code"]), [0.0; 0]);
}

#[test]
fn memory_of_what_was_looked_up_is_bounded_and_nothing_is_miscounted() {
    let telemetry = telemetry();
    let recorder = Recorder::new(telemetry.clone());
    let odd = Arc::new(workload("odd"));
    for i in 0..10_000 {
        // Each is gone after its request: its place in memory may be taken by the next one.
        let peer = Arc::new(workload(if i % 2 == 0 { "even" } else { "odd" }));
        recorder.request(&Measured { peer: Some(&peer), ..measured() });
    }
    recorder.request(&Measured { peer: Some(&odd), ..measured() });
    assert_eq!(values(&telemetry, "istio_requests_total", &["destination_workload=\"even\""]), [5_000.0]);
    assert_eq!(values(&telemetry, "istio_requests_total", &["destination_workload=\"odd\""]), [5_001.0]);
    assert!(Arc::strong_count(&odd) > 1, "what a key points at is kept");
}

#[test]
fn a_connection_is_counted_from_its_begin_to_its_end() {
    let telemetry = telemetry();
    let recorder = Recorder::new(telemetry.clone());
    let connection = TcpMeasured { reporter: Reporter::Source, peer: None, cluster: None, flags: Flags::default() };
    let (first, second) = (recorder.connection(&connection), recorder.connection(&connection));
    first.received(10);
    first.sent(200);
    second.sent(1);
    drop(second);
    let count = |name| values(&telemetry, name, &["request_protocol=\"tcp\""]);
    assert_eq!(count("istio_tcp_connections_opened_total"), [2.0]);
    assert_eq!(count("istio_tcp_connections_closed_total"), [1.0]);
    assert_eq!(count("istio_tcp_sent_bytes_total"), [201.0]);
    assert_eq!(count("istio_tcp_received_bytes_total"), [10.0]);
    drop(first);
    assert_eq!(count("istio_tcp_connections_closed_total"), [2.0]);
}

#[test]
fn proxies_introduce_themselves_to_each_other() {
    let own = Workload {
        name: "productpage-v1".into(),
        namespace: "default".into(),
        app: "productpage".into(),
        version: "v1".into(),
        canonical_service: "productpage".into(),
        canonical_revision: "v1".into(),
        cluster: "Kubernetes".into(),
    };
    let id = "sidecar~10.0.0.1~productpage-v1-1.default~default.svc.cluster.local";
    let caller = Recorder::new(Arc::new(Telemetry::new(own.clone(), id)));
    let called = Recorder::new(telemetry());
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", HeaderValue::from_static("1"));
    headers.insert("x-envoy-peer-metadata-id", HeaderValue::from_static("what the application said"));
    caller.introduce(&mut headers);
    assert_eq!(headers["x-envoy-peer-metadata-id"], id);
    let mut again = headers.clone();
    let peer = called.take_peer(&mut headers).unwrap();
    assert_eq!(*peer, own);
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-request-id"], "both headers are gone");
    assert!(Arc::ptr_eq(&peer, &called.take_peer(&mut again).unwrap()), "the second time it is known");
    assert!(called.take_peer(&mut headers).is_none());
}

#[test]
fn an_endpoint_is_known_by_its_text() {
    let recorder = Recorder::new(telemetry());
    let peer = recorder.peer_of_text("reviews-v1;default;reviews;v1;Kubernetes").unwrap();
    let expected = Workload {
        canonical_service: "reviews".into(),
        canonical_revision: "v1".into(),
        cluster: "Kubernetes".into(),
        ..workload("reviews-v1")
    };
    assert_eq!(*peer, expected);
    let again = recorder.peer_of_text("reviews-v1;default;reviews;v1;Kubernetes").unwrap();
    assert!(Arc::ptr_eq(&peer, &again));
    assert!(recorder.peer_of_text("reviews-v1;default").is_none());
}

#[test]
fn a_thousand_peers_are_known_and_the_rest_are_counted() {
    let telemetry = telemetry();
    let (one, other) = (Recorder::new(telemetry.clone()), Recorder::new(telemetry.clone()));
    for i in 0..1_000 {
        let worker = if i % 2 == 0 { &one } else { &other };
        assert!(worker.take_peer(&mut headers_of(&workload(&format!("w-{i}")))).is_some(), "{i}");
    }
    let late = workload("too-late");
    assert_eq!(values(&telemetry, "istio_proxy_peers_overflow_total", &[]), [0.0]);
    assert!(one.take_peer(&mut headers_of(&late)).is_none());
    assert!(one.take_peer(&mut headers_of(&late)).is_none());
    assert!(other.take_peer(&mut headers_of(&late)).is_none());
    assert_eq!(values(&telemetry, "istio_proxy_peers_overflow_total", &[]), [3.0]);
    assert!(other.take_peer(&mut headers_of(&workload("w-0"))).is_some(), "who was there first stays");
}

#[test]
fn a_header_that_is_too_long_is_taken_away_unread() {
    let recorder = Recorder::new(telemetry());
    let long = vec![b'A'; peer::LONGEST + 1];
    let mut headers = HeaderMap::from_iter([(METADATA, HeaderValue::from_bytes(&long).unwrap())]);
    assert!(recorder.take_peer(&mut headers).is_none());
    assert!(headers.is_empty());
}

#[test]
fn callers_cannot_fill_the_memory_with_headers() {
    let telemetry = telemetry();
    let recorder = Recorder::new(telemetry.clone());
    for i in 0..1_000 {
        let mut said = vec![b'!'; 10_000];
        said.extend(i.to_string().bytes());
        let mut headers = HeaderMap::from_iter([(METADATA, HeaderValue::from_bytes(&said).unwrap())]);
        assert!(recorder.take_peer(&mut headers).is_none());
    }
    assert!(recorder.header_bytes() <= 512 << 10, "{}", recorder.header_bytes());
    assert_eq!(values(&telemetry, "istio_proxy_peers_overflow_total", &[]), [0.0], "rubbish is nobody");
}
