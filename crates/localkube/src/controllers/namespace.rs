//! Namespaces: what every one has, and the clearing of one that is deleted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, NamespaceCondition, ServiceAccount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    Outcome, Settings,
    engine::{Engine, Next},
    pods,
};
use crate::{
    api::{Part, verbs::DeleteOptions},
    client::{Client, Key, Typed},
    object::Object,
    status::Status,
    store::{Change, Resource, Store},
};

/// In `spec.finalizers` of a namespace that is not cleared yet.
const FINALIZER: &str = "kubernetes";
const ROOT_CA: &str = "kube-root-ca.crt";
/// How often a namespace is looked at again that does not get empty.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clears namespaces that are deleted.
pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, clear).of("", "namespaces").on_all(|store, object, change| {
        if change != Change::Deleted || !is_going(store, object.namespace()) {
            return Vec::new();
        }
        vec![key(object.namespace())]
    })
}

/// Gives every namespace ServiceAccount `default` and the cluster's CA certificate.
pub(super) fn furnishing_engine(client: Client, settings: Arc<Settings>) -> Engine {
    let named = |wanted: &'static str| {
        move |_: &Store, object: &Object, _: Change| match object.name() == wanted {
            true => vec![key(object.namespace())],
            false => Vec::new(),
        }
    };
    Engine::new(client, move |client, key| furnish(client, key, settings.clone()))
        .of("", "namespaces")
        .on("", "serviceaccounts", named("default"))
        .on("", "configmaps", named(ROOT_CA))
}

fn key(namespace: &str) -> Key {
    Key { namespace: String::new(), name: namespace.to_owned() }
}

fn is_going(store: &Store, name: &str) -> bool {
    !name.is_empty()
        && store.get(&Resource::new("", "namespaces"), "", name).is_some_and(|namespace| namespace.object.is_deleting())
}

async fn furnish(client: Client, key: Key, settings: Arc<Settings>) -> Outcome {
    let Some(namespace) = client.get::<Namespace>("", &key.name)? else { return Ok(Next::Change) };
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(Next::Change);
    }
    let metadata = |name: &str| ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(key.name.clone()),
        ..ObjectMeta::default()
    };
    if client.get::<ServiceAccount>(&key.name, "default")?.is_none() {
        let account = ServiceAccount { metadata: metadata("default"), ..ServiceAccount::default() };
        unless_present(client.create(&account).await)?;
    }
    let data = BTreeMap::from([("ca.crt".to_owned(), settings.ca_pem.clone())]);
    match client.get::<ConfigMap>(&key.name, ROOT_CA)? {
        Some(map) if map.data.as_ref() == Some(&data) => {}
        Some(map) => {
            client.update(&ConfigMap { data: Some(data), ..map }).await?;
        }
        None => {
            let mut metadata = metadata(ROOT_CA);
            let about = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
                endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed \
                across distributions of Kubernetes clusters.";
            metadata.annotations = Some(BTreeMap::from([("kubernetes.io/description".to_owned(), about.to_owned())]));
            unless_present(client.create(&ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }).await)?;
        }
    }
    Ok(Next::Change)
}

/// Someone else may have been quicker.
pub(super) fn unless_present<T: Typed>(created: Result<T, Status>) -> Result<(), Status> {
    match created {
        Err(error) if !error.is_already_exists() => Err(error),
        _ => Ok(()),
    }
}

async fn clear(client: Client, key: Key) -> Outcome {
    let Some(namespace) = client.get::<Namespace>("", &key.name)? else { return Ok(Next::Change) };
    let held = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
    let held = held.is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == FINALIZER));
    if namespace.metadata.deletion_timestamp.is_none() || !held {
        return Ok(Next::Change);
    }
    let failure = delete_content(&client, &key.name).await.err();
    let left = Left::of(&client, &key.name);
    write_conditions(&client, &key.name, &left, failure.as_ref()).await?;
    if let Some(error) = failure {
        return Err(error);
    }
    if !left.resources.is_empty() {
        return Ok(Next::After(PATIENCE));
    }
    let finalize = |namespace: &mut Namespace| {
        let finalizers = namespace.spec.get_or_insert_default().finalizers.get_or_insert_default();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        true
    };
    client.modify("", &key.name, Part::Finalize, finalize).await?;
    Ok(Next::Change)
}

