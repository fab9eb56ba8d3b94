//! Deployments: a ReplicaSet for each revision of the template, and a safe passage from one to the next.
//!
//! [`revision`] finds and makes ReplicaSets, [`scale`] decides their sizes (arithmetic only), [`progress`] tells how it
//! goes in status and conditions.

use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, ReplicaSet},
    core::v1::Pod,
};

use super::{
    Outcome,
    engine::{Engine, Next, owner_key},
    pods::{self, claim, selecting},
};
use crate::{
    api::{Part, verbs::DeleteOptions},
    client::{Client, Key, Typed},
    object::Object,
    status::Status,
    store::{Change, Resource, Store},
};

mod progress;
mod revision;
mod scale;

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, reconcile)
        .of("apps", "deployments")
        .on("apps", "replicasets", |store, set, _| match owner_key(set, "Deployment") {
            Some(key) => vec![key],
            None if set.owners().is_empty() => selecting(store, &Resource::new("apps", "deployments"), set),
            None => Vec::new(),
        })
        // Strategy Recreate waits for the last old pod to be gone, which no ReplicaSet's status tells.
        .on("", "pods", |store, pod, change| match change {
            Change::Deleted => grand_owner(store, pod).into_iter().collect(),
            _ => Vec::new(),
        })
}

fn grand_owner(store: &Store, pod: &Object) -> Option<Key> {
    let set = owner_key(pod, "ReplicaSet")?;
    owner_key(&store.get(&Resource::new("apps", "replicasets"), &set.namespace, &set.name)?.object, "Deployment")
}

/// A Deployment and its ReplicaSets at the beginning of a step.
struct Rollout {
    client: Client,
    deployment: Deployment,
    spec: DeploymentSpec,
    /// The ReplicaSet of the present template.
    new: Option<ReplicaSet>,
    /// All others, oldest first.
    old: Vec<ReplicaSet>,
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let Some(deployment) = client.get::<Deployment>(&key.namespace, &key.name)? else { return Ok(Next::Change) };
    let Some(spec) = deployment.spec.clone() else { return Ok(Next::Change) };
    let empty = |list: Option<usize>| list.unwrap_or(0) == 0;
    if empty(spec.selector.match_labels.as_ref().map(|l| l.len()))
        && empty(spec.selector.match_expressions.as_ref().map(Vec::len))
    {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        client.event(&deployment, "Warning", "SelectingAll", message).await;
        return Ok(Next::Change);
    }
    let stored = claim::<_, ReplicaSet>(&client, &deployment, &spec.selector).await?;
    let sets = stored.iter().map(|stored| stored.object.to_typed()).collect::<Result<Vec<ReplicaSet>, Status>>()?;
    let (new, old) = revision::split(&spec, sets);
    let mut rollout = Rollout { client, deployment, spec, new, old };
    if rollout.deployment.metadata.deletion_timestamp.is_some() {
        return rollout.write_status().await;
    }
    rollout.note_pause().await?;
    if rollout.spec.paused == Some(true) || rollout.was_resized() {
        return rollout.only_resize().await;
    }
    match rollout.strategy() {
        "Recreate" => rollout.recreate().await,
        _ => rollout.roll().await,
    }
}

