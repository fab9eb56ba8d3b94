//! Which ReplicaSet belongs to which revision of a Deployment's template, and how a new one is made.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, ReplicaSet, ReplicaSetSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{Rollout, name, progress, size};
use crate::{controllers::pods::controlled_by, status::Status};

/// Counts a Deployment's templates, on it and on its ReplicaSets.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
/// Annotations of a Deployment that its ReplicaSets do not get.
const OWN: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// The ReplicaSet of the Deployment's present template (the oldest, should there be two), and the others by age.
pub(super) fn split(spec: &DeploymentSpec, mut sets: Vec<ReplicaSet>) -> (Option<ReplicaSet>, Vec<ReplicaSet>) {
    sets.sort_by_key(|set| (set.metadata.creation_timestamp.clone(), set.metadata.name.clone()));
    let wanted = bare(&spec.template);
    let at = sets.iter().position(|set| {
        set.spec.as_ref().and_then(|spec| spec.template.as_ref()).is_some_and(|template| bare(template) == wanted)
    });
    let new = at.map(|at| sets.remove(at));
    (new, sets)
}

/// The template as a person wrote it, without the hash label.
fn bare(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    let mut meta = template.metadata.take().unwrap_or_default();
    let mut labels = meta.labels.take().unwrap_or_default();
    labels.remove(HASH);
    meta.labels = (!labels.is_empty()).then_some(labels);
    meta.annotations = meta.annotations.filter(|annotations| !annotations.is_empty());
    meta.creation_timestamp = None;
    template.metadata = Some(meta);
    template
}

