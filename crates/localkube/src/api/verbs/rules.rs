//! What a write may not change, and what the server itself keeps: identity, times, generation.

use serde_json::{Value, json};

use super::{modified, now, random_uid};
use crate::{
    api::Part,
    kinds::Kind,
    object::Object,
    status::{Cause, Status},
};

/// Members of `metadata` that the server alone writes.
const SERVERS: &[&str] =
    &["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

/// Fills in `apiVersion` and `kind`, or refuses others than the path's; a cluster-scoped object has no namespace.
pub(super) fn identify(kind: &Kind, object: &mut Object) -> Result<(), Status> {
    let api_version = kind.api_version();
    if object.api_version().is_empty() && object.kind().is_empty() {
        object.set("apiVersion", api_version.into());
        object.set("kind", kind.kind.as_ref().into());
    } else if object.api_version() != api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({api_version})",
            object.api_version()
        )));
    } else if object.kind() != kind.kind {
        return Err(Status::bad_request(format!(
            "the kind in the data ({}) does not match the expected kind ({})",
            object.kind(),
            kind.kind
        )));
    }
    if !kind.is_namespaced() {
        object.set_meta("namespace", Value::Null);
    }
    Ok(())
}

/// The server's own fields of a new object.
pub(super) fn begin(kind: &Kind, object: &mut Object) {
    for member in SERVERS.iter().chain(&["resourceVersion"]) {
        object.set_meta(member, Value::Null);
    }
    object.set_meta("uid", random_uid());
    object.set_meta("creationTimestamp", now());
    if has_generation(kind) {
        object.set_meta("generation", 1);
    }
    // A node registers with its status; every other status begins with its controller.
    if kind.has_status && kind.kind != "Node" {
        object.set("status", Value::Null);
    }
}

/// Which kinds count generations: all but these old ones of the core and few others.
fn has_generation(kind: &Kind) -> bool {
    match kind.group.as_ref() {
        "" => kind.kind == "Pod",
        "autoscaling" | "coordination.k8s.io" | "rbac.authorization.k8s.io" => false,
        _ => true,
    }
}

/// Refuses a new object that is not the old one, and new finalizers on an object that is going.
pub(super) fn check_identity(kind: &Kind, old: &Object, new: &Object) -> Result<(), Status> {
    if !new.uid().is_empty() && new.uid() != old.uid() {
        let why = format!("Precondition failed: UID in precondition: {}, UID in object meta: {}", new.uid(), old.uid());
        return Err(Status::conflict(&kind.group, &kind.plural, old.name(), &why));
    }
    for (member, place, was, is) in
        [("name", "URL", old.name(), new.name()), ("namespace", "request", old.namespace(), new.namespace())]
    {
        if was != is {
            let why = format!("the {member} of the object ({is}) does not match the {member} on the {place} ({was})");
            return Err(Status::bad_request(why));
        }
    }
    let added: Vec<&str> = new.finalizers().into_iter().filter(|f| !old.finalizers().contains(f)).collect();
    if old.is_deleting() && !added.is_empty() {
        let cause = Cause {
            reason: "FieldValueForbidden",
            message: format!(
                "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \
                 []string{{\"{}\"}}",
                added.join("\", \"")
            ),
            field: "metadata.finalizers".to_owned(),
        };
        return Err(Status::invalid(&kind.group, &kind.kind, old.name(), &[cause]));
    }
    Ok(())
}

/// Takes from `new` only what this part may change; all else stays as in `old`.
pub(super) fn keep(kind: &Kind, part: Part, old: &Object, new: &mut Object) {
    let given = match part {
        Part::Main => {
            for member in SERVERS.iter().chain(&["resourceVersion"]) {
                new.set_meta(member, old.value()["metadata"][member].clone());
            }
            if kind.has_status {
                new.set("status", old.value()["status"].clone());
            }
            if is_namespace(kind) {
                new.value_mut()["spec"]["finalizers"] = old.value()["spec"]["finalizers"].clone();
            }
            return;
        }
        Part::Status => ("status", new.value()["status"].clone()),
        Part::Finalize => {
            let mut spec = old.value()["spec"].clone();
            spec["finalizers"] = new.at("/spec/finalizers").cloned().unwrap_or_else(|| json!([]));
            ("spec", spec)
        }
    };
    let owners = new.value()["metadata"]["managedFields"].clone();
    *new = old.clone();
    new.set(given.0, given.1);
    if !owners.is_null() {
        new.set_meta("managedFields", owners);
    }
}

/// Counts the generation up when the wanted state changed.
pub(super) fn renumber(kind: &Kind, part: Part, old: &Object, new: &mut Object) {
    if part != Part::Main || !has_generation(kind) {
        return;
    }
    let wanted = |object: &Object| {
        let mut value = object.value().clone();
        if let Some(members) = value.as_object_mut() {
            members.retain(|member, _| member != "metadata" && (member != "status" || !kind.has_status));
        }
        value
    };
    if wanted(old) != wanted(new) {
        new.set_meta("generation", old.generation() + 1);
    }
}

/// Whether an object that was asked to go has nothing to wait for.
pub(super) fn may_go(kind: &Kind, object: &Object) -> bool {
    let spec_finalizers = object.at("/spec/finalizers").and_then(Value::as_array);
    object.is_deleting()
        && object.finalizers().is_empty()
        && object.int("/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
        && !(is_namespace(kind) && spec_finalizers.is_some_and(|finalizers| !finalizers.is_empty()))
}

/// True for the kind Namespace, whose `spec.finalizers` hold it as `metadata.finalizers` hold others.
pub(super) fn is_namespace(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.kind == "Namespace"
}

/// Checks the uid and version that a delete insists on.
pub(super) fn check_preconditions(
    kind: &Kind,
    object: &Object,
    uid: Option<&str>,
    revision: Option<u64>,
) -> Result<(), Status> {
    let conflict = |why: String| Err(Status::conflict(&kind.group, &kind.plural, object.name(), &why));
    match (uid, revision) {
        (Some(uid), _) if uid != object.uid() => conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            object.uid()
        )),
        (_, Some(revision)) if revision != object.revision() => conflict(format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            object.revision()
        )),
        _ => Ok(()),
    }
}

/// The conflict of a write on an old version.
pub(super) fn outdated(kind: &Kind, name: &str) -> Status {
    modified(kind, name)
}
