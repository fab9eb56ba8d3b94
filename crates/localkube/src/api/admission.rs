//! Admission webhooks: who is asked about a write, in which order, and what an answer does.
//!
//! Mutating webhooks are asked one after the other, by the names of their configurations; one that wants to is asked
//! again when a later one changed the object. Validating webhooks are asked all at once.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{Api, Caller, auth::review::user_info, selector::Labels, verbs::random_uid, warnings};
use crate::{
    kinds::Kind,
    object::Object,
    status::Status,
    store::{Resource, Store},
};

mod call;

const GROUP: &str = "admissionregistration.k8s.io";

/// Connects to an address of the cluster's network, which the API server's own process is not part of.
pub type Dial = Arc<dyn Fn(SocketAddr) -> BoxFuture<'static, std::io::Result<TcpStream>> + Send + Sync>;

/// The way to webhooks; part of the API's state.
#[derive(Default)]
pub struct Admission {
    dial: OnceLock<Dial>,
}

impl Admission {
    /// Says how to connect to services. Without it, only webhooks with a URL can be reached. The first call counts.
    pub fn connect_by(&self, dial: Dial) {
        if self.dial.set(dial).is_err() {
            tracing::warn!("the way to webhooks was set before");
        }
    }
}

/// A write that webhooks are asked about.
pub struct Write<'a> {
    /// Who writes.
    pub caller: &'a Caller,
    /// What kind.
    pub kind: &'a Kind,
    /// "" or `status`, `scale`, `eviction`, ...
    pub subresource: &'a str,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: &'a str,
    /// The object's namespace; "" for cluster-scoped ones.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The object as stored: None on create.
    pub old: Option<&'a Object>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// One webhook of a configuration.
#[derive(Clone)]
struct Webhook(Value);

impl Webhook {
    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.text("/name")
    }
}

/// Asks the mutating webhooks; gives the object as they changed it.
pub async fn mutate(api: &Api, write: &Write<'_>, mut object: Object) -> Result<Object, Status> {
    let hooks = webhooks(api.store(), write, "mutatingwebhookconfigurations");
    // Who was asked, at which count of changes.
    let mut asked: Vec<(usize, usize)> = Vec::new();
    let mut changes = 0;
    for (index, hook) in hooks.iter().enumerate() {
        let Some(request) = request(api, write, hook, Some(&object)) else { continue };
        changes += usize::from(apply(api, write, hook, request, &mut object).await?);
        asked.push((index, changes));
    }
    for (index, at) in asked {
        let again = hooks[index].text("/reinvocationPolicy") == "IfNeeded" && at < changes;
        if again && let Some(request) = request(api, write, &hooks[index], Some(&object)) {
            apply(api, write, &hooks[index], request, &mut object).await?;
        }
    }
    Ok(object)
}

/// Asks all webhooks about a write without a new object: a deletion, which none can change.
pub async fn approve(api: &Api, write: &Write<'_>) -> Result<(), Status> {
    for hook in webhooks(api.store(), write, "mutatingwebhookconfigurations") {
        if let Some(request) = request(api, write, &hook, None) {
            ask(api, write, &hook, request).await?;
        }
    }
    validate(api, write, None).await
}

/// Asks the validating webhooks about the finished object.
pub async fn validate(api: &Api, write: &Write<'_>, object: Option<&Object>) -> Result<(), Status> {
    let hooks = webhooks(api.store(), write, "validatingwebhookconfigurations");
    let asked = hooks.iter().filter_map(|hook| Some((hook, request(api, write, hook, object)?)));
    let answers = asked.map(|(hook, request)| async move { ask(api, write, hook, request).await.map(|_| ()) });
    join_all(answers).await.into_iter().collect()
}