/// Names a template: FNV-1a over its JSON, in letters that spell no words.
pub(super) fn hash(template: &PodTemplateSpec, collisions: i32) -> Result<String, Status> {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = serde_json::to_vec(template).map_err(|e| Status::bad_request(e.to_string()))?;
    let salt = if collisions == 0 { Vec::new() } else { collisions.to_le_bytes().to_vec() };
    let fnv =
        text.iter().chain(&salt).fold(0x811c_9dc5_u32, |h, byte| (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    Ok(fnv.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect())
}

/// An object's revision; 0 when it has none.
pub(super) fn number(meta: &ObjectMeta) -> i64 {
    annotation(meta, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The Deployment's size when this ReplicaSet was last sized.
pub(super) fn desired(set: &ReplicaSet) -> Option<i32> {
    annotation(&set.metadata, DESIRED)?.parse().ok()
}

/// The most pods that the Deployment allowed when this ReplicaSet was last sized.
pub(super) fn most(set: &ReplicaSet) -> Option<i32> {
    annotation(&set.metadata, MOST)?.parse().ok()
}

/// Notes what the Deployment wants and allows. True: something changed.
pub(super) fn note_sizes(meta: &mut ObjectMeta, desired: i32, most: i32) -> bool {
    let changed = set(meta, DESIRED, desired.to_string());
    set(meta, MOST, most.to_string()) || changed
}

fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

fn set(meta: &mut ObjectMeta, key: &str, value: String) -> bool {
    let annotations = meta.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), value.clone()) != Some(value)
}

/// Gives a ReplicaSet its revision and the Deployment's annotations. True: something changed.
fn annotate(deployment: &Deployment, meta: &mut ObjectMeta, revision: i64) -> bool {
    let mut changed = false;
    for (key, value) in deployment.metadata.annotations.iter().flatten() {
        if !OWN.contains(&key.as_str()) {
            changed |= set(meta, key, value.clone());
        }
    }
    let before = annotation(meta, REVISION).map(str::to_owned);
    if number(meta) < revision {
        changed |= set(meta, REVISION, revision.to_string());
        if let Some(before) = before {
            let history = annotation(meta, HISTORY).map_or(before.clone(), |history| format!("{history},{before}"));
            set(meta, HISTORY, history);
        }
    }
    changed
}

impl Rollout {
    /// Numbers the new ReplicaSet after all old ones, and makes it when there is none and `create` says so.
    pub(super) async fn sync_revision(&mut self, create: bool) -> Result<(), Status> {
        let revision = self.old.iter().map(|set| number(&set.metadata)).max().unwrap_or(0) + 1;
        match &mut self.new {
            Some(new) => {
                let mut changed = annotate(&self.deployment, &mut new.metadata, revision);
                if let Some(spec) = &mut new.spec
                    && spec.min_ready_seconds.unwrap_or(0) != self.spec.min_ready_seconds.unwrap_or(0)
                {
                    spec.min_ready_seconds = self.spec.min_ready_seconds;
                    changed = true;
                }
                if changed {
                    *new = self.client.update(new).await?;
                }
                let (name, number) = (name(new).to_owned(), number(&new.metadata).to_string());
                self.set_revision(&number).await?;
                if progress::condition(self.deployment.status.as_ref(), "Progressing").is_none() {
                    self.progressing("FoundNewReplicaSet", format!("Found new replica set \"{name}\"")).await?;
                }
                Ok(())
            }
            None if create => self.create(revision).await,
            None => Ok(()),
        }
    }

    async fn progressing(&mut self, reason: &str, message: String) -> Result<(), Status> {
        if !progress::has_deadline(&self.spec) {
            return Ok(());
        }
        self.set_condition(progress::new_condition("Progressing", "True", reason, &message)).await
    }

    async fn create(&mut self, revision: i64) -> Result<(), Status> {
        let set = self.next_set(revision)?;
        let (set_name, to) = (name(&set).to_owned(), size(&set));
        let created = match self.client.create(&set).await {
            Ok(created) => created,
            Err(error) if error.is_already_exists() => return self.resolve_collision(error).await,
            Err(error) => {
                let message = format!("Failed to create new replica set \"{set_name}\": {error}");
                self.client.event(&self.deployment, "Warning", "ReplicaSetCreateError", &message).await;
                if progress::has_deadline(&self.spec) {
                    let reason = "ReplicaSetCreateError";
                    self.set_condition(progress::new_condition("Progressing", "False", reason, &message)).await?;
                }
                return Err(error);
            }
        };
        self.new = Some(created);
        if to > 0 {
            self.tell_scaled(&set_name, 0, to).await;
        }
        self.set_revision(&revision.to_string()).await?;
        self.progressing("NewReplicaSetCreated", format!("Created new replica set \"{set_name}\"")).await
    }

    /// The name is taken by another template of the same hash (ours would have been found): the next step takes
    /// another name.
    async fn resolve_collision(&mut self, error: Status) -> Result<(), Status> {
        let status = self.deployment.status.get_or_insert_default();
        status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
        self.deployment = self.client.update_status(&self.deployment).await?;
        Err(error)
    }

    fn next_set(&self, revision: i64) -> Result<ReplicaSet, Status> {
        let collisions = self.deployment.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
        let hash = hash(&self.spec.template, collisions)?;
        let mut template = self.spec.template.clone();
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(HASH.to_owned(), hash.clone());
        let labels: BTreeMap<String, String> = labels.clone();
        let mut selector = self.spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
        let limits = self.limits();
        let mut metadata = ObjectMeta {
            name: Some(format!("{}-{hash}", self.name())),
            namespace: self.deployment.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![controlled_by(&self.deployment)]),
            ..ObjectMeta::default()
        };
        annotate(&self.deployment, &mut metadata, revision);
        note_sizes(&mut metadata, self.replicas(), limits.most());
        let spec = ReplicaSetSpec {
            replicas: Some(limits.new_size(0, self.old.iter().map(size).sum())),
            min_ready_seconds: self.spec.min_ready_seconds,
            selector,
            template: Some(template),
        };
        Ok(ReplicaSet { metadata, spec: Some(spec), status: None })
    }
}
