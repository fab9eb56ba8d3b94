//! Which pod is meant: `pod`, `pod.namespace`, `deploy/name`, `deploy/name.namespace`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{Api, api::ListParams};

use super::{Cluster, ClusterError, request::PodName};

/// How a pod is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Itself.
    Pod(PodName),
    /// Any pod of a Deployment.
    Deployment(PodName),
}

impl Target {
    /// Reads a name. What it does not say is in `namespace`; a namespace that is said (by `-n` or in the name) counts.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, ClusterError> {
        let (kind, rest) = text.split_once('/').unwrap_or(("pod", text));
        let name = |rest: &str| match rest.split_once('.') {
            Some((name, namespace)) => PodName { namespace: namespace.to_owned(), name: name.to_owned() },
            None => PodName { namespace: namespace.to_owned(), name: rest.to_owned() },
        };
        match kind {
            "pod" | "pods" | "po" => Ok(Self::Pod(name(rest))),
            "deploy" | "deployment" | "deployments" => Ok(Self::Deployment(name(rest))),
            _ => Err(ClusterError::NotFound(format!("\"{text}\" names neither a pod nor a Deployment (deploy/NAME)"))),
        }
    }
}

impl Cluster {
    /// The pod that is meant.
    pub async fn pod(&self, text: &str) -> Result<PodName, ClusterError> {
        match Target::parse(text, &self.namespace)? {
            Target::Pod(pod) => Ok(pod),
            Target::Deployment(deployment) => self.pod_of(&deployment).await,
        }
    }

    /// A running pod of a Deployment.
    pub async fn pod_of(&self, deployment: &PodName) -> Result<PodName, ClusterError> {
        let workload = self.workload_of(deployment).await?;
        let what = format!("Deployment {}/{}", deployment.namespace, deployment.name);
        workload.pods.into_iter().next().ok_or_else(|| ClusterError::NotFound(format!("{what} has no running pod")))
    }

    /// The workload that is meant: a Deployment with all its running pods, or a pod alone.
    pub async fn workload(&self, text: &str) -> Result<Workload, ClusterError> {
        match Target::parse(text, &self.namespace)? {
            Target::Pod(pod) => {
                let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
                let what = format!("Pod {}/{}", pod.namespace, pod.name);
                let failed = |source| ClusterError::Api { verb: "cannot read", what, source: Box::new(source) };
                let found = api.get(&pod.name).await.map_err(failed)?;
                let mut labels = found.metadata.labels.unwrap_or_default();
                labels.retain(|name, _| !is_generated(name));
                Ok(Workload { name: pod.name.clone(), namespace: pod.namespace.clone(), labels, pods: vec![pod] })
            }
            Target::Deployment(deployment) => self.workload_of(&deployment).await,
        }
    }

    async fn workload_of(&self, deployment: &PodName) -> Result<Workload, ClusterError> {
        let PodName { namespace, name } = deployment.clone();
        let what = format!("Deployment {namespace}/{name}");
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &namespace);
        let failed = |source| ClusterError::Api { verb: "cannot read", what: what.clone(), source: Box::new(source) };
        let found = api.get(&name).await.map_err(failed)?;
        let selector = found.spec.map(|spec| spec.selector).unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let pods = pods.list(&ListParams::default().labels(&query(&selector))).await.map_err(failed)?;
        let running = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
        };
        let names = pods.items.into_iter().filter(running).filter_map(|pod| pod.metadata.name);
        let pods = names.map(|name| PodName { namespace: namespace.clone(), name }).collect();
        Ok(Workload { name, namespace, labels: selector.match_labels.unwrap_or_default(), pods })
    }
}

/// Pods that do the same work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Of the Deployment, or of the pod alone.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Labels that choose these pods.
    pub labels: BTreeMap<String, String>,
    /// Those that run.
    pub pods: Vec<PodName>,
}

/// Labels that controllers and the mesh give to pods; they change from pod to pod, or choose nothing.
fn is_generated(label: &str) -> bool {
    const NAMES: &[&str] = &["pod-template-hash", "controller-revision-hash", "pod-template-generation"];
    const PREFIXES: &[&str] = &[
        "apps.kubernetes.io/",
        "statefulset.kubernetes.io/",
        "service.istio.io/",
        "security.istio.io/",
        "batch.kubernetes.io/",
    ];
    NAMES.contains(&label) || PREFIXES.iter().any(|prefix| label.starts_with(prefix))
}

/// A selector as the API's query wants it.
fn query(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    equal.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
