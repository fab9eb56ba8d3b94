//! Kinds that are only asked, never stored: token requests, and reviews of tokens, of access and of oneself.

use serde_json::{Map, Value, json};

use super::{Attributes, Authenticator, Bound, ISSUER, Named, authorize};
use crate::{
    api::Caller,
    object::Object,
    status::{Cause, Status},
};

/// A kind that is created and answered at once: group, kind, plural, namespaced.
pub struct VirtualKind {
    /// The API group; the version is `v1`.
    pub group: &'static str,
    /// `TokenReview`.
    pub kind: &'static str,
    /// `tokenreviews`.
    pub plural: &'static str,
    /// Whether it is asked in a namespace.
    pub namespaced: bool,
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

const fn virtual_kind(group: &'static str, kind: &'static str, plural: &'static str, namespaced: bool) -> VirtualKind {
    VirtualKind { group, kind, plural, namespaced }
}

/// The virtual kinds, all at version v1.
pub const VIRTUAL_KINDS: &[VirtualKind] = &[
    virtual_kind(AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", false),
    virtual_kind(AUTHENTICATION, "TokenReview", "tokenreviews", false),
    virtual_kind(AUTHORIZATION, "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
    virtual_kind(AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
    virtual_kind(AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
    virtual_kind(AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", false),
];

impl Authenticator {
    /// Answers the creation of a virtual kind. None: `plural` of `group`/`version` is none.
    pub fn review(
        &self,
        caller: &Caller,
        (group, version, plural): (&str, &str, &str),
        namespace: &str,
        mut body: Value,
    ) -> Option<Result<Value, Status>> {
        let kind = VIRTUAL_KINDS.iter().find(|k| k.group == group && version == "v1" && k.plural == plural)?;
        let status = match kind.kind {
            "SelfSubjectReview" => Ok(json!({"userInfo": user_info(caller)})),
            "TokenReview" => self.token_review(&body),
            "SelfSubjectRulesReview" => Ok(rules()),
            _ => access_review(kind.kind, caller, namespace, &body),
        };
        Some(status.map(|status| {
            if let Some(map) = body.as_object_mut() {
                map.insert("kind".into(), kind.kind.into());
                map.insert("apiVersion".into(), format!("{group}/v1").into());
                map.entry("metadata").or_insert_with(|| json!({}));
                map.insert("status".into(), status);
            }
            body
        }))
    }

    fn token_review(&self, body: &Value) -> Result<Value, Status> {
        let token = body.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default();
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let mut audiences = strings(body.pointer("/spec/audiences"));
        if audiences.is_empty() {
            audiences.push(ISSUER.to_owned());
        }
        Ok(match self.check(token, &audiences) {
            Ok((caller, meant)) => json!({"authenticated": true, "user": user_info(&caller), "audiences": meant}),
            Err(why) if why == "invalid bearer token" => json!({"user": {}, "error": why}),
            Err(why) => json!({"user": {}, "error": format!("[invalid bearer token, {why}]")}),
        })
    }

    /// Answers `POST .../serviceaccounts/{name}/token` with the TokenRequest and its status.
    pub fn token_request(&self, namespace: &str, name: &str, mut body: Value) -> Result<Value, Status> {
        let not_found = || Status::not_found("", "serviceaccounts", name);
        let account = self.find("serviceaccounts", namespace, name).ok_or_else(not_found)?;
        let seconds = body.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(3600);
        let rule = match seconds {
            ..600 => Some("may not specify a duration less than 10 minutes"),
            4_294_967_297.. => Some("may not specify a duration larger than 2^32 seconds"),
            _ => None,
        };
        if let Some(rule) = rule {
            let cause = Cause::invalid("spec.expirationSeconds", &json!(seconds), rule);
            return Err(Status::invalid(AUTHENTICATION, "TokenRequest", "", &[cause]));
        }
        let mut audiences = strings(body.pointer("/spec/audiences"));
        let bound = match body.pointer("/spec/boundObjectRef") {
            None | Some(Value::Null) => None,
            Some(reference) => Some(self.bound(namespace, name, reference)?),
        };
        let minted = self.mint(&account, &audiences, seconds, bound.as_ref())?;
        if audiences.is_empty() {
            audiences.push(ISSUER.to_owned());
        }
        let spec = body.get_mut("spec").and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
        let mut spec: Map<String, Value> = spec;
        spec.insert("audiences".into(), json!(audiences));
        spec.insert("expirationSeconds".into(), json!(seconds));
        spec.entry("boundObjectRef").or_insert(Value::Null);
        Ok(json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": crate::api::verbs::now()},
            "spec": spec,
            "status": {
                "token": minted.token,
                "expirationTimestamp": minted.expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            },
        }))
    }

    fn bound(&self, namespace: &str, account: &str, reference: &Value) -> Result<Bound, Status> {
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        let (kind, name, uid) = (text("kind"), text("name"), text("uid"));
        let (plural, namespace) = match kind {
            "Pod" => ("pods", namespace),
            "Secret" => ("secrets", namespace),
            "Node" => ("nodes", ""),
            _ => {
                let shown = format!("{}, Kind={kind}", text("apiVersion"));
                return Err(Status::bad_request(format!("cannot bind token to object of type {shown}")));
            }
        };
        let found = self.find(plural, namespace, name).ok_or_else(|| Status::not_found("", plural, name))?;
        if !uid.is_empty() && uid != found.uid() {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. \
                 The object might have been deleted and then recreated"
            );
            return Err(Status::conflict("", kind, name, &why));
        }
        Ok(match kind {
            "Secret" => Bound::Secret(Named::of(&found)),
            "Node" => Bound::Node(Named::of(&found)),
            _ if found.text("/spec/serviceAccountName") != account => {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount \"{account}\" to pod running with different serviceaccount name."
                )));
            }
            _ => Bound::Pod(Named::of(&found), self.node_of(&found)),
        })
    }

