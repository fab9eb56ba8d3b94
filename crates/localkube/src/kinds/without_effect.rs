//! Fields of a pod that are kept and change nothing here: their writer is told.

use serde_json::Value;

use crate::object::Object;

/// Of the pod spec itself.
const OF_POD: &[&str] = &["/ephemeralContainers", "/setHostnameAsFQDN"];
/// Of each container.
const OF_CONTAINER: &[&str] = &["/securityContext/appArmorProfile", "/securityContext/seLinuxOptions"];
/// Of each entry of a list in a container.
const OF_ENTRY: &[(&str, &str)] = &[("ports", "hostPort"), ("volumeMounts", "mountPropagation")];
/// Profiles that ask for nothing more than the default.
const DEFAULTS: &[&str] = &["RuntimeDefault", "Unconfined", "None"];

/// One warning for each field of a pod, or of a pod template, that localkube does not act on.
pub fn warnings(kind: &str, object: &Object) -> Vec<String> {
    let path = match kind {
        "Pod" => "/spec",
        "Deployment" | "Job" | "ReplicaSet" => "/spec/template/spec",
        _ => return Vec::new(),
    };
    let Some(spec) = object.at(path) else { return Vec::new() };
    let prefix = path.trim_start_matches('/').replace('/', ".");
    let mut fields: Vec<String> = OF_POD.iter().filter(|f| asks(spec.pointer(f))).map(|f| dotted(f)).collect();
    for profile in ["/securityContext/seccompProfile", "/securityContext/appArmorProfile"] {
        fields.extend(asks_for_profile(spec.pointer(profile)).then(|| dotted(profile)));
    }
    fields.extend(
        asks(spec.pointer("/securityContext/seLinuxOptions")).then(|| ".securityContext.seLinuxOptions".into()),
    );
    for list in ["initContainers", "containers"] {
        for (index, container) in entries(spec, list) {
            fields.extend(of_container(container).into_iter().map(|field| format!(".{list}[{index}]{field}")));
        }
    }
    fields.into_iter().map(|field| format!("{prefix}{field}: has no effect in localkube")).collect()
}

fn of_container(container: &Value) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    if asks_for_profile(container.pointer("/securityContext/seccompProfile")) {
        fields.push(".securityContext.seccompProfile".into());
    }
    for field in OF_CONTAINER.iter().filter(|f| asks_for_profile(container.pointer(f))) {
        fields.push(dotted(field));
    }
    for (list, field) in OF_ENTRY {
        for (index, _) in entries(container, list).filter(|(_, e)| asks_for_profile(e.get(field))) {
            fields.push(format!(".{list}[{index}].{field}"));
        }
    }
    fields
}

fn entries<'v>(of: &'v Value, list: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    of.get(list).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// Whether something other than nothing is written there.
fn asks(value: Option<&Value>) -> bool {
    value.is_some_and(|v| {
        !matches!(v, Value::Null | Value::Bool(false)) && v != &Value::from(0) && v != &Value::Array(Vec::new())
    })
}

/// Whether something other than a default is written there, as text or as the `type` of a profile.
fn asks_for_profile(value: Option<&Value>) -> bool {
    let named = value.and_then(|v| v.get("type").unwrap_or(v).as_str());
    asks(value) && !named.is_some_and(|name| DEFAULTS.contains(&name))
}

fn dotted(pointer: &str) -> String {
    pointer.replace('/', ".")
}

#[cfg(test)]
mod tests;
