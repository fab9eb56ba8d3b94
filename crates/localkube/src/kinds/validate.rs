//! The rules of built-in kinds that their schemas do not tell, with Kubernetes' texts.

use serde_json::{Map, Value, json};

use super::{metadata::faults, names};
use crate::{api::crd, object::Object, status::Cause};

mod pod;
mod service;
mod webhooks;
mod workloads;

/// The most that a ConfigMap or a Secret may hold, in bytes.
const MAX_DATA: usize = 1024 * 1024;

/// The validating function of a built-in kind.
pub fn of(kind: &str) -> fn(&Object, Option<&Object>) -> Vec<Cause> {
    match kind {
        "Pod" => pod::pod,
        "Deployment" => workloads::deployment,
        "ReplicaSet" => workloads::replica_set,
        "Job" => workloads::job,
        "Service" => service::service,
        "ConfigMap" => config_map,
        "Node" => node,
        "Secret" => secret,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => webhooks::configuration,
        "CustomResourceDefinition" => crd::validate,
        "CronJob" | "DaemonSet" | "ReplicationController" | "StatefulSet" => {
            |_, _| vec![Cause::forbidden("kind", "localkube has no controller for it")]
        }
        _ => |_, _| Vec::new(),
    }
}

/// The list at a pointer; empty when absent.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text that must be one of a few; absent is fine.
fn one_of(value: &Value, key: &str, field: &str, supported: &[&str]) -> Option<Cause> {
    let found = value.get(key)?;
    let good = found.as_str().is_some_and(|text| supported.contains(&text));
    (!good).then(|| Cause::not_supported(format!("{field}.{key}"), found, supported))
}

/// A number that must not be negative; absent is fine.
fn not_negative(value: &Value, key: &str, field: &str) -> Option<Cause> {
    let number = value.get(key)?.as_i64()?;
    let rule = "must be greater than or equal to 0";
    (number < 0).then(|| Cause::invalid(format!("{field}.{key}"), &json!(number), rule))
}

fn config_map(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    keys(object, old, &["data", "binaryData"])
}

fn secret(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut causes = keys(object, old, &["data"]);
    let kind = object.text("/type");
    if old.is_some_and(|old| old.text("/type") != kind) {
        causes.push(Cause::invalid("type", &json!(kind), "field is immutable"));
    }
    let wanted: &[&str] = match kind {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    let missing = wanted.iter().filter(|key| object.at("/data").and_then(|data| data.get(**key)).is_none());
    causes.extend(missing.map(|key| Cause::required(format!("data[{key}]"), "")));
    causes
}

/// What a node was given once stays.
fn node(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let changed = |key: &&str| {
        let was = old.and_then(|old| old.at("/spec")?.get(*key)).filter(|was| !was.is_null());
        was.is_some() && was != object.at("/spec").and_then(|spec| spec.get(*key))
    };
    let why = |key| format!("node updates may not change {key} except from \"\" to valid");
    let changed = ["podCIDR", "podCIDRs", "providerID"].into_iter().filter(changed);
    changed.map(|key| Cause::forbidden(format!("spec.{key}"), why(key))).collect()
}

/// Keys of data, each in one place only, and nothing changed once immutable.
fn keys(object: &Object, old: Option<&Object>, members: &[&str]) -> Vec<Cause> {
    let map = |object: &Object, member: &str| -> Map<String, Value> {
        object.value().get(member).and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let mut causes = Vec::new();
    // What is not plain text is written in base64: four letters for three bytes.
    let size = |member: &&str| -> usize {
        let letters: usize = map(object, member).values().filter_map(Value::as_str).map(str::len).sum();
        if *member == "data" && members.len() > 1 { letters } else { letters / 4 * 3 }
    };
    if members.iter().map(size).sum::<usize>() > MAX_DATA {
        causes.push(Cause::too_long("data", MAX_DATA as u64));
    }
    for member in members {
        for key in map(object, member).keys() {
            causes.extend(faults(&format!("{member}[{key}]"), key, names::config_key(key)));
            if *member == "data" && members.len() > 1 && map(object, "binaryData").contains_key(key) {
                causes.push(Cause::invalid(
                    format!("data[{key}]"),
                    &json!(key),
                    "duplicate of key present in binaryData",
                ));
            }
        }
    }
    if let Some(old) = old.filter(|old| old.value().get("immutable") == Some(&Value::Bool(true))) {
        let why = "field is immutable when `immutable` is set";
        if object.value().get("immutable") != Some(&Value::Bool(true)) {
            causes.push(Cause::forbidden("immutable", why));
        }
        let changed = members.iter().filter(|member| map(object, member) != map(old, member));
        causes.extend(changed.map(|member| Cause::forbidden(*member, why)));
    }
    causes
}

#[cfg(test)]
mod tests;
