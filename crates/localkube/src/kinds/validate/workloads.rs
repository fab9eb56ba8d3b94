//! Deployments, ReplicaSets and Jobs.

use serde_json::{Value, json};

use super::{not_negative, pod::pod_spec, text};
use crate::{
    api::selector::Labels,
    kinds::metadata::{annotations, labels},
    object::Object,
    status::Cause,
};

pub(super) fn deployment(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut causes = selecting(object, old, "deployment");
    let spec = object.at("/spec").unwrap_or(&Value::Null);
    for key in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        causes.extend(not_negative(spec, key, "spec"));
    }
    let strategy = spec.get("strategy").unwrap_or(&Value::Null);
    match text(strategy, "type") {
        "Recreate" if strategy.get("rollingUpdate").is_some() => {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden("spec.strategy.rollingUpdate", why));
        }
        "Recreate" | "RollingUpdate" => {}
        other => {
            causes.push(Cause::not_supported("spec.strategy.type", &json!(other), &["Recreate", "RollingUpdate"]));
        }
    }
    let zero =
        |key: &str| matches!(strategy.pointer(&format!("/rollingUpdate/{key}")), Some(v) if *v == 0 || *v == "0%");
    if zero("maxUnavailable") && zero("maxSurge") {
        let rule = "may not be 0 when `maxSurge` is 0";
        let value = strategy.pointer("/rollingUpdate/maxUnavailable").cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec.strategy.rollingUpdate.maxUnavailable", &value, rule));
    }
    causes
}

pub(super) fn replica_set(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    selecting(object, old, "replicaset")
}

/// What Deployments and ReplicaSets share: a selector that selects the template and never changes.
fn selecting(object: &Object, old: Option<&Object>, what: &str) -> Vec<Cause> {
    let spec = object.at("/spec").unwrap_or(&Value::Null);
    let mut causes: Vec<Cause> = not_negative(spec, "replicas", "spec").into_iter().collect();
    let selector = spec.get("selector").unwrap_or(&Value::Null);
    match Labels::from_value(selector).filter(|_| selector.is_object()) {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(labels) if labels.is_empty() => {
            let rule = format!("Invalid value: {}: empty selector is invalid for {what}", go_selector(selector));
            causes.push(invalid("spec.selector", rule));
        }
        Some(labels) => {
            let given = spec.pointer("/template/metadata/labels").unwrap_or(&Value::Null);
            if !labels.matches_by(|key| given.get(key).and_then(Value::as_str)) {
                let rule = format!("Invalid value: {}: `selector` does not match template `labels`", go_map(given));
                causes.push(invalid("spec.template.metadata.labels", rule));
            }
        }
    }
    if old.is_some_and(|old| old.at("/spec/selector") != object.at("/spec/selector")) {
        let rule = format!("Invalid value: {}: field is immutable", go_selector(selector));
        causes.push(invalid("spec.selector", rule));
    }
    causes.extend(template(object));
    let policy = object.at("/spec/template/spec/restartPolicy").unwrap_or(&Value::Null);
    if *policy != "Always" {
        causes.push(Cause::not_supported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
    causes
}

fn template(object: &Object) -> Vec<Cause> {
    let mut causes = labels("spec.template.metadata.labels", object.at("/spec/template/metadata/labels"));
    causes.extend(annotations("spec.template.annotations", object.at("/spec/template/metadata/annotations")));
    causes.extend(pod_spec(object.at("/spec/template/spec").unwrap_or(&Value::Null), "spec.template.spec"));
    causes
}

pub(super) fn job(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let spec = object.at("/spec").unwrap_or(&Value::Null);
    let mut causes = Vec::new();
    for key in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        causes.extend(not_negative(spec, key, "spec"));
    }
    for key in ["podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes"] {
        if spec.get(key).is_some_and(|value| !value.is_null()) {
            causes.push(Cause::forbidden(format!("spec.{key}"), "localkube's Jobs do not act on this field"));
        }
    }
    causes.extend(template(object));
    if object.text("/spec/template/spec/restartPolicy") == "Always" {
        let hint = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required("spec.template.spec.restartPolicy", hint));
    }
    if let Some(old) = old {
        let started = !old.text("/status/startTime").is_empty() || spec.get("suspend") != Some(&Value::Bool(true));
        let counted = text(spec, "completionMode") != "Indexed";
        let fixed = [(true, "selector"), (true, "completionMode"), (started, "template"), (counted, "completions")];
        for (_, key) in fixed.iter().filter(|(is_fixed, _)| *is_fixed) {
            let pointer = format!("/spec/{key}");
            if old.at(&pointer) != object.at(&pointer) {
                let value = object.at(&pointer).cloned().unwrap_or_default();
                causes.push(Cause::invalid(format!("spec.{key}"), &value, "field is immutable"));
            }
        }
    }
    causes
}

fn invalid(field: &str, message: String) -> Cause {
    Cause { reason: "FieldValueInvalid", message, field: field.to_owned() }
}

/// A map of texts as Go prints it, which is what these errors have always shown.
fn go_map(map: &Value) -> String {
    let Some(map) = map.as_object() else { return "map[string]string(nil)".into() };
    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
    format!("map[string]string{{{}}}", pairs.join(", "))
}

/// A label selector as Go prints it.
fn go_selector(selector: &Value) -> String {
    let expressions = selector["matchExpressions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let expressions: Vec<String> = expressions
        .iter()
        .map(|rule| {
            let values = match rule["values"].as_array() {
                Some(values) => {
                    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                    format!("[]string{{{}}}", values.join(", "))
                }
                None => "[]string(nil)".into(),
            };
            let (key, operator) = (&rule["key"], &rule["operator"]);
            format!("v1.LabelSelectorRequirement{{Key:{key}, Operator:{operator}, Values:{values}}}")
        })
        .collect();
    let list = "[]v1.LabelSelectorRequirement";
    let expressions =
        if expressions.is_empty() { format!("{list}(nil)") } else { format!("{list}{{{}}}", expressions.join(", ")) };
    format!("v1.LabelSelector{{MatchLabels:{}, MatchExpressions:{expressions}}}", go_map(&selector["matchLabels"]))
}