    /// The node that a pod is bound to, for [`Bound::Pod`].
    pub fn node_of(&self, pod: &Object) -> Option<Named> {
        let name = pod.text("/spec/nodeName");
        if name.is_empty() {
            return None;
        }
        let uid = self.find("nodes", "", name).map(|node| node.uid().to_owned()).unwrap_or_default();
        Some(Named { name: name.to_owned(), uid })
    }

    /// Makes a pod's token for a projected volume: `account` of the pod's namespace, bound to the pod and its node.
    /// An empty `audience` means the API server.
    pub fn mint_for_pod(
        &self,
        pod: &Object,
        account: &str,
        audience: &str,
        seconds: i64,
    ) -> Result<super::Minted, Status> {
        let found = self.find("serviceaccounts", pod.namespace(), account);
        let found = found.ok_or_else(|| Status::not_found("", "serviceaccounts", account))?;
        let audiences: Vec<String> = if audience.is_empty() { Vec::new() } else { vec![audience.to_owned()] };
        let bound = Bound::Pod(Named::of(pod), self.node_of(pod));
        self.mint(&found, &audiences, seconds, Some(&bound))
    }
}

fn access_review(kind: &str, caller: &Caller, namespace: &str, body: &Value) -> Result<Value, Status> {
    let (group, spec) = (AUTHORIZATION, &body["spec"]);
    let resource = spec.get("resourceAttributes").filter(|v| v.is_object());
    let path = spec.get("nonResourceAttributes").filter(|v| v.is_object());
    let mut causes = Vec::new();
    if resource.is_some() == path.is_some() {
        let rule = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &resource.cloned().unwrap_or_default(), rule));
    }
    let caller = if kind == "SelfSubjectAccessReview" { caller.clone() } else { subject(spec) };
    if caller.username.is_empty() && caller.groups.is_empty() {
        causes.push(Cause::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    let text = |from: Option<&Value>, key: &str| {
        from.and_then(|v| v.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if kind == "LocalSubjectAccessReview" && text(resource, "namespace") != namespace {
        let rule = format!("must match metadata.namespace: {namespace}");
        let field = "spec.resourceAttributes.namespace";
        causes.push(Cause::invalid(field, &json!(text(resource, "namespace")), rule));
    }
    if !causes.is_empty() {
        return Err(Status::invalid(group, kind, "", &causes));
    }
    let decision = authorize(
        &caller,
        &Attributes {
            verb: text(resource.or(path), "verb"),
            group: text(resource, "group"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            namespace: text(resource, "namespace"),
            name: text(resource, "name"),
            path: text(path, "path"),
        },
    );
    Ok(json!({"allowed": decision.allowed, "reason": decision.reason}))
}

fn subject(spec: &Value) -> Caller {
    let text = |key: &str| spec.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let extra = spec.get("extra").and_then(Value::as_object);
    let extra = extra.into_iter().flatten().map(|(key, values)| (key.clone(), strings(Some(values)))).collect();
    Caller { username: text("user"), uid: text("uid"), groups: strings(spec.get("groups")), extra }
}

fn rules() -> Value {
    json!({
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": false,
    })
}

/// A caller as `UserInfo`.
pub fn user_info(caller: &Caller) -> Value {
    let mut info = json!({"username": caller.username, "groups": caller.groups});
    if !caller.uid.is_empty() {
        info["uid"] = json!(caller.uid);
    }
    if !caller.extra.is_empty() {
        info["extra"] = caller.extra.iter().map(|(key, values)| (key.clone(), json!(values))).collect();
    }
    info
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
