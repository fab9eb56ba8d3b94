use super::*;

/// What `kubectl create namespace foo` sends.
const NAMESPACE: &[u8] = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1b\x0a\x13\x0a\x03foo\x12\0\x1a\0\"\0*\x002\x008\0B\0\x12\0\x1a\x02\x0a\0\x1a\0\"\0";

fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[number << 3 | 2, length], payload].concat()
}

fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), field(1, &meta), field(2, object)].concat()
}

#[test]
fn a_namespace_of_kubectl_is_read() {
    let read = decode(NAMESPACE).expect("readable");
    assert_eq!(read["metadata"], json!({"name": "foo"}));
    assert_eq!((&read["apiVersion"], &read["kind"]), (&json!("v1"), &json!("Namespace")));
}

#[test]
fn a_zero_that_was_set_stays_and_a_zero_that_was_not_goes() {
    // spec.replicas = 0 (a pointer), spec.minReadySeconds = 0 (none).
    let spec = field(2, &[0x08, 0, 0x28, 0]);
    let read = decode(&body("apps/v1", "Deployment", &spec)).expect("readable");
    assert_eq!(read["spec"], json!({"replicas": 0}));
}

#[test]
fn maps_bytes_and_times_are_read() {
    let entry = [field(1, b"key"), field(2, b"\x01\xff")].concat();
    let meta = field(1, &[field(1, b"s"), field(8, &[0x08, 0x80, 0xa3, 0x05])].concat());
    let read = decode(&body("v1", "Secret", &[meta, field(2, &entry)].concat())).expect("readable");
    assert_eq!(read["data"], json!({"key": "Af8="}));
    assert_eq!(read["metadata"]["creationTimestamp"], json!("1970-01-02T00:00:00Z"));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for bytes in [&b"json"[..], b"k8s\0\x0a", &body("v1", "Namespace", &[0xff]), &body("v1", "Namespace", &[0x7a, 0])] {
        assert_eq!(decode(bytes).expect_err("refused").code, 400);
    }
    assert_eq!(decode(&body("v1", "Nothing", &[])).expect_err("refused").code, 415);
}

#[test]
fn every_message_that_a_field_names_is_in_the_table() {
    for (message, entries) in messages() {
        for entry in entries.values().filter(|e| e.kind.len() > 1) {
            assert!(messages().contains_key(entry.kind), "{message}.{} is of unknown type {}", entry.name, entry.kind);
        }
    }
}
