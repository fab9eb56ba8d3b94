//! `scope`: which hosts a workload really called, and a Sidecar object that covers them.
//!
//! ```text
//!   each pod of the workload ── 15000 /lateen/scope ─► calls ─┐
//!   pilot /debug/recordz ─► World: whose address is that? ────┴─► Learned ─► table, JSON, or Sidecar (YAML)
//! ```
//!
//! Only our own data plane remembers calls; of stock Envoy this is said, not guessed.

mod learned;

use std::io::Write;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use hyper::Method;
use serde_json::Value;

pub use self::learned::{Called, Learned, Page, Seen};
use crate::{
    cluster::{Cluster, Where, request::PodName},
    documents,
    explain::{Output, World, ask},
    inspect::PROXY_ADMIN,
};

/// Verbs of `scope`.
#[derive(Debug, Subcommand)]
pub enum ScopeCommand {
    /// List the hosts that a workload really called, in its scope and out of it
    Show {
        /// pod, pod.namespace, deploy/name or deploy/name.namespace
        target: String,
        /// How it is printed
        #[arg(short = 'o', long, default_value = "text", value_enum)]
        output: Output,
    },
    /// Print a Sidecar object (YAML) that imports just the hosts that a workload really called
    Export {
        /// pod, pod.namespace, deploy/name or deploy/name.namespace
        target: String,
    },
}

impl ScopeCommand {
    /// Asks the workload's proxies and pilot, and prints.
    pub async fn run(self, place: &Where, out: &mut impl Write) -> Result<()> {
        let (Self::Show { target, .. } | Self::Export { target }) = &self;
        let cluster = place.connect().await?;
        let workload = cluster.workload(target).await?;
        let mut pages = Vec::new();
        for pod in &workload.pods {
            pages.push(page(&cluster, pod).await?);
        }
        let Some(first) = workload.pods.first() else { bail!("{target} has no running pod") };
        let world = World::of(&ask::told_of(&cluster, place, first).await?)?;
        let learned = Learned::of(&world, &pages);
        match self {
            Self::Show { output: Output::Text, .. } => write!(out, "{}", learned.table())?,
            Self::Show { output: Output::Json, .. } => writeln!(out, "{:#}", serde_json::to_value(&learned.called)?)?,
            Self::Export { target } => {
                let sidecar = learned.sidecar(&world, &workload.name, &workload.namespace, &workload.labels);
                let sidecar = sidecar.with_context(|| {
                    format!("{target} has called no host of the mesh yet; let it do its work, then ask again")
                })?;
                for comment in learned.comments(&world) {
                    writeln!(out, "# {comment}")?;
                }
                write!(out, "{}", documents::yaml(&sidecar)?)?;
            }
        }
        Ok(())
    }
}

/// What a pod's proxy remembers.
async fn page(cluster: &Cluster, pod: &PodName) -> Result<Page> {
    let body = cluster.ask(pod, PROXY_ADMIN, Method::GET, "/server_info").await?;
    let info: Value = serde_json::from_slice(&body).context("the proxy's /server_info is not JSON")?;
    let version = info["version"].as_str().unwrap_or_default();
    if !version.starts_with("lateen/") {
        bail!(
            "pod {}/{} runs stock Envoy ({version}), which does not remember who was called; its access log and \
             `lateenctl proxy-config cluster` remain, or annotation lateen.io/data-plane: lateen on the pod",
            pod.namespace,
            pod.name
        );
    }
    let body = cluster.ask(pod, PROXY_ADMIN, Method::GET, "/lateen/scope").await?;
    serde_json::from_slice(&body).context("the proxy's /lateen/scope is not what it should be; is it of this version?")
}
