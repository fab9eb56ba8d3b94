//! What pods say of requests that went wrong: sidecars in their access logs, bookinfo's programs in warnings.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};

use crate::Space;

/// How many lines of a container are shown.
const SHOWN: usize = 20;

/// Lines in Istio's default format that have a response flag or a status from 500 on, and warnings.
pub fn troubles(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| is_trouble(line).unwrap_or_else(|| is_warning(line)))
}

/// As tracing writes it, in text or JSON, and Envoy.
fn is_warning(line: &str) -> bool {
    [" WARN ", " ERROR ", "\"level\":\"WARN\"", "\"level\":\"ERROR\"", "\terror\tenvoy"]
        .iter()
        .any(|l| line.contains(l))
}

/// `[TIME] "METHOD PATH PROTOCOL" CODE FLAGS ..`; none: it is no line of an access log.
fn is_trouble(line: &str) -> Option<bool> {
    let mut words = line.strip_prefix('[')?.splitn(3, '"').nth(2)?.split_whitespace();
    let status: u16 = words.next()?.parse().ok()?;
    Some(words.next()? != "-" || status >= 500)
}

impl Space {
    /// The last troubles of each pod in the namespace, for a person who looks for what went wrong.
    pub async fn troubles(&self) -> String {
        self.collect_troubles().await.unwrap_or_else(|error| format!("the logs cannot be read: {error:#}"))
    }

    async fn collect_troubles(&self) -> Result<String> {
        let pods = self.api::<Pod>();
        let mut told = String::new();
        for pod in pods.list(&ListParams::default()).await? {
            let name = pod.metadata.name.unwrap_or_default();
            for container in pod.spec.into_iter().flat_map(|spec| spec.containers) {
                let options = LogParams { container: Some(container.name.clone()), ..LogParams::default() };
                // A pod that is on its way in or out has no log to give.
                let log = pods.logs(&name, &options).await.unwrap_or_default();
                let lines: Vec<&str> = troubles(&log).collect();
                let last = &lines[lines.len().saturating_sub(SHOWN)..];
                if !lines.is_empty() {
                    let (container, all) = (&container.name, lines.len());
                    told += &format!("\n{container} of {name}, the last of {all} lines:\n{}", last.join("\n"));
                }
            }
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests;
