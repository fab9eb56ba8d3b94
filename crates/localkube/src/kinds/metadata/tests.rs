use serde_json::{Value, json};

use super::validate;
use crate::{kinds::Kinds, object::Object};

fn texts(plural: &str, metadata: Value) -> Vec<String> {
    let served = Kinds::default().served();
    let kind = served.iter().find(|k| k.plural == plural).unwrap();
    let object = Object::new(json!({"metadata": metadata})).unwrap();
    validate(kind, &object, None).into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
}

#[test]
fn names_follow_the_grammar_of_their_kind() {
    assert_eq!(texts("pods", json!({})), ["metadata.name: Required value: name or generateName is required"]);
    assert_eq!(texts("pods", json!({"generateName": "web-"})), Vec::<String>::new());
    assert_eq!(texts("roles", json!({"name": "system:node"})), Vec::<String>::new());
    assert_eq!(texts("pods", json!({"name": "a.b"})), Vec::<String>::new());
    assert!(texts("namespaces", json!({"name": "a.b"}))[0].contains("a lowercase RFC 1123 label must consist of"));
    assert_eq!(
        texts("configmaps", json!({"name": "Foo_Bar"})),
        ["metadata.name: Invalid value: \"Foo_Bar\": a lowercase RFC 1123 subdomain must consist of lower case \
          alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
          'example.com', regex used for validation is \
          '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"]
    );
}

#[test]
fn labels_are_checked_key_and_value() {
    let found = texts("pods", json!({"name": "a", "labels": {"ok": "bad value", "-x": "ok"}}));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|t| t.starts_with("metadata.labels: Invalid value: \"bad value\": a valid label must")));
    assert!(found.iter().any(|t| t.starts_with("metadata.labels: Invalid value: \"-x\": name part must consist")));
}

#[test]
fn cluster_scoped_kinds_have_no_namespace() {
    let found = texts("nodes", json!({"name": "a", "namespace": "b"}));
    assert_eq!(found, ["metadata.namespace: Forbidden: not allowed on this type"]);
}
