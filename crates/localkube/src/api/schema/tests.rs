use std::borrow::Cow;

use serde_json::{Value, json};

use super::{FieldValidation, LazySchema, decode, duplicate_fields, validate};
use crate::{
    kinds::{Kind, Kinds, PLAIN, Scope},
    object::Object,
    store::{Precondition, Resource, Store},
};

fn builtin(kind: &str) -> Kind {
    let served = Kinds::default().served();
    let found = served.iter().find(|k| k.kind == kind).unwrap();
    (**found).clone()
}

fn custom(schema: Value) -> Kind {
    let definition = json!({
        "metadata": {"name": "things.example.com"},
        "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]},
    });
    let definition = Object::new(definition).unwrap();
    let stored = Store::default().put(&Resource::new("g", "crds"), definition, Precondition::Absent).unwrap();
    Kind {
        group: "example.com".into(),
        version: "v1".into(),
        kind: "Thing".into(),
        plural: "things".into(),
        singular: "thing".into(),
        short_names: Cow::Borrowed(&[]),
        categories: Cow::Borrowed(&[]),
        scope: Scope::Namespaced,
        has_status: false,
        scale: None,
        strategy: PLAIN,
        definition: Some(stored),
        schema: LazySchema::default(),
    }
}

fn thing(spec: Value) -> Object {
    let value = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec});
    Object::new(value).unwrap()
}

fn refusal(kind: &Kind, value: Value) -> String {
    let mut object = Object::new(value).unwrap();
    decode(kind, &mut object, FieldValidation::Strict, &[]).unwrap_err().message
}

/// The causes' texts for a custom object of `schema` with that spec.
fn causes(spec_schema: Value, spec: Value) -> Vec<String> {
    let kind = custom(json!({"type": "object", "properties": {"spec": spec_schema}}));
    let Err(status) = validate(&kind, &thing(spec), None) else { return Vec::new() };
    assert_eq!(status.code, 422);
    let causes = status.details["causes"].as_array().unwrap().clone();
    causes.iter().map(|c| format!("{}: {}", c["field"].as_str().unwrap(), c["message"].as_str().unwrap())).collect()
}