/// Asks one mutating webhook. True: the object changed.
async fn apply(
    api: &Api,
    write: &Write<'_>,
    hook: &Webhook,
    request: Value,
    target: &mut Object,
) -> Result<bool, Status> {
    let Some(answer) = ask(api, write, hook, request).await? else { return Ok(false) };
    let Some(patch) = answer["patch"].as_str().filter(|patch| !patch.is_empty()) else { return Ok(false) };
    let fault = |why: String| Status::internal(format!("failed calling webhook {:?}: {why}", hook.name()));
    if answer["patchType"] != "JSONPatch" {
        return Err(fault(format!("unsupported patch type {}", answer["patchType"])));
    }
    let text = STANDARD.decode(patch).map_err(|e| fault(format!("the patch is not base64: {e}")))?;
    let patch: json_patch::Patch =
        serde_json::from_slice(&text).map_err(|e| fault(format!("the patch is no JSON patch: {e}")))?;
    let mut value = target.value().clone();
    json_patch::patch(&mut value, &patch).map_err(|e| fault(format!("the patch does not apply: {e}")))?;
    let mut changed = Object::new(value)?;
    // The object goes on in the version that it came in.
    changed.set("apiVersion", target.value()["apiVersion"].clone());
    super::schema::normalize(write.kind, &mut changed)?;
    (write.kind.strategy.default)(&mut changed, write.old);
    let differs = changed != *target;
    *target = changed;
    Ok(differs)
}

/// Asks one webhook; its `response`, or None where it could not be asked and is to be ignored then.
async fn ask(api: &Api, write: &Write<'_>, hook: &Webhook, request: Value) -> Result<Option<Value>, Status> {
    let name = hook.name();
    if write.dry_run && !matches!(hook.text("/sideEffects"), "None" | "NoneOnDryRun") {
        return Err(Status::bad_request(format!("admission webhook {name:?} does not support dry run")));
    }
    let uid = request["uid"].clone();
    let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request});
    let answer = call::post(api.store(), api.admission().dial.get(), &hook.0, &review).await;
    let answer = answer.and_then(|answer| {
        let response = answer.get("response").filter(|r| r.is_object());
        let response = response.ok_or_else(|| "webhook response is absent".to_owned())?;
        if answer["apiVersion"] != "admission.k8s.io/v1" || answer["kind"] != "AdmissionReview" {
            return Err("expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview".to_owned());
        }
        if response["uid"] != uid {
            return Err(format!("expected response.uid={uid}, got {}", response["uid"]));
        }
        Ok(response.clone())
    });
    let response = match answer {
        Ok(response) => response,
        Err(why) if hook.text("/failurePolicy") == "Ignore" => {
            tracing::warn!(webhook = name, why, "a webhook could not be asked and is ignored");
            return Ok(None);
        }
        Err(why) => return Err(Status::internal(format!("failed calling webhook {name:?}: {why}"))),
    };
    for warning in response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        warnings::add(warning.to_owned());
    }
    if response["allowed"] == true { Ok(Some(response)) } else { Err(denial(name, &response["status"])) }
}

fn denial(name: &str, status: &Value) -> Status {
    const REASONS: &[&str] = &["BadRequest", "Conflict", "Forbidden", "Invalid", "NotFound", "Unauthorized"];
    let text = |key: &str| status[key].as_str().unwrap_or_default();
    let why = match (text("message"), text("reason")) {
        ("", "") => "without explanation".to_owned(),
        ("", reason) => reason.to_owned(),
        (message, _) => message.to_owned(),
    };
    let separator = if why == "without explanation" { " " } else { ": " };
    let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400);
    let reason = REASONS.iter().find(|r| **r == text("reason")).copied();
    let reason = reason.unwrap_or(if code.is_none() { "Forbidden" } else { "" });
    Status::new(code.unwrap_or(403), reason, format!("admission webhook {name:?} denied the request{separator}{why}"))
}

/// All webhooks of one sort, in the order that they are asked in. Configurations of webhooks are not their business.
fn webhooks(store: &Store, write: &Write<'_>, plural: &str) -> Vec<Webhook> {
    if write.kind.group == GROUP {
        return Vec::new();
    }
    let (configurations, _) = store.list(&Resource::new(GROUP, plural), None);
    let hooks = configurations.iter().filter_map(|c| c.object.at("/webhooks")?.as_array().cloned());
    hooks.flatten().map(Webhook).collect()
}

