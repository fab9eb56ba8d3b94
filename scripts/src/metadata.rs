//! What `cargo metadata` says of the workspace, reduced to what the checks ask.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use xshell::{Shell, cmd};

/// The parts of `cargo metadata`'s answer that are read here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: BTreeSet<String>,
    pub(crate) workspace_root: String,
    pub(crate) resolve: Resolve,
    /// Name and version of every package that is built for this machine. The graph above also holds optional ones
    /// that only a weak feature (`name?/feature`) mentions.
    #[serde(skip)]
    pub(crate) built: BTreeSet<(String, String)>,
}

/// One package, ours or from a registry.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// None for a path dependency.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: String,
}

/// The resolved graph.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

/// A package and what it depends on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Edge>,
}

/// One dependency of a package.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Edge {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<EdgeKind>,
}

/// Why the dependency is there: None is a normal one, else "dev" or "build".
#[derive(Debug, Default, Deserialize)]
pub(crate) struct EdgeKind {
    pub(crate) kind: Option<String>,
}

/// A workspace member with the names of the packages that it depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the workspace root.
    pub(crate) manifest: String,
    pub(crate) normal: BTreeSet<String>,
    pub(crate) dev: BTreeSet<String>,
    /// All that ends up in its programs: normal and build dependencies, and theirs.
    pub(crate) tree: BTreeSet<String>,
}

impl Metadata {
    /// Asks cargo, for this machine's platform only, with the versions that `Cargo.lock` names.
    pub(crate) fn read(sh: &Shell) -> Result<Self> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let version = cmd!(sh, "rustc -vV").quiet().read()?;
        let host = version.lines().find_map(|l| l.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
        let json = cmd!(sh, "{cargo} metadata --format-version 1 --locked --filter-platform {host}")
            .quiet()
            .read()
            .context("cargo metadata failed; when Cargo.lock is out of date, `cargo check` renews it")?;
        let mut metadata: Self = serde_json::from_str(&json).context("cargo metadata's answer is not as expected")?;
        let tree = cmd!(sh, "{cargo} tree --workspace --locked --edges normal,build,dev --prefix none");
        metadata.built = tree.quiet().read()?.lines().filter_map(name_and_version).collect();
        Ok(metadata)
    }

    /// The members, each with its dependencies.
    pub(crate) fn members(&self) -> Vec<Member> {
        let packages = self.by_id();
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
        self.workspace_members.iter().filter_map(|id| self.member(id, &packages, &nodes)).collect()
    }

    /// Every package that some member needs, for building or for testing.
    pub(crate) fn needed(&self) -> Vec<&Package> {
        self.packages.iter().filter(|p| self.built.contains(&(p.name.clone(), p.version.clone()))).collect()
    }

    fn by_id(&self) -> BTreeMap<&str, &Package> {
        self.packages.iter().map(|p| (p.id.as_str(), p)).collect()
    }

    fn member(&self, id: &str, packages: &BTreeMap<&str, &Package>, nodes: &BTreeMap<&str, &Node>) -> Option<Member> {
        let package = packages.get(id)?;
        let node = nodes.get(id)?;
        let direct = |dev: bool| {
            let edges =
                node.deps.iter().filter(|e| e.dep_kinds.iter().any(|k| (k.kind.as_deref() == Some("dev")) == dev));
            edges.filter_map(|e| packages.get(e.pkg.as_str())).map(|p| p.name.clone()).collect()
        };
        let tree =
            reach([id].into_iter(), nodes, |edge| edge.dep_kinds.iter().any(|k| k.kind.as_deref() != Some("dev")));
        let root = format!("{}/", self.workspace_root);
        Some(Member {
            name: package.name.clone(),
            manifest: package.manifest_path.trim_start_matches(&root).to_owned(),
            normal: direct(false),
            dev: direct(true),
            tree: tree.iter().filter(|t| **t != id).filter_map(|t| packages.get(t)).map(|p| p.name.clone()).collect(),
        })
    }
}

/// Reads a line of `cargo tree`: `name v1.2.3`, perhaps with more behind it.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    Some((name, words.next()?.strip_prefix('v')?.to_owned()))
}

/// All ids that can be reached from `start` over the edges that `follow` takes.
fn reach<'a>(
    start: impl Iterator<Item = &'a str>,
    nodes: &BTreeMap<&'a str, &'a Node>,
    follow: impl Fn(&Edge) -> bool,
) -> BTreeSet<&'a str> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = start.collect();
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(node) = nodes.get(id)
        {
            open.extend(node.deps.iter().filter(|e| follow(e)).map(|e| e.pkg.as_str()));
        }
    }
    seen
}
