//! Hosts beyond the mesh, on clusters whose pods reach none that tell callers their addresses: a pod and a Service stand for
//! them, and the pods concerned know the hosts' names by `hostAliases`.
//!
//! The mesh does not know the Service (`exportTo: ~`), so that its address is one like any other beyond the mesh.

use anyhow::{Context, Result};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    Cluster, eventually,
    mesh::{PATIENCE, is_ready},
};

/// The hosts' names.
pub const NAMES: &[&str] = &[
    "api.external.com",
    "edition.cnn.com",
    "google.com",
    "httpbin.org",
    "ifconfig.me",
    "one.example.org",
    "route.example.org",
    "www.google.com",
    AUTHORITY,
];
/// The host that tells the authority behind their certificates.
pub const AUTHORITY: &str = "authority.example.com";
/// Where callers keep it.
pub(crate) const TRUST: &str = "/tmp/outside.pem";

const NAMESPACE: &str = "e2e-outside";
const NAME: &str = "outside";
const MANAGER: &str = "lateen-e2e-outside";

/// A pod that stands for the hosts.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Of the Service.
    address: String,
}

impl Outside {
    /// Finds it, or brings it up.
    ///
    /// # Errors
    /// The cluster refused, or the pod is not ready in time.
    pub(crate) async fn bring(cluster: &Cluster) -> Result<Self> {
        cluster.apply(NAMESPACE, &objects().map(|object| object.to_string()).join("\n---\n")).await?;
        let pods = Api::<Pod>::namespaced(cluster.client.clone(), NAMESPACE);
        eventually("the pod of the hosts beyond is ready", PATIENCE, async || {
            Ok(pods.list(&ListParams::default()).await?.iter().any(is_ready).then_some(()))
        })
        .await?;
        let service = Api::<Service>::namespaced(cluster.client.clone(), NAMESPACE).get(NAME).await?;
        let address = service.spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
        Ok(Self { address })
    }

    /// What a pod's spec needs.
    pub(crate) fn aliases(&self) -> Value {
        json!([{"ip": self.address, "hostnames": NAMES}])
    }

    /// Whether a pod knows the hosts.
    pub(crate) fn is_known_to(&self, pod: &Pod) -> bool {
        let aliases = pod.spec.iter().flat_map(|spec| spec.host_aliases.iter().flatten());
        aliases.into_iter().any(|alias| alias.ip == self.address)
    }

    /// Makes the pods of the Deployment that these labels (`KEY=VALUE`) select know the hosts; they are made anew if they
    /// did not.
    ///
    /// # Errors
    /// There is none, or the cluster refused.
    pub(crate) async fn tell(&self, cluster: &Cluster, namespace: &str, labels: &str) -> Result<()> {
        let deployments = Api::<Deployment>::namespaced(cluster.client.clone(), namespace);
        let all = deployments.list(&ListParams::default()).await?;
        let has = |deployment: &&Deployment| {
            let of_pods = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref());
            labels
                .split_once('=')
                .is_some_and(|(key, value)| of_pods.is_some_and(|l| l.get(key).is_some_and(|v| v == value)))
        };
        let name = all.iter().find(has).and_then(|deployment| deployment.metadata.name.clone());
        let name = name.with_context(|| format!("no Deployment in {namespace} has pods {labels}"))?;
        let patch = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "spec": {"template": {"spec": {"hostAliases": self.aliases()}}},
        });
        deployments.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await?;
        Ok(())
    }
}

fn objects() -> [Value; 3] {
    let labels = json!({"app": NAME});
    let container = json!({"name": "outside", "image": "lateen/echo", "args": ["outside"]});
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": NAME, "annotations": {"networking.istio.io/exportTo": "~"}},
            "spec": {"selector": labels, "ports": [
                {"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443},
            ]},
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            }},
        }),
    ]
}
