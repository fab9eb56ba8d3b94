use super::*;

fn own() -> Workload {
    Workload {
        name: "reviews-v2".into(),
        namespace: "default".into(),
        app: "reviews".into(),
        version: "v2".into(),
        canonical_service: "reviews".into(),
        canonical_revision: "v2".into(),
        cluster: "Kubernetes".into(),
    }
}

fn encoded(described: &Struct) -> String {
    BASE64.encode(described.encode_to_vec())
}

fn a_text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn a_struct(fields: &[(&str, Value)]) -> Struct {
    Struct { fields: fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect() }
}

#[test]
fn the_fields_are_istios() {
    let described = describe(&own(), "reviews-v2-abc");
    let labels = a_struct(&[
        ("app", a_text("reviews")),
        ("version", a_text("v2")),
        ("service.istio.io/canonical-name", a_text("reviews")),
        ("service.istio.io/canonical-revision", a_text("v2")),
    ]);
    let expected = a_struct(&[
        ("NAME", a_text("reviews-v2-abc")),
        ("NAMESPACE", a_text("default")),
        ("WORKLOAD_NAME", a_text("reviews-v2")),
        ("CLUSTER_ID", a_text("Kubernetes")),
        ("LABELS", Value { kind: Some(Kind::StructValue(labels)) }),
    ]);
    assert_eq!(described, expected);
}

#[test]
fn the_pods_name_is_in_the_nodes_id() {
    assert_eq!(instance("sidecar~10.1.2.3~reviews-v2-abc.default~default.svc.cluster.local"), "reviews-v2-abc");
    assert_eq!(instance("router~::1~gateway~domain"), "gateway");
    assert_eq!(instance("no node"), "");
}

#[test]
fn an_id_that_no_header_takes_is_left_out() {
    let mut headers = HeaderMap::new();
    Introduction::new(&own(), "line\nbreak").set(&mut headers);
    assert_eq!(headers.keys().collect::<Vec<_>>(), [METADATA]);
}

#[test]
fn what_is_written_is_read_with_padding_and_without() {
    let header = encoded(&describe(&own(), "pod"));
    assert_eq!(decode(header.as_bytes()), Some(own()));
    assert_eq!(decode(header.trim_end_matches('=').as_bytes()), Some(own()));
}

/// Bytes as the protobuf documentation lays them out, not made by this program.
#[test]
fn bytes_of_others_are_read() {
    // fields { key: "WORKLOAD_NAME" value { string_value: "a" } }, and an unknown field 15.
    let bytes = b"\x0a\x14\x0a\x0dWORKLOAD_NAME\x12\x03\x1a\x01a\x78\x01";
    let expected = Workload { name: "a".into(), ..Workload::default() };
    assert_eq!(decode(BASE64.encode(bytes).as_bytes()), Some(expected));
}

#[test]
fn an_owner_names_the_workload_where_nothing_else_does() {
    let owner = a_text("kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v2");
    let decoded = decode(encoded(&a_struct(&[("OWNER", owner.clone())])).as_bytes()).unwrap();
    assert_eq!(&*decoded.name, "reviews-v2");
    let both = a_struct(&[("OWNER", owner), ("WORKLOAD_NAME", a_text("other"))]);
    assert_eq!(&*decode(encoded(&both).as_bytes()).unwrap().name, "other");
}

#[test]
fn other_kinds_where_text_belongs_are_not_known() {
    let number = Value { kind: Some(Kind::NumberValue(1.0)) };
    let odd = a_struct(&[
        ("WORKLOAD_NAME", number),
        ("LABELS", a_text("app=reviews")),
        ("NAMESPACE", a_text("default")),
        ("CLUSTER_ID", Value { kind: None }),
    ]);
    let expected = Workload { namespace: "default".into(), ..Workload::default() };
    assert_eq!(decode(encoded(&odd).as_bytes()), Some(expected));
}

#[test]
fn who_says_nothing_is_nobody() {
    for header in ["", "!", "no base64 at all", "////", "AAAA", &encoded(&Struct::default())] {
        assert_eq!(decode(header.as_bytes()), None, "{header}");
    }
    assert_eq!(decode(&[0xff; 40]), None);
}

#[test]
fn names_have_an_end() {
    let of_length = |n: usize| a_struct(&[("WORKLOAD_NAME", a_text(&"w".repeat(n)))]);
    assert!(decode(encoded(&of_length(256)).as_bytes()).is_some());
    assert!(decode(encoded(&of_length(257)).as_bytes()).is_none());
}

#[test]
fn damaged_headers_do_no_harm() {
    let bytes = describe(&own(), "pod").encode_to_vec();
    for at in 0..bytes.len() {
        let _ = decode(BASE64.encode(&bytes[..at]).as_bytes());
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Some(peer) = decode(BASE64.encode(&damaged).as_bytes()) {
                assert!(is_short(&peer));
            }
        }
    }
}

/// A struct in a struct in a struct: the decoder has to stop before the stack does.
#[test]
fn depth_does_no_harm() {
    let mut value = Value { kind: Some(Kind::NullValue(0)) };
    for _ in 0..300 {
        value = Value { kind: Some(Kind::StructValue(a_struct(&[("a", value)]))) };
    }
    let header = encoded(&a_struct(&[("LABELS", value)]));
    assert!(header.len() < LONGEST, "{}", header.len());
    assert_eq!(decode(header.as_bytes()), None);
}

#[test]
fn endpoints_are_described_by_five_parts() {
    let known = of_endpoint("reviews-v2;default;reviews;v2;Kubernetes").unwrap();
    assert_eq!(known, Workload { app: "".into(), version: "".into(), ..own() });
    assert_eq!(of_endpoint(";;;;"), Some(Workload::default()));
    assert_eq!(of_endpoint("reviews-v2;default;reviews;v2"), None);
    assert_eq!(of_endpoint(""), None);
}

#[test]
fn the_same_workload_is_admitted_once() {
    let peers = Peers::default();
    let (first, second) = (peers.admit(own()).unwrap(), peers.admit(own()).unwrap());
    assert!(Arc::ptr_eq(&first, &second));
}
