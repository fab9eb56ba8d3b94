//! What a pod belongs to: the name that people know.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;

/// The longest that a label's value may be.
const LABEL_MAX: usize = 63;

/// The object that makes a pod's kind of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its API version, such as `apps/v1`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name. A pod that is its own owner may not have its name yet; then this is empty.
    pub name: String,
}

impl Workload {
    /// Follows the pod's controller; a ReplicaSet is made by a Deployment (or an Argo Rollout), a scheduled Job by a
    /// CronJob, which their names tell.
    pub fn of(pod: &Pod) -> Self {
        let metadata = &pod.metadata;
        let owners = metadata.owner_references.iter().flatten();
        let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) else {
            let generated = metadata.generate_name.as_deref().map(|name| name.trim_end_matches('-').to_owned());
            let name = metadata.name.clone().or(generated).unwrap_or_default();
            return Self { api_version: "v1".into(), kind: "Pod".into(), name };
        };
        let owned_by = |api_version: &str, kind: &str, name: &str| Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key));
        let stem = |key: &str| label(key).and_then(|hash| owner.name.strip_suffix(&format!("-{hash}")));
        match owner.kind.as_str() {
            "ReplicaSet" => {
                if let Some(name) = stem("rollouts-pod-template-hash") {
                    return owned_by("argoproj.io/v1alpha1", "Rollout", name);
                }
                if let Some(name) = stem("pod-template-hash") {
                    return owned_by(&owner.api_version, "Deployment", name);
                }
            }
            "Job" => {
                if let Some((name, time)) = owner.name.rsplit_once('-')
                    && (8..=10).contains(&time.len())
                    && time.chars().all(|c| c.is_ascii_digit())
                {
                    return owned_by(&owner.api_version, "CronJob", name);
                }
            }
            _ => {}
        }
        owned_by(&owner.api_version, &owner.kind, &owner.name)
    }

    /// The object's address as Istio's metadata has it.
    pub fn owner(&self, namespace: &str) -> String {
        let kind = self.kind.to_ascii_lowercase();
        format!("kubernetes://apis/{}/namespaces/{namespace}/{kind}s/{}", self.api_version, self.name)
    }

    /// The name of the service that the pod is part of, in metrics and graphs.
    pub fn canonical_name(&self, labels: &BTreeMap<String, String>) -> String {
        let named = first(labels, &["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
        let name: String = named.unwrap_or(&self.name).chars().take(LABEL_MAX).collect();
        // A label's value ends with a letter or a digit, also where it was cut.
        name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
    }
}

/// The version of that service.
pub fn canonical_revision(labels: &BTreeMap<String, String>) -> String {
    let named = first(labels, &["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
    named.unwrap_or("latest").to_owned()
}

fn first<'a>(labels: &'a BTreeMap<String, String>, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| labels.get(*key)).map(String::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
