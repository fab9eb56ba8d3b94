//! delete: preconditions, grace, finalizers, propagation.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{TRIES, now, rules};
use crate::{
    api::{Api, Caller, admission},
    kinds::Kind,
    object::Object,
    status::Status,
    store::{Lost, Precondition, Stored},
};

/// How a delete proceeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds; None: the kind's own default.
    pub grace_period: Option<i64>,
    /// `Background` (default), `Foreground` or `Orphan`.
    pub propagation: Option<String>,
    /// Preconditions: the uid and revision that the object must have.
    pub uid: Option<String>,
    /// See `uid`.
    pub revision: Option<u64>,
    /// Answer as if done, store nothing.
    pub dry_run: bool,
}

/// What a delete came to.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The last state, or the state of waiting.
    pub object: Arc<Stored>,
    /// False: it is marked, and goes when its finalizers and its grace period are over.
    pub gone: bool,
}

/// Namespaces that every cluster keeps.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// The finalizers by which the garbage collector is told how to treat dependents.
const PROPAGATION: [(&str, &str); 2] = [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")];

impl Api {
    /// Deletes an object, or marks it where something must happen first.
    pub async fn delete(
        &self,
        caller: &Caller,
        kind: &Kind,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        check_options(kind, name, options)?;
        for _ in 0..TRIES {
            let old = self.get(kind, namespace, name)?;
            rules::check_preconditions(kind, &old.object, options.uid.as_deref(), options.revision)?;
            let write = admission::Write {
                caller,
                kind,
                subresource: "",
                operation: "DELETE",
                namespace,
                name,
                old: Some(&old.object),
                dry_run: options.dry_run,
            };
            admission::approve(self, &write).await?;
            let marked = mark(kind, &old.object, options);
            let gone = rules::may_go(kind, &marked);
            if options.dry_run {
                return Ok(Deleted { object: Stored::unsaved(marked), gone });
            }
            if !gone && marked == old.object {
                return Ok(Deleted { object: old, gone });
            }
            let (resource, revision) = (kind.resource(), old.object.revision());
            let done = match gone {
                true => self.store().remove(&resource, namespace, name, revision),
                false => self.store().put(&resource, marked, Precondition::Revision(revision)),
            };
            match done {
                Ok(object) => return Ok(Deleted { object: kind.view(object), gone }),
                Err(Lost(_)) => tokio::task::yield_now().await,
            }
        }
        Err(rules::outdated(kind, name))
    }
}

fn check_options(kind: &Kind, name: &str, options: &DeleteOptions) -> Result<(), Status> {
    if rules::is_namespace(kind) && IMMORTAL.contains(&name) {
        return Err(Status::forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    match options.propagation.as_deref() {
        None | Some("Background" | "Foreground" | "Orphan") => Ok(()),
        Some(other) => Err(Status::bad_request(format!(
            "DeleteOptions.propagationPolicy: Unsupported value: \"{other}\": supported values: \"Background\", \
             \"Foreground\", \"Orphan\""
        ))),
    }
}

/// The object as a delete leaves it, were it to stay.
fn mark(kind: &Kind, old: &Object, options: &DeleteOptions) -> Object {
    let mut new = old.clone();
    if options.propagation.is_some() {
        let others = old.finalizers().into_iter().filter(|f| PROPAGATION.iter().all(|(_, name)| name != f));
        let wanted = PROPAGATION.iter().filter(|(policy, _)| options.propagation.as_deref() == Some(policy));
        let finalizers: Vec<&str> = others.chain(wanted.map(|(_, name)| *name)).collect();
        let old_finalizers = old.finalizers();
        if finalizers.iter().any(|f| !old_finalizers.contains(f)) || finalizers.len() != old_finalizers.len() {
            new.set_meta("finalizers", if finalizers.is_empty() { Value::Null } else { json!(finalizers) });
        }
    }
    let grace = grace(kind, old, options);
    if !old.is_deleting() {
        new.set_meta("deletionTimestamp", after(&now(), grace));
        new.set_meta("deletionGracePeriodSeconds", grace);
        if old.generation() > 0 {
            new.set_meta("generation", old.generation() + 1);
        }
    } else if let Some(before) = old.int("/metadata/deletionGracePeriodSeconds")
        && grace < before
    {
        // Only a shorter grace counts once an object is going.
        new.set_meta("deletionTimestamp", after(old.text("/metadata/deletionTimestamp"), grace - before));
        new.set_meta("deletionGracePeriodSeconds", grace);
    }
    if rules::is_namespace(kind) {
        new.value_mut()["status"]["phase"] = json!("Terminating");
    }
    new
}

/// Seconds to wait. Pods alone wait: for the kubelet, when they are on a node and not over yet.
fn grace(kind: &Kind, object: &Object, options: &DeleteOptions) -> i64 {
    let is_pod = kind.group.is_empty() && kind.kind == "Pod";
    if !is_pod
        || object.text("/spec/nodeName").is_empty()
        || ["Failed", "Succeeded"].contains(&object.text("/status/phase"))
    {
        return 0;
    }
    let own = || object.int("/spec/terminationGracePeriodSeconds").unwrap_or(30);
    let seconds = options.grace_period.unwrap_or_else(own);
    if seconds < 0 { 1 } else { seconds }
}

fn after(time: &str, seconds: i64) -> String {
    let time: Timestamp = time.parse().unwrap_or_else(|_| Timestamp::now());
    let moved = time.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(time);
    moved.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
