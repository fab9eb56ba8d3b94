//! `cargo xtask tidy`: the house rules that no compiler checks, each a pure function from texts to findings.

use std::{fmt, path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use xshell::Shell;

use crate::{descriptors, layers, metadata::Metadata};

mod docs;
mod manifests;
mod sources;
mod supply;

/// Options of `cargo xtask tidy`.
#[derive(Args, Debug, Default)]
pub(crate) struct Tidy {}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Text {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Something that is not as the rules want it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) file: String,
    /// Counted from 1; 0 means the file as a whole.
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) way_out: String,
}

/// Shorthand for a [`Finding`].
pub(crate) fn finding(file: &str, line: usize, what: impl Into<String>, way_out: impl Into<String>) -> Finding {
    Finding { file: file.to_owned(), line, what: what.into(), way_out: way_out.into() }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}\n    way out: {}", self.file, self.what, self.way_out),
            line => write!(f, "{}:{line}: {}\n    way out: {}", self.file, self.what, self.way_out),
        }
    }
}

/// Runs all checks; an error when anything was found.
pub(crate) fn run(sh: &Shell, _: &Tidy) -> Result<()> {
    let started = Instant::now();
    let root = sh.current_dir();
    let mut texts = Vec::new();
    collect(&root, &root, &mut texts)?;
    let metadata = Metadata::read(sh)?;
    let home = std::env::var_os("HOME");
    let folders = sources::machine_folders(&root, home.as_deref().map(Path::new));
    let mut found = check(&texts, &metadata, &folders)?;
    found.extend(descriptors::check(&root, &metadata));
    for finding in &found {
        println!("{finding}");
    }
    match found.len() {
        0 => println!("tidy: {} files, nothing to say ({:.1} s)", texts.len(), started.elapsed().as_secs_f32()),
        n => bail!("tidy has {n} findings"),
    }
    Ok(())
}

fn check(texts: &[Text], metadata: &Metadata, folders: &[String]) -> Result<Vec<Finding>> {
    let policy = supply::Policy::parse(text(texts, "deny.toml")?)?;
    let members = metadata.members();
    let mut found = layers::check(&members);
    found.extend(manifests::check(texts, &members)?);
    found.extend(sources::check(texts, &members, folders));
    found.extend(docs::check(texts));
    found.extend(supply::check(&policy, &metadata.needed()));
    found.extend(supply::check_lock(text(texts, "Cargo.lock")?));
    Ok(found)
}

fn text<'a>(texts: &'a [Text], path: &str) -> Result<&'a str> {
    let found = texts.iter().find(|t| t.path == path);
    Ok(&found.with_context(|| format!("{path} is missing at the root of the repository"))?.text)
}

/// Reads every text file below `folder`, in the order of their names. Build output and version control are left out.
fn collect(root: &Path, folder: &Path, texts: &mut Vec<Text>) -> Result<()> {
    let read = || folder.read_dir()?.collect::<std::io::Result<Vec<_>>>();
    let mut entries = read().with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        if [".git", "target"].iter().any(|skip| entry.file_name() == *skip) {
            continue;
        } else if kind.is_dir() {
            collect(root, &path, texts)?;
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            texts.push(Text { path: relative.to_string_lossy().into_owned(), text });
        }
    }
    Ok(())
}
