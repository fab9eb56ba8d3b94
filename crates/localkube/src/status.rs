//! `metav1.Status`: every error of the API, with the reason and causes that Kubernetes gives.
//!
//! Texts follow `k8s.io/apimachinery/pkg/api/errors`.

use serde_json::{Value, json};

/// One field at fault: a `StatusCause`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, `FieldValueNotSupported`, `FieldValueDuplicate`, ...
    pub reason: &'static str,
    /// What is wrong, as Kubernetes prints it after the field: `Invalid value: "x": must be ...`.
    pub message: String,
    /// The field's path: `spec.containers[0].image`.
    pub field: String,
}

impl Cause {
    /// A value that breaks a rule.
    pub fn invalid(field: impl Into<String>, value: &Value, rule: impl AsRef<str>) -> Self {
        let message = format!("Invalid value: {value}: {}", rule.as_ref());
        Self { reason: "FieldValueInvalid", message, field: field.into() }
    }

    /// A value that must be there and is not.
    pub fn required(field: impl Into<String>, hint: impl AsRef<str>) -> Self {
        let hint = hint.as_ref();
        let message = if hint.is_empty() { "Required value".to_owned() } else { format!("Required value: {hint}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// A value of more than so many bytes.
    pub fn too_long(field: impl Into<String>, most: u64) -> Self {
        let message = format!("Too long: may not be more than {most} bytes");
        Self { reason: "FieldValueTooLong", message, field: field.into() }
    }

    /// Something that must not be there.
    pub fn forbidden(field: impl Into<String>, why: impl AsRef<str>) -> Self {
        let message = format!("Forbidden: {}", why.as_ref());
        Self { reason: "FieldValueForbidden", message, field: field.into() }
    }

    /// A value that another one has already.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueDuplicate", message: format!("Duplicate value: {value}"), field: field.into() }
    }

    /// A reference to something that is not there.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueNotFound", message: format!("Not found: {value}"), field: field.into() }
    }

    /// A value outside an enumeration.
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", list.join(", "));
        Self { reason: "FieldValueNotSupported", message, field: field.into() }
    }
}

/// An error as the API returns it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP status.
    pub code: u16,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `BadRequest`, `Expired`, ...
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// `details`, complete (name, group, kind, causes, retryAfterSeconds); `Null` for none.
    pub details: Value,
}

impl Status {
    /// An error without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 404 for a named object; `group` is "" for the core group.
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        Self {
            details: json!({"name": name, "group": group, "kind": plural}),
            ..Self::new(404, "NotFound", format!("{} \"{name}\" not found", qualified(group, plural)))
        }
    }

    /// 409 for a name that is taken.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        Self {
            details: json!({"name": name, "group": group, "kind": plural}),
            ..Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", qualified(group, plural)))
        }
    }

    /// 409 for a write on an old resourceVersion, or another conflict named by `why`.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(group, plural));
        Self { details: json!({"name": name, "group": group, "kind": plural}), ..Self::new(409, "Conflict", message) }
    }

    /// 422 with one cause a field. `kind` is the Kind's name, `Deployment`.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let list = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let causes: Vec<Value> =
            causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect();
        Self {
            details: json!({"name": name, "group": group, "kind": kind, "causes": causes}),
            ..Self::new(422, "Invalid", format!("{} \"{name}\" is invalid: {list}", qualified(group, kind)))
        }
    }

    /// 403.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(group, plural));
        Self { details: json!({"name": name, "group": group, "kind": plural}), ..Self::new(403, "Forbidden", message) }
    }

    /// 410: the version asked for is older than what is kept.
    pub fn expired(oldest: u64, asked: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// 405.
    pub fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(405, "MethodNotAllowed", message)
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {}", message.into()))
    }

    /// True for 404.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// True for a write that lost a race and may be tried again on the current object.
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }

    /// True for a name that is taken.
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The JSON body.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}