/// Every namespaced resource once, whatever its versions.
fn resources(client: &Client) -> BTreeSet<Resource> {
    let served = client.api().kinds().served();
    served.iter().filter(|kind| kind.is_namespaced()).map(|kind| kind.resource()).collect()
}

/// Asks for the deletion of all that is not being deleted yet; goes on after a refusal and gives the first one back.
async fn delete_content(client: &Client, namespace: &str) -> Result<(), Status> {
    let served = client.api().kinds().served();
    let mut result = Ok(());
    for resource in resources(client) {
        let Some(kind) = served.preferred(&resource) else { continue };
        let (found, _) = client.api().store().list(&resource, Some(namespace));
        for stored in found.iter().filter(|stored| !stored.object.is_deleting()) {
            let options = DeleteOptions {
                propagation: Some("Background".to_owned()),
                uid: Some(stored.object.uid().to_owned()),
                ..DeleteOptions::default()
            };
            let deleted = client.api().delete(client.caller(), kind, namespace, stored.object.name(), &options).await;
            if let Err(error) = deleted
                && !error.is_not_found()
                && !error.is_conflict()
            {
                result = result.and(Err(error));
            }
        }
    }
    result
}

/// What a namespace still holds.
#[derive(Default)]
struct Left {
    resources: Vec<(Resource, usize)>,
    finalizers: BTreeMap<String, usize>,
}

impl Left {
    fn of(client: &Client, namespace: &str) -> Self {
        let mut left = Self::default();
        for resource in resources(client) {
            let (found, _) = client.api().store().list(&resource, Some(namespace));
            for finalizer in found.iter().flat_map(|stored| stored.object.finalizers()) {
                *left.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
            if !found.is_empty() {
                left.resources.push((resource, found.len()));
            }
        }
        left
    }
}

async fn write_conditions(
    client: &Client,
    namespace: &str,
    left: &Left,
    failure: Option<&Status>,
) -> Result<(), Status> {
    let resources: Vec<String> = left
        .resources
        .iter()
        .map(|(resource, count)| format!("{}.{} has {count} resource instances", resource.plural, resource.group))
        .collect();
    let finalizers: Vec<String> =
        left.finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    let conditions = [
        row("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered", None),
        row(
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
            None,
        ),
        row(
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
            failure
                .map(|e| ("ContentDeletionFailed", format!("Failed to delete all resource types, 1 remaining: {e}"))),
        ),
        row(
            "NamespaceContentRemaining",
            "ContentRemoved",
            "All content successfully removed",
            (!resources.is_empty())
                .then(|| ("SomeResourcesRemain", format!("Some resources are remaining: {}", resources.join(", ")))),
        ),
        row(
            "NamespaceFinalizersRemaining",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
            (!finalizers.is_empty()).then(|| {
                let list = finalizers.join(", ");
                ("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {list}"))
            }),
        ),
    ];
    let change = |namespace: &mut Namespace| {
        let status = namespace.status.get_or_insert_default();
        let list = status.conditions.get_or_insert_default();
        conditions.iter().map(|condition| set_condition(list, condition.clone())).filter(|changed| *changed).count() > 0
    };
    client.modify("", namespace, Part::Status, change).await.map(|_| ())
}

/// A condition: False with the good words, or True with what is wrong.
fn row(kind: &str, good: &str, words: &str, bad: Option<(&str, String)>) -> NamespaceCondition {
    let status = if bad.is_some() { "True" } else { "False" };
    let (reason, message) = bad.unwrap_or((good, words.to_owned()));
    NamespaceCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: Some(pods::now()),
    }
}

fn set_condition(list: &mut Vec<NamespaceCondition>, mut new: NamespaceCondition) -> bool {
    let Some(old) = list.iter_mut().find(|old| old.type_ == new.type_) else {
        list.push(new);
        return true;
    };
    if old.status == new.status {
        new.last_transition_time = old.last_transition_time.clone();
    }
    let changed = *old != new;
    *old = new;
    changed
}