#[test]
fn wrong_types_in_built_in_kinds_read_as_decoding_errors() {
    let cases = [
        (
            "Deployment",
            json!({"spec": {"replicas": "two"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "Pod",
            json!({"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}}),
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            "Pod",
            json!({"spec": {"containers": {"name": "a"}}}),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            "ConfigMap",
            json!({"data": {"a": true}}),
            "json: cannot unmarshal bool into Go struct field ConfigMap.data of type string",
        ),
        ("Secret", json!({"data": {"a": "%%"}}), "illegal base64 data at input byte 0"),
    ];
    for (kind, value, why) in cases {
        let expected = format!("{kind} in version \"v1\" cannot be handled as a {kind}: {why}");
        assert_eq!(refusal(&builtin(kind), value), expected);
    }
}

#[test]
fn unknown_fields_are_named_dropped_or_refused() {
    let pod = json!({"spec": {"foo": 1, "containers": [{"name": "a", "imagee": "x"}]}, "metadata": {"labell": {}}});
    let kind = builtin("Pod");
    assert_eq!(
        refusal(&kind, pod.clone()),
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"metadata.labell\", \
         unknown field \"spec.containers[0].imagee\", unknown field \"spec.foo\""
    );
    let mut object = Object::new(pod).unwrap();
    let warnings = decode(&kind, &mut object, FieldValidation::Warn, &[]).unwrap();
    assert!(warnings.contains(&"unknown field \"spec.foo\"".to_owned()), "{warnings:?}");
    assert_eq!(object.value(), &json!({"spec": {"containers": [{"name": "a"}]}, "metadata": {}}));
}

#[test]
fn free_form_parts_of_built_in_kinds_stay() {
    let schema = json!({"type": "object", "properties": {"a": {"default": 1, "enum": ["x"], "type": "string"}}});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
    let names = json!({"plural": "x", "kind": "X"});
    let crd = json!({"metadata": {"name": "x.y"}, "spec": {"versions": versions, "group": "y", "names": names, "scope": "Cluster"}});
    let mut object = Object::new(crd.clone()).unwrap();
    let warnings = decode(&builtin("CustomResourceDefinition"), &mut object, FieldValidation::Warn, &[]).unwrap();
    assert_eq!((warnings, object.value()), (vec![], &crd));
}

#[test]
fn nulls_mean_absent() {
    let mut object =
        Object::new(json!({"spec": {"replicas": null, "template": {"metadata": {"labels": null}}}})).unwrap();
    decode(&builtin("Deployment"), &mut object, FieldValidation::Strict, &[]).unwrap();
    assert_eq!(object.value(), &json!({"metadata": {}, "spec": {"template": {"metadata": {}}}}));
}

#[test]
fn custom_objects_are_pruned_and_filled() {
    let kind = custom(json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "mode": {"type": "string", "default": "fast"},
        "ports": {"type": "array", "items": {"type": "object", "properties": {
            "number": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
        }}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    }}}}));
    let mut object = thing(json!({"ports": [{"number": 1, "x": 2}], "any": {"z": 1}, "labels": {"q": "r"}, "foo": 1}));
    let warnings = decode(&kind, &mut object, FieldValidation::Warn, &[]).unwrap();
    assert_eq!(warnings, ["unknown field \"spec.foo\"", "unknown field \"spec.ports[0].x\""]);
    let expected = json!({
        "ports": [{"number": 1, "protocol": "TCP"}], "any": {"z": 1}, "labels": {"q": "r"}, "mode": "fast",
    });
    assert_eq!(object.at("/spec"), Some(&expected));
    assert_eq!(object.kind(), "Thing");
}

#[test]
fn structural_rules_give_the_known_texts() {
    let object = |properties: Value| json!({"type": "object", "properties": properties, "required": ["need"]});
    let need = json!({"need": 1});
    let with = |key: &str, value: Value| {
        let mut spec = need.clone();
        spec[key] = value;
        spec
    };
    let cases = [
        (json!({"need": {"type": "integer"}}), json!({}), "spec.need: Required value"),
        (
            json!({"a": {"type": "integer"}}),
            with("a", json!("x")),
            "spec.a: Invalid value: \"string\": spec.a in body must be of type integer: \"string\"",
        ),
        (
            json!({"a": {"type": "string"}}),
            with("a", json!(null)),
            "spec.a: Invalid value: \"null\": spec.a in body must be of type string: \"null\"",
        ),
        (
            json!({"a": {"type": "string", "enum": ["A", "B"]}}),
            with("a", json!("x")),
            "spec.a: Unsupported value: \"x\": supported values: \"A\", \"B\"",
        ),
        (
            json!({"a": {"type": "string", "pattern": "^a+$"}}),
            with("a", json!("b")),
            "spec.a: Invalid value: \"b\": spec.a in body should match '^a+$'",
        ),
        (
            json!({"a": {"type": "integer", "minimum": 1}}),
            with("a", json!(0)),
            "spec.a: Invalid value: 0: spec.a in body should be greater than or equal to 1",
        ),
        (
            json!({"a": {"type": "integer", "maximum": 9}}),
            with("a", json!(10)),
            "spec.a: Invalid value: 10: spec.a in body should be less than or equal to 9",
        ),
        (
            json!({"a": {"type": "string", "minLength": 1}}),
            with("a", json!("")),
            "spec.a: Invalid value: \"\": spec.a in body should be at least 1 chars long",
        ),
        (
            json!({"a": {"type": "string", "maxLength": 2}}),
            with("a", json!("abc")),
            "spec.a: Too long: may not be more than 2 bytes",
        ),
        (
            json!({"a": {"type": "array", "items": {"type": "string"}, "maxItems": 1}}),
            with("a", json!(["x", "y"])),
            "spec.a: Too many: 2: must have at most 1 items",
        ),
        (
            json!({"a": {"type": "array", "items": {"type": "integer"}}}),
            with("a", json!([1, "y"])),
            "spec.a[1]: Invalid value: \"string\": spec.a[1] in body must be of type integer: \"string\"",
        ),
        (
            json!({"a": {"x-kubernetes-int-or-string": true}}),
            with("a", json!(true)),
            "spec.a: Invalid value: \"boolean\": spec.a in body must be of type integer or string: \"boolean\"",
        ),
    ];
    for (properties, spec, expected) in cases {
        assert_eq!(causes(object(properties), spec), [expected]);
    }
    assert_eq!(causes(object(json!({"a": {"type": "string", "nullable": true}})), with("a", json!(null))), [""; 0]);
}

#[test]
fn combinations_count_what_holds() {
    let one_of = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert_eq!(causes(one_of.clone(), json!({"a": "x"})), [""; 0]);
    let both = "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives";
    assert_eq!(causes(one_of.clone(), json!({"a": "x", "b": "y"})), [both]);
    let none = "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found none valid";
    assert_eq!(causes(one_of, json!({})), [none, "spec.a: Required value"]);
    let not = json!({"type": "object", "not": {"required": ["a"]}});
    let must_not = "<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)";
    assert_eq!(causes(not, json!({"a": 1})), [must_not]);
}

#[test]
fn required_texts_of_built_in_kinds_are_asked_for() {
    let role = json!({"metadata": {"name": "a"}, "roleRef": {"apiGroup": "g", "kind": "", "name": "n"}});
    let status = validate(&builtin("RoleBinding"), &Object::new(role).unwrap(), None).unwrap_err();
    assert!(status.message.contains("roleRef.kind: Required value"), "{}", status.message);
}

#[test]
fn duplicate_fields_are_found_with_their_paths() {
    let text = br#"{"a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": null}], "a": 3}"#;
    assert_eq!(duplicate_fields(text), ["a.b", "c[0].d", "a"]);
    assert_eq!(duplicate_fields(b"{"), Vec::<String>::new());
}
