//! `egress`: what the label that leads a ServiceEntry through an egress gateway stands for.

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use hyper::Method;
use mesh_model::{
    expand::egress::{GATEWAY, Plan, plans},
    store::Store,
};

use crate::{
    cluster::Where,
    documents,
    explain::Told,
    inspect::{PILOT_ADMIN, pilots},
};

/// Verbs of `egress`.
#[derive(Debug, Subcommand)]
pub enum EgressCommand {
    /// Print the objects that a ServiceEntry's label lateen.io/use-egress-gateway stands for
    Export(ExportArgs),
}

/// Flags of `egress export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The ServiceEntry: name, or name.namespace
    pub name: String,
}

/// Why there is nothing to print. The caller's fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEgress {
    /// No such entry.
    #[error("pilot knows no ServiceEntry {0}")]
    Unknown(String),
    /// It leaves directly.
    #[error("ServiceEntry {0} has no label {GATEWAY}; its traffic leaves directly")]
    NoLabel(String),
}

impl EgressCommand {
    /// Does it.
    pub async fn run(self, place: &Where, out: &mut impl Write) -> Result<()> {
        let Self::Export(arguments) = self;
        let cluster = place.connect().await?;
        let pilots = pilots(&cluster, place).await?;
        let pilot = pilots.first().context("no pilot runs")?;
        let body = cluster.ask(pilot, PILOT_ADMIN, Method::GET, "/debug/recordz").await?;
        let told: Told = serde_json::from_slice(&body).context("pilot's answer is not what it should be")?;
        let plan = find(&told.store()?, &arguments.name, &cluster.namespace)?;
        for issue in &plan.issues {
            writeln!(std::io::stderr(), "! {issue}")?;
        }
        Ok(write!(out, "{}", text(&plan)?)?)
    }
}

/// The plan for an entry. Names of entries may have dots: a name of the namespace that is meant comes first.
pub fn find(store: &Store, wanted: &str, namespace: &str) -> Result<Plan, NoEgress> {
    let split = wanted.rsplit_once('.').map(|(name, namespace)| (namespace, name));
    let names = std::iter::once((namespace, wanted)).chain(split);
    let entries = store.service_entries();
    let found = names.into_iter().find_map(|(namespace, name)| {
        entries.iter().find(|entry| *entry.meta.namespace == *namespace && *entry.meta.name == *name)
    });
    let entry = found.ok_or_else(|| NoEgress::Unknown(wanted.to_owned()))?.meta.object();
    let name = format!("{}/{}", entry.namespace, entry.name);
    plans(store).into_iter().find(|plan| plan.entry.meta.object() == entry).ok_or(NoEgress::NoLabel(name))
}

/// The objects as YAML, each with a word on what it is there for.
pub fn text(plan: &Plan) -> Result<String, serde_json::Error> {
    let meta = &plan.entry.meta;
    let mut text = format!(
        "# In place of label {GATEWAY} of ServiceEntry {}/{}: apply these, then remove the label.\n",
        meta.namespace, meta.name
    );
    for object in &plan.objects {
        let purpose = match object["kind"].as_str() {
            Some("Gateway") => "The gateway's pods listen for the hosts.",
            _ => "Sidecars (`mesh`) send to the gateway's Service; the gateway sends to the host.",
        };
        text += &format!("---\n# {purpose}\n{}\n", documents::yaml(object)?.trim_end());
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
