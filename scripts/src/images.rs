//! `cargo xtask images`: an OCI image for each program.
//!
//! An image is the program, linked statically, and nothing else: no shell, no libc, no user but a number. Two images
//! need other people's programs beside their own (`init` packet rules, `load` a shell's sleep): these are laid on a base
//! that the caller names. The same programs make the same bytes.
//!
//! ```text
//!   target/images/NAME/       an OCI layout      skopeo copy oci:target/images/pilot:TAG ...
//!   target/images/NAME.tar    the same, packed   docker load -i, kind load image-archive, ctr images import
//! ```

mod elf;
mod layout;
mod tar;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use xshell::Shell;

use self::{
    layout::{Base, Image, Layer},
    tar::Tar,
};
use crate::build;

/// Options of `cargo xtask images`.
#[derive(Args, Debug)]
pub(crate) struct Images {
    /// Only these images, by the last part of their names.
    names: Vec<String>,
    /// What stands before `/NAME` in the mesh's own images.
    #[arg(long, default_value = "lateen")]
    hub: String,
    /// The tag of the mesh's own images.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// The OCI layout of one image, with iptables and a shell, on which `init` and `load` are laid.
    #[arg(long)]
    base: Option<PathBuf>,
    /// Take the programs from this folder, instead of building them.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Where the images go.
    #[arg(long, default_value = "target/images")]
    out: PathBuf,
}

/// One image.
struct Entry {
    /// Below the hub, or with a `/`: a whole name.
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    env: &'static [&'static str],
    user: &'static str,
    /// Another name under which the program is found.
    link: Option<&'static str>,
    /// What it needs of a base.
    needs: Option<&'static str>,
}

const fn entry(name: &'static str, program: &'static str) -> Entry {
    Entry { name, program, args: &[], env: &[], user: "1337:1337", link: None, needs: None }
}

const fn sample(name: &'static str, program: &'static str, env: &'static [&'static str]) -> Entry {
    Entry { name, program, args: &["9080"], env, user: "1000", link: None, needs: None }
}

const RULES: &str = "iptables-restore and ip6tables-restore (or nft)";

/// All images: what users install, the sample under its own and upstream's names, and the promises' client.
#[rustfmt::skip]
const IMAGES: &[Entry] = &[
    entry("pilot", "lateen-pilot"),
    entry("galley", "lateen-galley"),
    entry("ca", "lateen-ca"),
    Entry { link: Some("pilot-agent"), ..entry("proxy", "lateen-proxy") },
    Entry { user: "0:0", needs: Some(RULES), ..entry("init", "lateen-init") },
    Entry { user: "0:0", needs: Some("sleep and curl"), ..entry("load", "lateen-load") },
    Entry { user: "0:0", needs: Some("sleep and curl"), ..entry("echo", "lateen-echo") },
    sample("bookinfo-productpage", "productpage", &[]),
    sample("bookinfo-details", "details", &[]),
    sample("bookinfo-ratings", "ratings", &[]),
    sample("bookinfo-reviews", "reviews", &[]),
    sample("istio/examples-bookinfo-productpage-v1", "productpage", &[]),
    sample("istio/examples-bookinfo-details-v1", "details", &[]),
    sample("istio/examples-bookinfo-ratings-v1", "ratings", &[]),
    sample("istio/examples-bookinfo-reviews-v1", "reviews", &["SERVICE_VERSION=v1", "ENABLE_RATINGS=false"]),
    sample("istio/examples-bookinfo-reviews-v2", "reviews", &["SERVICE_VERSION=v2", "ENABLE_RATINGS=true", "STAR_COLOR=black"]),
    sample("istio/examples-bookinfo-reviews-v3", "reviews", &["SERVICE_VERSION=v3", "ENABLE_RATINGS=true", "STAR_COLOR=red"]),
];

/// The tag of upstream's sample.
const SAMPLE_TAG: &str = "1.20.2";

/// Writes the images.
pub(crate) fn run(sh: &Shell, args: &Images) -> Result<()> {
    let wanted = |entry: &&Entry| args.names.is_empty() || args.names.iter().any(|name| name == entry.short());
    let entries: Vec<&Entry> = IMAGES.iter().filter(wanted).collect();
    ensure!(
        !entries.is_empty(),
        "no such image; there are {}",
        IMAGES.iter().map(Entry::short).collect::<Vec<_>>().join(", ")
    );
    let programs = match &args.programs {
        Some(folder) => sh.current_dir().join(folder),
        None => build::shipped(sh, &entries.iter().map(|entry| entry.program).collect::<Vec<_>>())?,
    };
    let base = args.base.as_ref().map(|folder| Base::read(&sh.current_dir().join(folder))).transpose()?;
    let out = sh.current_dir().join(&args.out);
    for entry in entries {
        if let (Some(needs), None) = (entry.needs, &base) {
            println!("{}: not written: it needs {needs}; name a base with --base LAYOUT", entry.short());
            continue;
        }
        let image = entry.image(&programs, &args.hub, &args.tag, base.as_ref())?;
        image.write(&out.join(entry.short()))?;
        println!("{}: {}", image.reference(), out.join(entry.short()).display());
    }
    Ok(())
}

impl Entry {
    /// The last part of the name.
    fn short(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }

    fn image<'a>(&self, programs: &Path, hub: &str, tag: &str, base: Option<&'a Base>) -> Result<Image<'a>> {
        let file = programs.join(self.program);
        let program = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let base = base.filter(|_| self.needs.is_some());
        if let (None, Some(interpreter)) = (base, elf::interpreter(&program)) {
            anyhow::bail!("{} wants {interpreter}, which its image has not: link it statically", file.display());
        }
        let path = format!("usr/local/bin/{}", self.program);
        let mut files = Tar::default();
        if base.is_none() {
            // Where programs of ours write, and where Kubernetes puts its files.
            for (folder, mode) in [("tmp", 0o1777), ("etc", 0o755), ("var", 0o755), ("var/run", 0o755)] {
                files.folder(folder, mode);
            }
        }
        for folder in ["usr", "usr/local", "usr/local/bin"] {
            files.folder(folder, 0o755);
        }
        files.file(&path, 0o755, &program);
        if let Some(link) = self.link {
            files.link(&format!("usr/local/bin/{link}"), self.program);
        }
        let own = self.name.contains('/');
        Ok(Image {
            name: if own { self.name.to_owned() } else { format!("{hub}/{}", self.name) },
            tag: if own { SAMPLE_TAG } else { tag }.to_owned(),
            entrypoint: format!("/{path}"),
            args: self.args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: self.env.iter().map(|pair| (*pair).to_owned()).collect(),
            user: self.user.to_owned(),
            base,
            layer: Layer::new(&files.finish())?,
        })
    }
}

#[cfg(test)]
mod tests;
