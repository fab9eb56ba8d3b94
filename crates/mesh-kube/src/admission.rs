//! The messages between the API server and a webhook: `AdmissionReview` of `admission.k8s.io/v1` and `v1beta1`.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response>

use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The versions that are spoken.
const VERSIONS: [&str; 2] = ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"];

/// What is done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
    /// Somebody connects to it (`kubectl exec`).
    Connect,
}

/// Group, version and kind of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// Empty for core kinds.
    #[serde(default)]
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Such as `Pod`.
    pub kind: String,
}

/// A write that the webhook is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Says which answer belongs to which question.
    pub uid: String,
    /// Of the object.
    pub kind: GroupVersionKind,
    /// Of the object; may be empty when the server makes it up.
    #[serde(default)]
    pub name: String,
    /// Of the object; empty for cluster-wide kinds.
    #[serde(default)]
    pub namespace: String,
    /// What is done.
    pub operation: Operation,
    /// The object as it would be stored; none on deletion.
    #[serde(default)]
    pub object: Option<Value>,
    /// The object as it is; none on creation.
    #[serde(default)]
    pub old_object: Option<Value>,
    /// Nothing will be stored.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer of a webhook.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Let it pass.
    Allow {
        /// Shown to the writer.
        warnings: Vec<String>,
    },
    /// Let it pass, changed.
    Patch {
        /// A JSON patch (RFC 6902).
        patch: Value,
        /// Shown to the writer.
        warnings: Vec<String>,
    },
    /// Stop it.
    Deny {
        /// Shown to the writer.
        message: String,
        /// Shown to the writer.
        warnings: Vec<String>,
    },
}

impl Verdict {
    /// Nothing to say.
    pub fn allow() -> Self {
        Self::Allow { warnings: Vec::new() }
    }
}

/// Why a body is no question.
#[derive(Debug, thiserror::Error)]
pub enum BadReview {
    /// It is not JSON of the right shape.
    #[error("the body is no AdmissionReview")]
    Body(#[source] serde_json::Error),
    /// Another version.
    #[error("AdmissionReview of `{0}` is not spoken here, only `admission.k8s.io/v1` and `v1beta1`")]
    Version(String),
    /// A review without a question.
    #[error("the AdmissionReview holds no request")]
    Empty,
}

/// A question, and the version that its answer is to be given in.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    version: &'static str,
    /// The question.
    pub request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    api_version: String,
    request: Option<Request>,
}

impl Review {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no AdmissionReview with a request, of a version that is spoken.
    pub fn parse(body: &[u8]) -> Result<Self, BadReview> {
        let envelope: Envelope = serde_json::from_slice(body).map_err(BadReview::Body)?;
        let version = VERSIONS.into_iter().find(|v| *v == envelope.api_version);
        let version = version.ok_or(BadReview::Version(envelope.api_version))?;
        Ok(Self { version, request: envelope.request.ok_or(BadReview::Empty)? })
    }

    /// The answer's body.
    pub fn answer(&self, verdict: &Verdict) -> Value {
        let mut response = serde_json::json!({
            "uid": self.request.uid,
            "allowed": !matches!(verdict, Verdict::Deny { .. }),
        });
        let warnings = match verdict {
            Verdict::Allow { warnings } => warnings,
            Verdict::Patch { patch, warnings } => {
                response["patchType"] = "JSONPatch".into();
                response["patch"] = serde_json::json!(ByteString(patch.to_string().into_bytes()));
                warnings
            }
            Verdict::Deny { message, warnings } => {
                response["status"] = serde_json::json!({
                    "status": "Failure", "code": 400, "reason": "Invalid", "message": message,
                });
                warnings
            }
        };
        if !warnings.is_empty() {
            response["warnings"] = serde_json::json!(warnings);
        }
        serde_json::json!({ "apiVersion": self.version, "kind": "AdmissionReview", "response": response })
    }
}

#[cfg(test)]
mod tests;
