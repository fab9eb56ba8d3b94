//! `localkube apply`: server-side apply of manifests, for machines without kubectl.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use kube::{
    Api, Discovery,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::Scope,
};
use serde_json::Value;

use super::{
    instance::{Instance, Name},
    kubeconfig,
};

/// Options of `apply`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A file, a folder of .yaml, .yml and .json files, or - for standard input; may be given several times.
    #[arg(long = "file", short = 'f', required = true)]
    files: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(long, short, default_value = "default")]
    namespace: String,
}

/// Applies every document, in order.
pub fn main(name: &Name, args: &Args) -> anyhow::Result<()> {
    let path = Instance::new(name).kubeconfig();
    if !path.exists() {
        bail!("instance \"{name}\" is not up; start it with `localkube up --name {name}`");
    }
    let mut documents = Vec::new();
    for file in &args.files {
        for (source, text) in read(file)? {
            documents.extend(parse(&text).with_context(|| source)?);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = kubeconfig::client(&path).await?;
        for line in apply(client, documents, &args.namespace).await? {
            writeln!(std::io::stdout(), "{line}")?;
        }
        Ok(())
    })
}

/// Applies documents in order; gives a line for each.
pub async fn apply(client: kube::Client, documents: Vec<Value>, namespace: &str) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut discovery = Discovery::new(client.clone()).run().await?;
    for document in documents {
        let object: DynamicObject = serde_json::from_value(document)?;
        let types = object.types.clone().context("a document without apiVersion and kind")?;
        let name = object.metadata.name.clone().with_context(|| format!("a {} without metadata.name", types.kind))?;
        let kind = GroupVersionKind::try_from(&types)?;
        if discovery.resolve_gvk(&kind).is_none() {
            // The definition may have come with an earlier document.
            discovery = Discovery::new(client.clone()).run().await?;
        }
        let (resource, capabilities) = discovery.resolve_gvk(&kind).with_context(|| {
            format!("{} {name}: the cluster has no kind {} in {}", types.kind, types.kind, types.api_version)
        })?;
        let api: Api<DynamicObject> = match capabilities.scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => {
                let own = object.metadata.namespace.as_deref().unwrap_or(namespace);
                Api::namespaced_with(client.clone(), own, &resource)
            }
        };
        let params = PatchParams::apply("localkube").force();
        api.patch(&name, &params, &Patch::Apply(&object)).await.with_context(|| format!("{} {name}", types.kind))?;
        lines.push(format!("{}/{name} applied", resource.plural));
    }
    Ok(lines)
}

/// The JSON form of every document in a YAML (or JSON) text; empty documents are left out.
pub fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(documents.into_iter().filter(|d| !d.is_null()).collect())
}

fn read(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(vec![("standard input".to_owned(), text)]);
    }
    let mut files = vec![path.to_path_buf()];
    if path.is_dir() {
        files = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        files.retain(|f| f.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e == *known)));
        files.sort();
    }
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok((file.display().to_string(), text))
        })
        .collect()
}
