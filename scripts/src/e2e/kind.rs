//! A cluster of kind: made unless it is there, given the images of `cargo xtask images`, and left for the next run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::packages;

/// Its name. A user's own clusters, and the context that is current, stay as they are.
const NAME: &str = "lateen-e2e";
/// Where `cargo xtask images` writes.
const IMAGES: &str = "target/images";
/// What the promises cannot do without, and an image needs a base for.
const BASED: [&str; 3] = ["init", "load", "echo"];

/// Brings it up; gives its kubeconfig.
pub(super) fn bring(sh: &Shell) -> Result<PathBuf> {
    if let Some(lack) = lack(packages::is_installed) {
        bail!("{lack}");
    }
    let archives = archives(&sh.current_dir().join(IMAGES))?;
    let kubeconfig = sh.current_dir().join("target/kind.kubeconfig");
    let clusters = cmd!(sh, "kind get clusters").read()?;
    if clusters.lines().any(|name| name == NAME) {
        cmd!(sh, "kind export kubeconfig --name {NAME} --kubeconfig {kubeconfig}").run()?;
    } else {
        cmd!(sh, "kind create cluster --name {NAME} --kubeconfig {kubeconfig} --wait 3m").run()?;
    }
    for archive in &archives {
        cmd!(sh, "kind load image-archive --name {NAME} {archive}").run()?;
    }
    println!("cluster {NAME} of kind stays; `kind delete cluster --name {NAME}` ends it");
    Ok(kubeconfig)
}

/// What is not installed.
pub(super) fn lack(is_installed: impl Fn(&str) -> bool) -> Option<String> {
    let missing: Vec<&str> = ["docker", "kind"].into_iter().filter(|program| !is_installed(program)).collect();
    (!missing.is_empty()).then(|| format!("a cluster of kind needs {}, not found in PATH", missing.join(" and ")))
}

/// The packed images, all of them there.
pub(super) fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    for name in BASED {
        ensure!(
            folder.join(name).with_extension("tar").is_file(),
            "{} has no {name}.tar: `cargo xtask images --base LAYOUT` writes all images; docs/images.md says how to make a base",
            folder.display()
        );
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tar") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
