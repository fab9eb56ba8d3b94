//! CustomResourceDefinitions at work: their names are accepted, their kinds served, and with them go their objects.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    Part, WriteOptions,
    discovery::version_rank,
    verbs::{DeleteOptions, now},
};
use crate::{
    client::Client,
    kinds::{Kind, PLAIN, ScalePaths, Scope, Served},
    object::Object,
    status::Status,
    store::{Resource, Stored},
};

mod rules;

pub use rules::validate;

/// Holds a definition until its objects are gone.
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// How soon a definition is looked at again whose objects take time to go.
const AGAIN: Duration = Duration::from_millis(100);

fn definitions() -> Resource {
    Resource::new("apiextensions.k8s.io", "customresourcedefinitions")
}

/// Serves what definitions define, until dropped. The kinds of definitions that exist are served before the first
/// await returns pending.
pub async fn run(client: Client) {
    loop {
        let (_, revision) = client.api().store().list(&definitions(), None);
        let Ok(mut watch) = client.api().store().watch(&definitions(), revision) else { continue };
        loop {
            let waits = reconcile(&client).await;
            let expired = tokio::select! {
                event = watch.next() => event.is_err(),
                () = tokio::time::sleep(AGAIN), if waits => false,
            };
            if expired {
                break;
            }
        }
    }
}

/// Brings all definitions' status, and the kinds served, up to date. True: something must be looked at again.
async fn reconcile(client: &Client) -> bool {
    let (mut found, _) = client.api().store().list(&definitions(), None);
    // Names belong to the definition that came first.
    found
        .sort_by_key(|stored| (stored.object.text("/metadata/creationTimestamp").to_owned(), stored.object.revision()));
    let mut names = Names::default();
    let mut accepted = Vec::new();
    for stored in &found {
        match names.claim(&stored.object) {
            Ok(()) => accepted.push(stored.clone()),
            Err(conflict) => report(client, stored, Err(conflict)).await,
        }
    }
    let before = client.api().kinds().served();
    client.api().kinds().set_custom(accepted.iter().flat_map(|stored| kinds(stored, &before)).collect());
    let mut waits = false;
    for stored in accepted {
        if stored.object.is_deleting() {
            waits |= clean(client, &stored).await;
        } else {
            report(client, &stored, Ok(())).await;
        }
    }
    waits
}

/// Kinds and short names in use, by group.
#[derive(Default)]
struct Names(HashMap<(String, String), String>);

