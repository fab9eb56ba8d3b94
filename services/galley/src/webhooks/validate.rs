//! `/validate`: the same judgement as at the intake, before an object is stored.

use std::sync::Arc;

use futures::FutureExt;
use mesh_kube::{
    admission::{Operation, Request, Verdict},
    webhook::Judge,
};
use mesh_model::{config::Kind, parse::ParseContext};
use serde_json::Value;

use crate::{
    config::{Judgement, judge as judge_object},
    metrics::Metrics,
};

/// The judge for [`mesh_kube::webhook::routes`].
pub fn judge(context: ParseContext, metrics: Metrics) -> Judge {
    Arc::new(move |_, request| {
        let verdict = verdict(&context, request);
        if let Some(kind) = Kind::find(&request.kind.group, &request.kind.kind) {
            metrics.validated(kind.group(), kind.plural(), !matches!(verdict, Verdict::Deny { .. }));
        }
        async { verdict }.boxed()
    })
}

/// Decides on a write.
///
/// A write that leaves alone what is judged passes even when the object is wrong: who removes a finalizer of an object
/// that came in before validation cannot be asked to mend it.
pub fn verdict(context: &ParseContext, request: &Request) -> Verdict {
    let Some(object) = &request.object else { return Verdict::allow() };
    if !matches!(request.operation, Operation::Create | Operation::Update) {
        return Verdict::allow();
    }
    if Kind::find(&request.kind.group, &request.kind.kind).is_none() {
        let warning = format!("{} of {} is no kind of this mesh", request.kind.kind, request.kind.group);
        return Verdict::Allow { warnings: vec![warning] };
    }
    match judge_object(&named(object, request), context) {
        Judgement::Accepted { warnings, without_effect, .. } => {
            let unused = without_effect.iter().map(|path| format!("{path}: has no effect in this version of the mesh"));
            Verdict::Allow { warnings: warnings.iter().map(ToString::to_string).chain(unused).collect() }
        }
        Judgement::Refused(issues) => {
            let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
            let is_going = !object["metadata"]["deletionTimestamp"].is_null();
            if is_going || request.old_object.as_ref().is_some_and(|old| is_same(old, object)) {
                return Verdict::Allow { warnings: lines };
            }
            tracing::info!(object = request.name, namespace = request.namespace, issues = lines.join("; "), "refused");
            Verdict::Deny { message: lines.join("\n"), warnings: Vec::new() }
        }
    }
}

/// An object on its way in may not have its name and namespace yet.
fn named(object: &Value, request: &Request) -> Value {
    let mut object = object.clone();
    let metadata = &mut object["metadata"];
    if metadata["name"].is_null() {
        let generated = metadata["generateName"].as_str().map(|prefix| format!("{prefix}x"));
        metadata["name"] = generated.unwrap_or_else(|| request.name.clone()).into();
    }
    if metadata["namespace"].is_null() && !request.namespace.is_empty() {
        metadata["namespace"] = request.namespace.clone().into();
    }
    object
}

fn is_same(old: &Value, new: &Value) -> bool {
    let judged = |object: &Value| {
        let metadata = &object["metadata"];
        (object["spec"].clone(), metadata["labels"].clone(), metadata["annotations"].clone())
    };
    judged(old) == judged(new)
}

#[cfg(test)]
mod tests;
