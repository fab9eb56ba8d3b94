//! Jobs: besides the plain defaults, the labels and the selector by which a Job knows its pods.

use serde_json::{Map, Value, json};

use super::{absent, object, root, spec, template};
use crate::object::Object;

/// The labels that the controller knows a Job's pods by, and their older names.
const UID: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const NAME: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

pub(super) fn job(whole: &mut Object, old: Option<&Object>) {
    let (name, uid) = (whole.name().to_owned(), whole.uid().to_owned());
    let Some(spec) = spec(whole) else { return };
    if !spec.contains_key("parallelism") {
        absent(spec, "completions", 1);
    }
    absent(spec, "parallelism", 1);
    absent(spec, "backoffLimit", 6);
    absent(spec, "completionMode", "NonIndexed");
    absent(spec, "suspend", false);
    absent(spec, "manualSelector", false);
    let policy = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    absent(spec, "podReplacementPolicy", policy);
    template(spec);
    let of_template = |spec: &Map<String, Value>| spec.get("template")?.pointer("/metadata/labels").cloned();
    let given = of_template(spec);
    if old.is_none() && spec.get("manualSelector") != Some(&Value::Bool(true)) && !uid.is_empty() {
        select(spec, &name, &uid);
    }
    // A Job without labels takes those that its author gave the template; without any, those that all its pods have.
    let labels = given.or_else(|| of_template(spec));
    if let (Some(labels), Some(metadata)) = (labels, root(whole).and_then(|root| object(root, "metadata")))
        && old.is_none()
    {
        absent(metadata, "labels", labels);
    }
}

fn select(spec: &mut Map<String, Value>, name: &str, uid: &str) {
    let metadata = object(spec, "template").and_then(|template| object(template, "metadata"));
    if let Some(labels) = metadata.and_then(|metadata| object(metadata, "labels")) {
        for (keys, value) in [(UID, uid), (NAME, name)] {
            keys.iter().for_each(|key| absent(labels, key, value));
        }
    }
    if let Some(labels) = object(spec, "selector").and_then(|selector| object(selector, "matchLabels")) {
        labels.insert(UID[0].into(), json!(uid));
    }
}
