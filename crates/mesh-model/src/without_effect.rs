//! Fields that users may set and that this version of the mesh does not act on.
//!
//! One line per field; the table shrinks as features come. What stands here is accepted, and reported: by galley as
//! condition `Honoured=False`, by the command line in words. A field that would make the mesh less safe when it is not
//! acted on does not stand here: its object is refused.

use serde_json::Value;

use crate::{config::Kind, issue::FieldPath};

/// Kind and field; `[]` is every element of a list or every value of a map.
const TABLE: &[(Kind, &str)] = &[
    // Gateways are not programmed yet.
    (Kind::Gateway, "spec.servers"),
    (Kind::VirtualService, "spec.http[].match[].statPrefix"),
    // As in Istio.
    (Kind::VirtualService, "spec.tcp[].match[].sourceSubnet"),
    // Sidecars have one way in and out.
    (Kind::Sidecar, "spec.ingress[].tls"),
    (Kind::Sidecar, "spec.ingress[].captureMode"),
    (Kind::Sidecar, "spec.egress[].captureMode"),
    // Nothing checks what a workload of a group or an entry says of its health.
    (Kind::WorkloadGroup, "spec.probe"),
    (Kind::EnvoyFilter, "spec"),
    (Kind::WasmPlugin, "spec"),
    // Proxies log by the settings of the mesh.
    (Kind::Telemetry, "spec.targetRef"),
    (Kind::Telemetry, "spec.targetRefs"),
    (Kind::Telemetry, "spec.accessLogging"),
    (Kind::Telemetry, "spec.metrics"),
    (Kind::Telemetry, "spec.tracing"),
];

/// The fields of an object that are set and without effect.
pub(crate) fn of(kind: Kind, object: &Value) -> Vec<FieldPath> {
    let mut found = Vec::new();
    for (_, path) in TABLE.iter().filter(|row| row.0 == kind) {
        walk(object, path, FieldPath::default(), &mut found);
    }
    found
}

fn walk(value: &Value, pattern: &str, path: FieldPath, found: &mut Vec<FieldPath>) {
    if let Some(rest) = pattern.strip_prefix("[]") {
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        match value {
            Value::Array(list) => {
                for (index, element) in list.iter().enumerate() {
                    walk(element, rest, path.index(index), found);
                }
            }
            Value::Object(map) => {
                for (key, element) in map {
                    walk(element, rest, path.key(key), found);
                }
            }
            _ => {}
        }
        return;
    }
    if pattern.is_empty() {
        if !says_nothing(value) {
            found.push(path);
        }
        return;
    }
    let end = pattern.find(['.', '[']).unwrap_or(pattern.len());
    let (field, rest) = pattern.split_at(end);
    if let Some(value) = value.get(field) {
        walk(value, rest.strip_prefix('.').unwrap_or(rest), path.field(field), found);
    }
}

/// As in protobuf's JSON: `null` and a type's zero are as good as absent.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    }
}