/// A name that another definition has: the reason's prefix and the name.
struct Conflict(&'static str, String);

impl Names {
    fn claim(&mut self, definition: &Object) -> Result<(), Conflict> {
        let group = definition.text("/spec/group").to_owned();
        let text = |key: &str| definition.text(&format!("/spec/names/{key}")).to_owned();
        let short = definition.at("/spec/names/shortNames").and_then(Value::as_array).into_iter().flatten();
        let mut wanted = vec![("Kind", text("kind")), ("ListKind", text("listKind"))];
        wanted.extend([("Singular", text("singular")), ("Plural", text("plural"))]);
        wanted.extend(short.filter_map(|n| Some(("ShortNames", n.as_str()?.to_owned()))));
        for (what, name) in &wanted {
            let owner = self.0.get(&(group.clone(), name.clone()));
            if owner.is_some_and(|owner| owner != definition.name()) {
                return Err(Conflict(what, name.clone()));
            }
        }
        for (_, name) in wanted {
            self.0.insert((group.clone(), name), definition.name().to_owned());
        }
        Ok(())
    }
}

/// The served versions of a definition, the preferred first. A kind whose definition did not change keeps its schema.
fn kinds(stored: &Arc<Stored>, before: &Served) -> Vec<Kind> {
    let definition = &stored.object;
    let versions = definition.at("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    let served = versions.filter(|v| v["served"] == true);
    let mut kinds: Vec<Kind> = served.map(|version| kind(stored, version, before)).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(version_rank(&kind.version)));
    kinds
}

fn kind(stored: &Arc<Stored>, version: &Value, before: &Served) -> Kind {
    let definition = &stored.object;
    let text = |pointer: &str| Cow::<'static, str>::Owned(definition.text(pointer).to_owned());
    let list = |pointer: &str| -> Cow<'static, [Cow<'static, str>]> {
        let items = definition.at(pointer).and_then(Value::as_array).into_iter().flatten();
        Cow::Owned(items.filter_map(|n| Some(n.as_str()?.to_owned().into())).collect())
    };
    let name = version["name"].as_str().unwrap_or_default().to_owned();
    let plural = text("/spec/names/plural");
    let same = before.find(definition.text("/spec/group"), &name, &plural).filter(|kind| {
        let old = kind.definition.as_ref().map(|d| (d.object.uid().to_owned(), d.object.generation()));
        old == Some((definition.uid().to_owned(), definition.generation()))
    });
    let scale = version.pointer("/subresources/scale").map(|scale| {
        let pointer = |key: &str| scale[key].as_str().filter(|p| !p.is_empty()).map(|p| p.replace('.', "/").into());
        ScalePaths {
            spec: pointer("specReplicasPath").unwrap_or("/spec/replicas".into()),
            status: pointer("statusReplicasPath").unwrap_or("/status/replicas".into()),
            selector: pointer("labelSelectorPath"),
        }
    });
    Kind {
        group: text("/spec/group"),
        version: name.into(),
        kind: text("/spec/names/kind"),
        singular: text("/spec/names/singular"),
        short_names: list("/spec/names/shortNames"),
        categories: list("/spec/names/categories"),
        scope: if definition.text("/spec/scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
        has_status: version.pointer("/subresources/status").is_some(),
        scale,
        strategy: PLAIN,
        schema: same.map(|kind| kind.schema.clone()).unwrap_or_default(),
        definition: Some(stored.clone()),
        plural,
    }
}

/// Writes a definition's status, where it is not yet so, and its finalizer.
async fn report(client: &Client, stored: &Arc<Stored>, accepted: Result<(), Conflict>) {
    let definition = &stored.object;
    let names_accepted = accepted.is_ok();
    let conditions = match accepted {
        Ok(()) => [
            ("NamesAccepted", "True", "NoConflicts".to_owned(), "no conflicts found".to_owned()),
            (
                "Established",
                "True",
                "InitialNamesAccepted".to_owned(),
                "the initial names have been accepted".to_owned(),
            ),
        ],
        Err(Conflict(what, name)) => [
            ("NamesAccepted", "False", format!("{what}Conflict"), format!("\"{name}\" is already in use")),
            ("Established", "False", "NotAccepted".to_owned(), "not all names are accepted".to_owned()),
        ],
    };
    let mut status = definition.at("/status").cloned().unwrap_or_else(|| json!({}));
    for (kind, value, reason, message) in conditions {
        set_condition(&mut status, kind, value, &reason, &message);
    }
    status["acceptedNames"] = if names_accepted {
        definition.at("/spec/names").cloned().unwrap_or_default()
    } else {
        json!({"kind": "", "plural": ""})
    };
    let mut versions = status["storedVersions"].as_array().cloned().unwrap_or_default();
    let listed = definition.at("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    for name in listed.filter(|v| v["storage"] == true).map(|v| &v["name"]) {
        if !versions.contains(name) {
            versions.push(name.clone());
        }
    }
    status["storedVersions"] = versions.into();
    let write = async {
        if names_accepted && !definition.finalizers().contains(&FINALIZER) {
            let mut finalizers = definition.finalizers();
            finalizers.push(FINALIZER);
            let mut object = definition.clone();
            object.set_meta("finalizers", json!(finalizers));
            update(client, Part::Main, object).await?;
        } else if definition.at("/status") != Some(&status) {
            let mut object = definition.clone();
            object.set("status", status);
            update(client, Part::Status, object).await?;
        }
        Ok(())
    };
    log(definition, write.await);
}

fn set_condition(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let new = json!({"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": now()});
    match conditions.iter_mut().find(|c| c["type"] == kind) {
        Some(old) if old["status"] == value && old["reason"] == reason && old["message"] == message => {}
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// Deletes the objects of a definition that is going, and lets it go after them. True: objects remain.
async fn clean(client: &Client, stored: &Arc<Stored>) -> bool {
    let definition = &stored.object;
    if !definition.finalizers().contains(&FINALIZER) {
        return false;
    }
    let resource = Resource::new(definition.text("/spec/group"), definition.text("/spec/names/plural"));
    let served = client.api().kinds().served();
    if let Some(kind) = served.preferred(&resource) {
        for object in client.api().store().list(&resource, None).0 {
            let (object, options) = (&object.object, DeleteOptions::default());
            if object.is_deleting() {
                continue;
            }
            let gone = client.api().delete(client.caller(), kind, object.namespace(), object.name(), &options).await;
            log(object, gone.map(|_| ()));
        }
    }
    if !client.api().store().list(&resource, None).0.is_empty() {
        return true;
    }
    let kept: Vec<&str> = definition.finalizers().into_iter().filter(|f| *f != FINALIZER).collect();
    let mut object = definition.clone();
    object.set_meta("finalizers", if kept.is_empty() { Value::Null } else { json!(kept) });
    log(definition, update(client, Part::Main, object).await);
    false
}

async fn update(client: &Client, part: Part, object: Object) -> Result<(), Status> {
    let served = client.api().kinds().served();
    let kind = served.preferred(&definitions()).ok_or_else(|| Status::internal("definitions are not served"))?;
    client.api().update(client.caller(), kind, part, object, &WriteOptions::default()).await.map(|_| ())
}

/// A lost race needs no word: the event of the write that won brings the definition back here.
fn log(object: &Object, done: Result<(), Status>) {
    if let Err(error) = done
        && !error.is_conflict()
        && !error.is_not_found()
    {
        tracing::warn!(name = object.name(), %error, "cannot bring a definition up to date");
    }
}

#[cfg(test)]
mod tests;
