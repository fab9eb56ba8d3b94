//! `/inject`: gives a pod its proxy, before it is stored.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use injector::{InjectError, Outcome, Settings, Skip, inject};
use mesh_kube::{
    admission::{Operation, Request, Verdict},
    webhook::Judge,
};
use mesh_types::Labels;
use tokio::{sync::watch, time};

use crate::{chain, metrics::Metrics, published::Published};

/// What [`Injection::patience`] should be: a pod may come just behind its namespace, and galley may still be listing, but
/// the API server waits for ten seconds only.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Answers questions about pods.
#[derive(Debug)]
pub struct Injection {
    /// The world.
    pub published: watch::Receiver<Arc<Published>>,
    /// The injector's settings.
    pub settings: Settings,
    /// ProxyConfigs here count for all namespaces.
    pub root_namespace: String,
    /// How long a pod waits for its namespace to be known.
    pub patience: Duration,
    /// What is counted.
    pub metrics: Metrics,
}

impl Injection {
    /// The judge for [`mesh_kube::webhook::routes`]. What follows the path (`cluster/NAME/net/NETWORK`) names the cluster
    /// and the network of the pods that are asked about.
    pub fn judge(self) -> Judge {
        let injection = Arc::new(self);
        Arc::new(move |rest, request| {
            let injection = injection.clone();
            async move { injection.decide(rest, request).await }.boxed()
        })
    }

    async fn decide(&self, rest: &str, request: &Request) -> Verdict {
        let Some(pod) = request.object.as_ref().filter(|_| request.operation == Operation::Create) else {
            return Verdict::allow();
        };
        self.metrics.injection_asked();
        let Some(world) = self.world_with(&request.namespace).await else {
            self.metrics.injection_failed("namespace_unknown");
            return deny(format!(
                "namespace `{}` is not known to the mesh yet; try again in a moment",
                request.namespace
            ));
        };
        let settings = at(&self.settings, rest);
        let mut outcome = self.inject(pod, &request.namespace, &settings, &world);
        // The API server asks only of pods that opted in, and may know of their namespace's label before we do.
        if matches!(outcome, Ok(Outcome::Skipped(Skip::NotEnabled)))
            && let Some(newer) = self.world_with_other_labels(&request.namespace, &world).await
        {
            outcome = self.inject(pod, &request.namespace, &settings, &newer);
        }
        self.answer(request, outcome)
    }

    fn inject(
        &self,
        pod: &serde_json::Value,
        namespace: &str,
        settings: &Settings,
        world: &Published,
    ) -> Result<Outcome, InjectError> {
        let labels: Labels = world.namespaces.get(namespace).into_iter().flatten().collect();
        let near = |other: &str| other == namespace || other == self.root_namespace;
        let proxy_configs: Vec<_> = world.proxy_configs.values().filter(|c| near(&c.namespace)).cloned().collect();
        inject(&injector::Request {
            pod,
            namespace,
            namespace_labels: &labels,
            mesh: &world.mesh,
            settings,
            proxy_configs: &proxy_configs,
            workload: None,
        })
    }

    fn answer(&self, request: &Request, outcome: Result<Outcome, InjectError>) -> Verdict {
        match outcome {
            Ok(Outcome::Skipped(reason)) => {
                tracing::debug!(namespace = request.namespace, pod = request.name, %reason, "no proxy");
                self.metrics.injection_skipped();
                Verdict::allow()
            }
            Ok(Outcome::Injected(injected)) => match serde_json::to_value(&injected.patch) {
                Ok(patch) => {
                    self.metrics.injected();
                    Verdict::Patch { patch, warnings: injected.warnings }
                }
                Err(error) => {
                    self.metrics.injection_failed("encode");
                    deny(format!("the patch cannot be written: {error}"))
                }
            },
            Err(error) => {
                self.metrics.injection_failed("invalid");
                let reason = chain(&error);
                tracing::warn!(namespace = request.namespace, pod = request.name, reason, "a pod gets no proxy");
                deny(format!("the pod cannot get its proxy: {reason}"))
            }
        }
    }

    /// The world once it knows the namespace.
    async fn world_with(&self, namespace: &str) -> Option<Arc<Published>> {
        let mut published = self.published.clone();
        let known = published.wait_for(|world| world.is_complete && world.namespaces.contains_key(namespace));
        time::timeout(self.patience, known).await.ok()?.ok().map(|world| world.clone())
    }

    /// The world once the namespace has other labels than in this one.
    async fn world_with_other_labels(&self, namespace: &str, before: &Published) -> Option<Arc<Published>> {
        let mut published = self.published.clone();
        let changed = published.wait_for(|world| world.namespaces.get(namespace) != before.namespaces.get(namespace));
        time::timeout(self.patience, changed).await.ok()?.ok().map(|world| world.clone())
    }
}

fn deny(message: String) -> Verdict {
    Verdict::Deny { message, warnings: Vec::new() }
}

/// The settings with what the webhook's path says: `cluster/NAME/net/NETWORK`, in any order.
fn at(settings: &Settings, rest: &str) -> Settings {
    let mut settings = settings.clone();
    let words: Vec<&str> = rest.split('/').collect();
    for pair in words.chunks_exact(2) {
        match pair {
            ["cluster", name] => (*name).clone_into(&mut settings.cluster_id),
            ["net", name] => (*name).clone_into(&mut settings.network),
            _ => tracing::debug!(rest, "the webhook's path says something unknown"),
        }
    }
    settings
}

#[cfg(test)]
mod tests;
