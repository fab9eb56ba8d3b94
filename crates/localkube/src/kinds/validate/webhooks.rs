//! Configurations of admission webhooks.

use serde_json::{Value, json};

use super::{list, one_of, text};
use crate::{
    kinds::{metadata::faults, names},
    object::Object,
    status::Cause,
};

pub(super) fn configuration(object: &Object, _old: Option<&Object>) -> Vec<Cause> {
    let hooks = list(object.value(), "/webhooks").iter().enumerate();
    hooks.flat_map(|(i, hook)| webhook(hook, &format!("webhooks[{i}]"))).collect()
}

fn webhook(hook: &Value, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(hook, "name");
    let name_field = format!("{field}.name");
    causes.extend(faults(&name_field, name, names::subdomain(name)));
    if name.split('.').count() < 3 {
        let rule = "should be a domain with at least three segments separated by dots";
        causes.push(Cause::invalid(name_field, &json!(name), rule));
    }
    let versions = list(hook, "/admissionReviewVersions");
    if versions.is_empty() {
        let hint = "must specify one of v1, v1beta1";
        causes.push(Cause::required(format!("{field}.admissionReviewVersions"), hint));
    } else if !versions.contains(&json!("v1")) {
        let rule = "must include v1, the one version of reviews that this cluster sends";
        causes.push(Cause::invalid(format!("{field}.admissionReviewVersions"), &json!(versions), rule));
    }
    match hook.get("sideEffects") {
        None => {
            let hint = "must specify one of None, NoneOnDryRun";
            causes.push(Cause::required(format!("{field}.sideEffects"), hint));
        }
        Some(_) => causes.extend(one_of(hook, "sideEffects", field, &["None", "NoneOnDryRun"])),
    }
    causes.extend(one_of(hook, "failurePolicy", field, &["Fail", "Ignore"]));
    causes.extend(one_of(hook, "matchPolicy", field, &["Equivalent", "Exact"]));
    causes.extend(one_of(hook, "reinvocationPolicy", field, &["IfNeeded", "Never"]));
    let seconds = hook["timeoutSeconds"].as_i64().unwrap_or(10);
    if !(1..=30).contains(&seconds) {
        let rule = "the timeout value must be between 1 and 30 seconds";
        causes.push(Cause::invalid(format!("{field}.timeoutSeconds"), &json!(seconds), rule));
    }
    let client = hook.get("clientConfig").unwrap_or(&Value::Null);
    if client.get("url").is_some() == client.get("service").is_some() {
        let hint = "exactly one of url or service is required";
        causes.push(Cause::required(format!("{field}.clientConfig"), hint));
    }
    if let Some(url) = client.get("url").filter(|url| !url.as_str().unwrap_or_default().starts_with("https://")) {
        let rule = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
        causes.push(Cause::invalid(format!("{field}.clientConfig.url"), url, rule));
    }
    for (i, rule) in list(hook, "/rules").iter().enumerate() {
        for key in ["operations", "apiGroups", "apiVersions", "resources"] {
            if list(rule, &format!("/{key}")).is_empty() {
                causes.push(Cause::required(format!("{field}.rules[{i}].{key}"), ""));
            }
        }
    }
    if !list(hook, "/matchConditions").is_empty() {
        let why = "this cluster does not evaluate CEL; select by rules, namespaceSelector and objectSelector";
        causes.push(Cause::forbidden(format!("{field}.matchConditions"), why));
    }
    causes
}
