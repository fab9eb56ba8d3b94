//! A pod's proxy, asked from outside: its log, its numbers, and what it was told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, LogParams},
};

use crate::{
    Cluster,
    ctl::lateenctl,
    eventually,
    mesh::{exec, is_ready, series},
};

/// Envoy writes its log at least every ten seconds.
const LOGGED: Duration = Duration::from_secs(30);
/// What curl says of a connection that the proxy cut: in the TLS handshake (OpenSSL has no words for some ends), or before
/// curl looked whether it was there.
pub const IS_CUT: [&str; 3] = ["reset by peer", "SSL_ERROR_SYSCALL", "Couldn't connect to server"];
/// Where the mesh's own parts are.
pub const MESH: &str = "istio-system";

/// The proxy of a pod.
#[derive(Clone)]
pub struct Proxy {
    pods: Api<Pod>,
    namespace: String,
    /// The pod's name.
    pub pod: String,
}

impl Cluster {
    /// The proxy of a pod.
    pub fn proxy(&self, namespace: &str, pod: &str) -> Proxy {
        let pods = Api::namespaced(self.client.clone(), namespace);
        Proxy { pods, namespace: namespace.to_owned(), pod: pod.to_owned() }
    }

    /// The proxy of a gateway: of a ready pod that these labels select.
    ///
    /// # Errors
    /// None is ready in time.
    pub async fn gateway(&self, namespace: &str, labels: &str) -> Result<Proxy> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        if let Some(outside) = &self.outside {
            outside.tell(self, namespace, labels).await?;
        }
        let knows = |pod: &Pod| self.outside.as_ref().is_none_or(|outside| outside.is_known_to(pod));
        let what = format!("a pod {labels} in {namespace} is ready");
        let name = eventually(&what, crate::mesh::PATIENCE, async || {
            let all = pods.list(&ListParams::default().labels(labels)).await?;
            let stays = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod) && knows(pod);
            Ok(all.iter().find(stays).and_then(|pod| pod.metadata.name.clone()))
        });
        Ok(self.proxy(namespace, &name.await?))
    }
}

impl Proxy {
    /// `POD.NAMESPACE`, as lateenctl takes it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pod, self.namespace)
    }

    /// The pod's address.
    ///
    /// # Errors
    /// It has none.
    pub async fn address(&self) -> Result<String> {
        let status = self.pods.get(&self.pod).await?.status;
        status.and_then(|s| s.pod_ip).with_context(|| format!("{} has no address", self.name()))
    }

    /// Runs a command in the proxy's container.
    ///
    /// # Errors
    /// It could not be run or ended with another code than 0; with what it said.
    pub async fn exec(&self, command: &[&str]) -> Result<String> {
        exec(&self.pods, &self.pod, "istio-proxy", command).await
    }

    /// All that it has logged.
    ///
    /// # Errors
    /// The cluster gives no log.
    pub async fn log(&self) -> Result<String> {
        let options = LogParams { container: Some("istio-proxy".to_owned()), ..LogParams::default() };
        Ok(self.pods.logs(&self.pod, &options).await?)
    }

    /// Waits for a line of its log that holds all of `parts`.
    ///
    /// # Errors
    /// There is none in time; with the last lines.
    pub async fn logged(&self, parts: &[&str]) -> Result<String> {
        eventually(&format!("{} logs {parts:?}", self.name()), LOGGED, async || {
            let log = self.log().await?;
            let found = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            let last: Vec<&str> = log.lines().rev().take(8).collect();
            let last = || last.iter().rev().copied().collect::<Vec<_>>().join("\n");
            Ok(Some(found.with_context(|| format!("the last lines are\n{}", last()))?.to_owned()))
        })
        .await
    }

    /// Its metrics, in Prometheus's text format.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self) -> Result<String> {
        self.exec(&["pilot-agent", "request", "--debug-port", "15020", "GET", "stats/prometheus"]).await
    }

    /// Waits until a metric whose labels hold all of `parts` has counted something.
    ///
    /// # Errors
    /// It has not in time; with the metric's series.
    pub async fn counted(&self, metric: &str, parts: &[&str]) -> Result<()> {
        eventually(&format!("{} counts {metric} {parts:?}", self.name()), LOGGED, async || {
            let text = self.metrics().await?;
            let all = || text.lines().filter(|line| line.starts_with(metric)).collect::<Vec<_>>().join("\n");
            ensure!(series(&text, metric, parts) > 0.0, "there are\n{}", all());
            Ok(Some(()))
        })
        .await
    }

    /// One of Envoy's statistics; 0 where it has none of that name.
    ///
    /// # Errors
    /// It does not answer, or with no number.
    pub async fn statistic(&self, name: &str) -> Result<u64> {
        let text = self.exec(&["pilot-agent", "request", "GET", "stats"]).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map_or(Ok(0), |value| value.trim().parse().with_context(|| format!("{name}: {value}")))
    }

    /// Holds it to have refused nothing of what pilot told it.
    ///
    /// # Errors
    /// It has, or pilot does not know it; with its row of `lateenctl proxy-status`.
    pub async fn accepts_all(&self) -> Result<()> {
        let said = lateenctl(&["proxy-status"], "").await?;
        let row = said.lines().find(|line| line.split_whitespace().next() == Some(&self.name()));
        let row = row.with_context(|| format!("{} is not among\n{said}", self.name()))?;
        ensure!(!row.contains("ERROR"), "refused: {row}");
        Ok(())
    }

    /// A table of `lateenctl proxy-config`, without its title: the words of each row.
    ///
    /// # Errors
    /// The command failed, or the title is another.
    pub async fn table(&self, what: &str, title: &[&str]) -> Result<Vec<Vec<String>>> {
        let said = lateenctl(&["proxy-config", what, &self.name()], "").await?;
        let columns = |line: &str| {
            let parts = line.split("  ").map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect::<Vec<_>>()
        };
        let mut lines = said.lines();
        let first = columns(lines.next().unwrap_or_default());
        ensure!(first == title, "proxy-config {what} has the title {first:?}");
        Ok(lines.map(columns).collect())
    }
}
