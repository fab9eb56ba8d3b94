//! Which pod is meant: `pod`, `pod.namespace`, `deploy/name`, `deploy/name.namespace`.

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
        let what = format!("Deployment {}/{}", deployment.namespace, deployment.name);
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &deployment.namespace);
        let failed = |source| ClusterError::Api { verb: "cannot read", what: what.clone(), source: Box::new(source) };
        let found = api.get(&deployment.name).await.map_err(failed)?;
        let selector = found.spec.map(|spec| spec.selector).unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &deployment.namespace);
        let params = ListParams::default().labels(&labels(&selector));
        let pods = pods.list(&params).await.map_err(failed)?;
        let running = |pod: &&Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
        };
        let name = pods.items.iter().find(running).and_then(|pod| pod.metadata.name.clone());
        let name = name.ok_or_else(|| ClusterError::NotFound(format!("{what} has no running pod")))?;
        Ok(PodName { namespace: deployment.namespace.clone(), name })
    }
}

/// A selector as the API's query wants it.
fn labels(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    equal.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