/// The request to a webhook that wants to be asked about this write; None when it does not.
fn request(api: &Api, write: &Write<'_>, hook: &Webhook, object: Option<&Object>) -> Option<Value> {
    let version = matched_version(api, write, hook)?;
    if !in_namespace(api.store(), write, hook, object) || !selected(hook, object, write.old) {
        return None;
    }
    let Kind { group, kind, plural, .. } = write.kind;
    let gvk = |version: &str| json!({"group": group, "version": version, "kind": kind});
    let gvr = |version: &str| json!({"group": group, "version": version, "resource": plural});
    let shown = |object: Option<&Object>| {
        object.map_or(Value::Null, |object| {
            let mut value = object.value().clone();
            value["kind"] = (&**kind).into();
            value["apiVersion"] =
                if group.is_empty() { version.clone().into() } else { format!("{group}/{version}").into() };
            value
        })
    };
    let mut request = json!({
        "uid": random_uid(), "kind": gvk(&version), "resource": gvr(&version),
        "requestKind": gvk(&write.kind.version), "requestResource": gvr(&write.kind.version),
        "name": write.name, "operation": write.operation, "userInfo": user_info(write.caller),
        "object": shown(object), "oldObject": shown(write.old), "dryRun": write.dry_run,
        "options": {"kind": options_kind(write.operation), "apiVersion": "meta.k8s.io/v1"},
    });
    if !write.namespace.is_empty() {
        request["namespace"] = write.namespace.into();
    }
    if !write.subresource.is_empty() {
        request["subResource"] = write.subresource.into();
        request["requestSubResource"] = write.subresource.into();
    }
    Some(request)
}

fn options_kind(operation: &str) -> &'static str {
    match operation {
        "CREATE" => "CreateOptions",
        "DELETE" => "DeleteOptions",
        _ => "UpdateOptions",
    }
}

/// The version that a webhook is asked in: the write's own where its rules name it, else (`matchPolicy: Equivalent`)
/// another served one that they name.
fn matched_version(api: &Api, write: &Write<'_>, hook: &Webhook) -> Option<String> {
    let rules = hook.0["rules"].as_array()?;
    let matches = |version: &str| rules.iter().any(|rule| rule_matches(rule, write, version));
    if matches(&write.kind.version) {
        return Some(write.kind.version.to_string());
    }
    if hook.text("/matchPolicy") == "Exact" {
        return None;
    }
    let served = api.kinds().served();
    let same = served.iter().filter(|k| k.group == write.kind.group && k.plural == write.kind.plural);
    same.map(|kind| kind.version.to_string()).find(|version| matches(version))
}

fn rule_matches(rule: &Value, write: &Write<'_>, version: &str) -> bool {
    let has = |key: &str, wanted: &[&str]| {
        let items = rule[key].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).any(|item| wanted.contains(&item))
    };
    let plural = &*write.kind.plural;
    let resource = if write.subresource.is_empty() {
        has("resources", &["*", "*/*", plural])
    } else {
        let sub = write.subresource;
        has("resources", &["*/*", &format!("{plural}/{sub}"), &format!("{plural}/*"), &format!("*/{sub}")])
    };
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => write.kind.is_namespaced(),
        Some("Cluster") => !write.kind.is_namespaced(),
        _ => true,
    };
    scope
        && resource
        && has("operations", &["*", write.operation])
        && has("apiGroups", &["*", &write.kind.group])
        && has("apiVersions", &["*", version])
}

/// Does the `namespaceSelector` match? A namespace is selected by its own labels; what is in none always matches.
fn in_namespace(store: &Store, write: &Write<'_>, hook: &Webhook, object: Option<&Object>) -> bool {
    let Some(labels) = Labels::from_value(&hook.0["namespaceSelector"]) else { return true };
    if write.kind.group.is_empty() && write.kind.kind == "Namespace" {
        return object.or(write.old).is_none_or(|namespace| labels.matches(namespace));
    }
    if write.namespace.is_empty() {
        return true;
    }
    let found = store.get(&Resource::new("", "namespaces"), "", write.namespace);
    found.is_some_and(|namespace| labels.matches(&namespace.object))
}

/// Does the `objectSelector` match the object as it was or as it shall be?
fn selected(hook: &Webhook, object: Option<&Object>, old: Option<&Object>) -> bool {
    let Some(labels) = Labels::from_value(&hook.0["objectSelector"]) else { return true };
    labels.is_empty() || [object, old].into_iter().flatten().any(|object| labels.matches(object))
}

#[cfg(test)]
mod tests;
