//! The garbage collector: what belongs to an object goes with it, by ownerReferences, over all kinds.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Outcome,
    engine::{Engine, Next},
};
use crate::{
    api::{Part, WriteOptions, verbs::DeleteOptions},
    client::{Client, Key},
    kinds::Kind,
    object::Object,
    status::Status,
    store::{Change, Store},
};

/// Keeps an object until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Keeps an object until its dependents were let go.
const ORPHAN: &str = "orphan";

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, reconcile).on_all(affected)
}

/// A key that also names the kind.
fn key_of(object: &Object) -> Key {
    let name = format!("{} {} {}", object.api_version(), object.kind(), object.name());
    Key { namespace: object.namespace().to_owned(), name }
}

fn affected(store: &Store, object: &Object, change: Change) -> Vec<Key> {
    if change != Change::Deleted {
        let concerns = !object.owners().is_empty() || object.is_deleting();
        return if concerns { vec![key_of(object)] } else { Vec::new() };
    }
    let dependents = store.dependents(object.uid()).into_iter().map(|(_, stored)| key_of(&stored.object));
    // An owner may have waited for this one to go.
    let owners = object.owners().iter().filter(|owner| owner["blockOwnerDeletion"] == true).filter_map(|owner| {
        let text = |member: &str| owner[member].as_str();
        let name = format!("{} {} {}", text("apiVersion")?, text("kind")?, text("name")?);
        Some(Key { namespace: object.namespace().to_owned(), name })
    });
    dependents.chain(owners).collect()
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let mut parts = key.name.splitn(3, ' ');
    let (Some(api_version), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(Next::Change);
    };
    let served = client.api().kinds().served();
    let Some(kind) = served.find_kind(api_version, kind).cloned() else { return Ok(Next::Change) };
    let namespace = if kind.is_namespaced() { key.namespace.as_str() } else { "" };
    let Some(stored) = client.api().store().get(&kind.resource(), namespace, name) else { return Ok(Next::Change) };
    let object = &stored.object;
    if !object.is_deleting() {
        collect(&client, &kind, object).await?;
        return Ok(Next::Change);
    }
    if object.finalizers().contains(&ORPHAN) {
        let_go(&client, &kind, object).await?;
    } else if object.finalizers().contains(&FOREGROUND) {
        delete_dependents(&client, &kind, object).await?;
    }
    Ok(Next::Change)
}

/// What an ownerReference points to.
#[derive(PartialEq)]
enum Owner {
    /// It lives, or cannot be looked up.
    Present,
    /// There is no such object any more.
    Absent,
    /// It waits for its dependents to be gone.
    Waiting,
}

fn look_up(client: &Client, of: &Object, reference: &Value) -> Owner {
    let text = |member: &str| reference[member].as_str().unwrap_or_default();
    let served = client.api().kinds().served();
    let Some(kind) = served.find_kind(text("apiVersion"), text("kind")) else { return Owner::Present };
    if kind.is_namespaced() && of.namespace().is_empty() {
        // Nothing outside of namespaces can belong to something in one.
        return Owner::Present;
    }
    let namespace = if kind.is_namespaced() { of.namespace() } else { "" };
    match client.api().store().get(&kind.resource(), namespace, text("name")) {
        Some(owner) if owner.object.uid() == text("uid") => {
            let waits = owner.object.is_deleting() && owner.object.finalizers().contains(&FOREGROUND);
            if waits { Owner::Waiting } else { Owner::Present }
        }
        _ => Owner::Absent,
    }
}

/// Deletes an object when no owner is left, or drops the references to those that are gone.
async fn collect(client: &Client, kind: &Kind, object: &Object) -> Result<(), Status> {
    let owners: Vec<(&Value, Owner)> =
        object.owners().iter().map(|reference| (reference, look_up(client, object, reference))).collect();
    let gone: Vec<&Value> =
        owners.iter().filter(|(_, owner)| *owner != Owner::Present).map(|(reference, _)| &reference["uid"]).collect();
    if gone.is_empty() {
        return Ok(());
    }
    if gone.len() < owners.len() {
        return edit(client, kind, object, |object| drop_owners(object, &gone)).await;
    }
    let waiting = owners.iter().any(|(_, owner)| *owner == Owner::Waiting);
    let has_dependents = || !client.api().store().dependents(object.uid()).is_empty();
    let finalizers = object.finalizers();
    let propagation = if finalizers.contains(&ORPHAN) {
        "Orphan"
    } else if finalizers.contains(&FOREGROUND) || (waiting && has_dependents()) {
        "Foreground"
    } else {
        "Background"
    };
    let options = DeleteOptions {
        propagation: Some(propagation.to_owned()),
        uid: Some(object.uid().to_owned()),
        ..DeleteOptions::default()
    };
    match client.api().delete(client.caller(), kind, object.namespace(), object.name(), &options).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Foreground deletion of `owner`: deletes what is left, and lets it go once nothing that blocks it remains.
async fn delete_dependents(client: &Client, kind: &Kind, owner: &Object) -> Result<(), Status> {
    let mut blocked = false;
    for (resource, dependent) in client.api().store().dependents(owner.uid()) {
        let object = &dependent.object;
        blocked |= object.owners().iter().any(|o| o["uid"] == owner.uid() && o["blockOwnerDeletion"] == true);
        let served = client.api().kinds().served();
        if !object.is_deleting()
            && let Some(kind) = served.preferred(&resource)
        {
            collect(client, kind, object).await?;
        }
    }
    // Those that were just deleted may be gone at once: their going brings this owner here again.
    if blocked { Ok(()) } else { edit(client, kind, owner, |owner| drop_finalizer(owner, FOREGROUND)).await }
}

async fn let_go(client: &Client, kind: &Kind, owner: &Object) -> Result<(), Status> {
    let uid = Value::from(owner.uid());
    for (resource, dependent) in client.api().store().dependents(owner.uid()) {
        let served = client.api().kinds().served();
        let Some(kind) = served.preferred(&resource) else { continue };
        edit(client, kind, &dependent.object, |object| drop_owners(object, &[&uid])).await?;
    }
    edit(client, kind, owner, |owner| drop_finalizer(owner, ORPHAN)).await
}

fn drop_owners(object: &mut Object, uids: &[&Value]) {
    let left: Vec<Value> = object.owners().iter().filter(|owner| !uids.contains(&&owner["uid"])).cloned().collect();
    object.set_meta("ownerReferences", if left.is_empty() { Value::Null } else { left.into() });
}

fn drop_finalizer(object: &mut Object, finalizer: &str) {
    let left: Vec<&str> = object.finalizers().into_iter().filter(|other| *other != finalizer).collect();
    let left: Value = left.into();
    object.set_meta("finalizers", if left == Value::Array(Vec::new()) { Value::Null } else { left });
}

/// Changes the object that is there now, if it is still the one meant.
async fn edit(client: &Client, kind: &Kind, object: &Object, change: impl Fn(&mut Object)) -> Result<(), Status> {
    let (api, resource, options) = (client.api(), kind.resource(), WriteOptions::default());
    loop {
        let Some(stored) = api.store().get(&resource, object.namespace(), object.name()) else { return Ok(()) };
        if stored.object.uid() != object.uid() {
            return Ok(());
        }
        let mut changed = Object::clone(&Arc::as_ref(&stored).object);
        change(&mut changed);
        match api.update(client.caller(), kind, Part::Main, changed, &options).await {
            Err(error) if error.is_conflict() => tokio::task::yield_now().await,
            Err(error) if !error.is_not_found() => return Err(error),
            _ => return Ok(()),
        }
    }
}
