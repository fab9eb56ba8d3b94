//! Pods, and the pod specs in templates.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{list, not_negative, one_of, text};
use crate::{
    kinds::{
        metadata::faults,
        names::{self, Faults},
    },
    object::Object,
    status::Cause,
};

/// A pod by itself.
pub(super) fn pod(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let spec = object.at("/spec").cloned().unwrap_or_default();
    match old {
        None => pod_spec(&spec, "spec"),
        Some(old) => unchanged(&spec, old.at("/spec").unwrap_or(&Value::Null)),
    }
}

/// What may change in a pod that exists: images, deadlines, tolerations that are added; and a binding, once.
fn unchanged(new: &Value, old: &Value) -> Vec<Cause> {
    const RULE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
        `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
        tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    let mut causes = Vec::new();
    for (field, pointer) in [("spec.containers", "/containers"), ("spec.initContainers", "/initContainers")] {
        if list(new, pointer).len() != list(old, pointer).len() {
            causes.push(Cause::forbidden(field, "pod updates may not add or remove containers"));
            return causes;
        }
    }
    let tolerations = list(new, "/tolerations");
    if list(old, "/tolerations").iter().any(|toleration| !tolerations.contains(toleration)) {
        causes.push(Cause::forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        ));
    }
    let bare = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(map) = spec.as_object_mut() {
            for member in ["activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeSelector"] {
                map.remove(member);
            }
            if text(old, "nodeName").is_empty() {
                map.remove("nodeName");
            }
            if old["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
                map.remove("terminationGracePeriodSeconds");
            }
            for containers in ["containers", "initContainers"] {
                let containers = map.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten();
                containers.filter_map(Value::as_object_mut).for_each(|container| {
                    container.remove("image");
                });
            }
        }
        spec
    };
    let gated = !list(old, "/schedulingGates").is_empty();
    let selector_moved = !gated && new.get("nodeSelector") != old.get("nodeSelector");
    if bare(new) != bare(old) || selector_moved {
        causes.push(Cause::forbidden("spec", RULE));
    }
    causes
}

/// A pod spec at `field`.
pub(super) fn pod_spec(spec: &Value, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(one_of(spec, "restartPolicy", field, &["Always", "OnFailure", "Never"]));
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    causes.extend(one_of(spec, "dnsPolicy", field, &policies));
    causes.extend(not_negative(spec, "terminationGracePeriodSeconds", field));
    for key in ["hostname", "subdomain"] {
        if !text(spec, key).is_empty() {
            causes.extend(faults(&format!("{field}.{key}"), text(spec, key), names::label(text(spec, key))));
        }
    }
    if !text(spec, "nodeName").is_empty() {
        causes.extend(faults(
            &format!("{field}.nodeName"),
            text(spec, "nodeName"),
            names::subdomain(text(spec, "nodeName")),
        ));
    }
    let volumes = volumes(spec, field, &mut causes);
    if list(spec, "/containers").is_empty() {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    let mut seen = HashSet::new();
    for key in ["containers", "initContainers"] {
        for (i, container) in list(spec, &format!("/{key}")).iter().enumerate() {
            let field = format!("{field}.{key}[{i}]");
            let name = text(container, "name");
            if !name.is_empty() && !seen.insert(name.to_owned()) {
                causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
            }
            causes.extend(self::container(container, &field, &volumes));
        }
    }
    causes
}

/// The names of the volumes; what is wrong with them goes to `causes`.
fn volumes(spec: &Value, field: &str, causes: &mut Vec<Cause>) -> HashSet<String> {
    let mut seen = HashSet::new();
    for (i, volume) in list(spec, "/volumes").iter().enumerate() {
        let (field, name) = (format!("{field}.volumes[{i}]"), text(volume, "name"));
        if !name.is_empty() {
            causes.extend(faults(&format!("{field}.name"), name, names::label(name)));
            if !seen.insert(name.to_owned()) {
                causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
            }
        }
        let sources = volume.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "name");
        for source in sources.skip(1) {
            causes.push(Cause::forbidden(format!("{field}.{source}"), "may not specify more than 1 volume type"));
        }
        for (source, key) in [("configMap", "name"), ("secret", "secretName")] {
            if volume.get(source).is_some_and(|source| text(source, key).is_empty()) {
                causes.push(Cause::required(format!("{field}.{source}.{key}"), ""));
            }
        }
    }
    seen
}

fn container(container: &Value, field: &str, volumes: &HashSet<String>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (name, image) = (text(container, "name"), text(container, "image"));
    if name.is_empty() {
        causes.push(Cause::required(format!("{field}.name"), ""));
    } else {
        causes.extend(faults(&format!("{field}.name"), name, names::label(name)));
    }
    if image.is_empty() {
        causes.push(Cause::required(format!("{field}.image"), ""));
    } else if image.trim() != image {
        let rule = "must not have leading or trailing whitespace";
        causes.push(Cause::invalid(format!("{field}.image"), &json!(image), rule));
    }
    causes.extend(one_of(container, "imagePullPolicy", field, &["Always", "IfNotPresent", "Never"]));
    causes.extend(one_of(container, "terminationMessagePolicy", field, &["FallbackToLogsOnError", "File"]));
    causes.extend(ports(container, field));
    for (i, variable) in list(container, "/env").iter().enumerate() {
        let (field, name) = (format!("{field}.env[{i}]"), text(variable, "name"));
        if !name.is_empty() {
            causes.extend(faults(&format!("{field}.name"), name, names::env_name(name)));
        }
        if !text(variable, "value").is_empty() && variable.get("valueFrom").is_some() {
            let rule = "may not be specified when `value` is not empty";
            causes.push(Cause::invalid(format!("{field}.valueFrom"), &json!(""), rule));
        }
    }
    let mut paths = HashSet::new();
    for (i, mount) in list(container, "/volumeMounts").iter().enumerate() {
        let (field, name, path) = (format!("{field}.volumeMounts[{i}]"), text(mount, "name"), text(mount, "mountPath"));
        if !name.is_empty() && !volumes.contains(name) {
            causes.push(Cause::not_found(format!("{field}.name"), &json!(name)));
        }
        if !path.is_empty() && !paths.insert(path) {
            causes.push(Cause::invalid(format!("{field}.mountPath"), &json!(path), "must be unique"));
        }
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        if let Some(value) = container.get(probe) {
            causes.extend(self::probe(value, &format!("{field}.{probe}"), probe != "readinessProbe"));
        }
    }
    causes
}

fn ports(container: &Value, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut names_seen = HashSet::new();
    let number = |field: String, value: &Value, causes: &mut Vec<Cause>| {
        let faults: Faults = names::port_number(value.as_i64().unwrap_or(0));
        causes.extend(faults.into_iter().map(|fault| Cause::invalid(&field, value, fault)));
    };
    for (i, port) in list(container, "/ports").iter().enumerate() {
        let (field, name) = (format!("{field}.ports[{i}]"), text(port, "name"));
        match port.get("containerPort") {
            Some(value) if *value != 0 => number(format!("{field}.containerPort"), value, &mut causes),
            _ => causes.push(Cause::required(format!("{field}.containerPort"), "")),
        }
        if let Some(value) = port.get("hostPort").filter(|value| **value != 0) {
            number(format!("{field}.hostPort"), value, &mut causes);
        }
        causes.extend(one_of(port, "protocol", &field, &["SCTP", "TCP", "UDP"]));
        if !name.is_empty() {
            causes.extend(faults(&format!("{field}.name"), name, names::port_name(name)));
            if !names_seen.insert(name) {
                causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
            }
        }
    }
    causes
}

fn probe(probe: &Value, field: &str, only_one_success: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    for key in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        causes.extend(not_negative(probe, key, field));
    }
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(|key| probe.get(**key).is_some());
    match handlers.collect::<Vec<_>>().as_slice() {
        [] => causes.push(Cause::required(field, "must specify a handler type")),
        [_] => {}
        [_, more @ ..] => {
            let why = "may not specify more than 1 handler type";
            causes.extend(more.iter().map(|key| Cause::forbidden(format!("{field}.{key}"), why)));
        }
    }
    let successes = probe["successThreshold"].as_i64().unwrap_or(1);
    if only_one_success && successes != 1 {
        causes.push(Cause::invalid(format!("{field}.successThreshold"), &json!(successes), "must be 1"));
    }
    causes
}