impl Rollout {
    fn name(&self) -> &str {
        name(&self.deployment)
    }

    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn strategy(&self) -> &str {
        self.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()).unwrap_or("RollingUpdate")
    }

    fn limits(&self) -> scale::Limits {
        scale::Limits::of(&self.spec)
    }

    /// The new one last.
    fn sets(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.old.iter().chain(&self.new)
    }

    /// True when somebody changed `replicas` since the ReplicaSets were last sized.
    fn was_resized(&self) -> bool {
        let other = |set: &ReplicaSet| revision::desired(set).is_some_and(|desired| desired != self.replicas());
        self.sets().any(|set| size(set) > 0 && other(set))
    }

    /// Paused, or resized in the middle of a rollout: sizes follow, the rollout does not go on.
    async fn only_resize(&mut self) -> Outcome {
        self.sync_revision(false).await?;
        let limits = self.limits();
        for (uid, size) in scale::resize(limits, self.new.as_ref(), &self.old, status_replicas(&self.deployment)) {
            self.size(&uid, size).await?;
        }
        if self.spec.paused == Some(true) {
            self.clean_up().await?;
        }
        self.write_status().await
    }

    async fn roll(&mut self) -> Outcome {
        self.sync_revision(true).await?;
        let limits = self.limits();
        if let Some(new) = &self.new {
            let (uid, target) = (uid(new), limits.new_size(size(new), self.sets().map(size).sum()));
            if self.size(&uid, target).await? {
                return self.tell_progress().await;
            }
        }
        let shrink = scale::shrink_old(limits, self.new.as_ref(), &self.old);
        let mut shrunk = false;
        for (uid, size) in shrink {
            shrunk |= self.size(&uid, size).await?;
        }
        if !shrunk && self.is_complete() {
            self.clean_up().await?;
        }
        self.tell_progress().await
    }

    async fn recreate(&mut self) -> Outcome {
        self.sync_revision(false).await?;
        let active: Vec<String> = self.old.iter().filter(|set| size(set) > 0).map(uid).collect();
        let mut shrunk = false;
        for uid in active {
            shrunk |= self.size(&uid, 0).await?;
        }
        if shrunk || self.old_pods_remain()? {
            return self.tell_progress().await;
        }
        self.sync_revision(true).await?;
        if let Some(uid) = self.new.as_ref().map(uid) {
            self.size(&uid, self.replicas()).await?;
        }
        if self.is_complete() {
            self.clean_up().await?;
        }
        self.tell_progress().await
    }

    /// True while a pod of an old ReplicaSet has not ended, also one that is being deleted.
    fn old_pods_remain(&self) -> Result<bool, Status> {
        let pods = self.client.kind::<Pod>()?.resource();
        let store = self.client.api().store();
        let remains =
            |set: &ReplicaSet| store.owned(&pods, &uid(set)).iter().any(|pod| !pods::is_terminal(&pod.object));
        Ok(self.old.iter().any(remains))
    }

    fn is_complete(&self) -> bool {
        self.deployment.status.as_ref().is_some_and(|status| progress::is_complete(&self.deployment, status))
    }

    /// Gives a ReplicaSet its size, notes on it what the Deployment wants, and tells of a change. True: the size changed.
    async fn size(&mut self, of: &str, to: i32) -> Result<bool, Status> {
        let (desired, most) = (self.replicas(), self.limits().most());
        let Some(set) = self.new.iter_mut().chain(&mut self.old).find(|set| uid(set) == of) else { return Ok(false) };
        let from = size(set);
        let noted = revision::note_sizes(&mut set.metadata, desired, most);
        if from == to && !noted {
            return Ok(false);
        }
        if let Some(spec) = &mut set.spec {
            spec.replicas = Some(to);
        }
        *set = self.client.update(set).await?;
        let set = name(set).to_owned();
        if from == to {
            return Ok(false);
        }
        self.tell_scaled(&set, from, to).await;
        Ok(true)
    }

    async fn tell_scaled(&self, set: &str, from: i32, to: i32) {
        let direction = if to > from { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {set} from {from} to {to}");
        self.client.event(&self.deployment, "Normal", "ScalingReplicaSet", &message).await;
    }

    /// Deletes the oldest revisions beyond `revisionHistoryLimit`, those that are empty and at rest.
    async fn clean_up(&self) -> Result<(), Status> {
        let limit = usize::try_from(self.spec.revision_history_limit.unwrap_or(10)).unwrap_or(usize::MAX);
        let mut alive: Vec<&ReplicaSet> =
            self.old.iter().filter(|set| set.metadata.deletion_timestamp.is_none()).collect();
        alive.sort_by_key(|set| revision::number(&set.metadata));
        let surplus = alive.len().saturating_sub(limit);
        for set in alive.into_iter().take(surplus) {
            let status = set.status.clone().unwrap_or_default();
            let at_rest = status.observed_generation >= set.metadata.generation;
            if status.replicas == 0 && size(set) == 0 && at_rest {
                let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
                self.client.delete::<ReplicaSet>(namespace, name(set), &DeleteOptions::default()).await?;
            }
        }
        Ok(())
    }

    /// Keeps condition Progressing true to `paused`.
    async fn note_pause(&mut self) -> Result<(), Status> {
        let progressing = progress::condition(self.deployment.status.as_ref(), "Progressing");
        let reason = progressing.and_then(|condition| condition.reason.as_deref());
        if self.spec.progress_deadline_seconds.is_none_or(|s| s == i32::MAX)
            || reason == Some("ProgressDeadlineExceeded")
        {
            return Ok(());
        }
        let noted = reason == Some("DeploymentPaused");
        let condition = match (self.spec.paused == Some(true), noted) {
            (true, false) => {
                progress::new_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
            }
            (false, true) => {
                progress::new_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
            }
            _ => return Ok(()),
        };
        self.set_condition(condition).await
    }

    async fn set_condition(&mut self, condition: DeploymentCondition) -> Result<(), Status> {
        let status = self.deployment.status.get_or_insert_default();
        if progress::set_condition(status.conditions.get_or_insert_default(), condition) {
            self.deployment = self.client.update_status(&self.deployment).await?;
        }
        Ok(())
    }

    /// Writes the Deployment's own revision annotation.
    async fn set_revision(&mut self, revision: &str) -> Result<(), Status> {
        let (namespace, name) =
            (self.deployment.metadata.namespace.clone().unwrap_or_default(), self.name().to_owned());
        let change = |deployment: &mut Deployment| {
            let annotations = deployment.metadata.annotations.get_or_insert_default();
            annotations.insert(revision::REVISION.to_owned(), revision.to_owned()).as_deref() != Some(revision)
        };
        let written = self.client.modify::<Deployment>(&namespace, &name, Part::Main, change).await?;
        // Anything else that changed meanwhile is for the next step, which that change has already called for.
        if let Some(written) = written
            && written.metadata.generation == self.deployment.metadata.generation
        {
            self.deployment = written;
        }
        Ok(())
    }
}

fn name<T: Typed>(object: &T) -> &str {
    object.metadata().name.as_deref().unwrap_or_default()
}

fn uid(set: &ReplicaSet) -> String {
    set.metadata.uid.clone().unwrap_or_default()
}

/// What a ReplicaSet was last told to have.
fn size(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// How many of its pods are available.
fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

fn status_replicas(deployment: &Deployment) -> i32 {
    deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0)
}
