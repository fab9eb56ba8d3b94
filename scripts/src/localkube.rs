//! The `localkube` program as the tasks use it: one instance, by name.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

/// An instance, and the folder of the programs that run it.
#[derive(Clone, Debug)]
pub(crate) struct Localkube {
    program: PathBuf,
    name: String,
}

/// How many pods there are, and how many of them are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pods {
    pub(crate) ready: usize,
    pub(crate) all: usize,
}

impl Localkube {
    /// The instance `name` of the programs in `folder`.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self { program: folder.join("localkube"), name: name.to_owned() }
    }

    /// The instance's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the program is.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Starts it, or finds it running; `more` are further options of `localkube up`.
    pub(crate) fn up(&self, sh: &Shell, more: &[String]) -> Result<()> {
        let Self { program, name } = self;
        cmd!(sh, "{program} up --name {name} {more...}").quiet().run().context("localkube did not start")
    }

    /// Ends it; one that is not up is no error.
    pub(crate) fn down(&self, sh: &Shell) -> Result<()> {
        let Self { program, name } = self;
        cmd!(sh, "{program} down --name {name}").quiet().run().context("localkube did not go down")
    }

    /// Applies manifests to namespace `default`.
    pub(crate) fn apply(&self, sh: &Shell, manifests: &Path) -> Result<()> {
        let Self { program, name } = self;
        let output = cmd!(sh, "{program} apply --name {name} -f {manifests}").quiet().ignore_stdout();
        output.run().with_context(|| format!("{} was refused", manifests.display()))
    }

    /// Whether it is up.
    pub(crate) fn is_up(&self, sh: &Shell) -> bool {
        self.status(sh).is_ok()
    }

    /// What `localkube status` prints; an error when the instance is not up.
    pub(crate) fn status(&self, sh: &Shell) -> Result<String> {
        let Self { program, name } = self;
        let output = cmd!(sh, "{program} status --name {name}").quiet().ignore_status().ignore_stderr().output()?;
        if !output.status.success() {
            bail!("instance \"{name}\" is not up");
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The pods of all namespaces.
    pub(crate) fn pods(&self, sh: &Shell) -> Result<Pods> {
        let status = self.status(sh)?;
        pods(&status).with_context(|| format!("`localkube status` tells no pods:\n{status}"))
    }

    /// Ends instances called `prefix` and the id of a task's process, when that process died before it could.
    pub(crate) fn sweep(&self, sh: &Shell, prefix: &str) -> Result<()> {
        let entries = fs::read_dir(states()).into_iter().flatten().filter_map(Result::ok);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        for name in orphans(names, prefix, |pid| Path::new("/proc").join(pid).exists()) {
            println!("ending {name}, whose task died");
            Self { program: self.program.clone(), name }.down(sh)?;
        }
        Ok(())
    }

    /// Fails when something of the instance is left: a process that names it, or its folder.
    pub(crate) fn check_gone(&self) -> Result<()> {
        let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let named = processes.filter_map(|process| {
            let pid = process.file_name().to_string_lossy().into_owned();
            let line = String::from_utf8_lossy(&fs::read(process.path().join("cmdline")).ok()?).replace('\0', " ");
            let ours = line.split(' ').next().is_some_and(|program| program.ends_with("localkube"));
            (ours && line.split(' ').any(|word| word == self.name)).then(|| format!("{pid} ({})", line.trim()))
        });
        let left: Vec<String> = named.collect();
        ensure!(left.is_empty(), "instance \"{}\" left processes behind: {}", self.name, left.join(", "));
        let folder = states().join(&self.name);
        ensure!(!folder.exists(), "instance \"{}\" left {} behind", self.name, folder.display());
        Ok(())
    }

    /// Where its kubeconfig is.
    pub(crate) fn kubeconfig(&self, sh: &Shell) -> Result<String> {
        let Self { program, name } = self;
        Ok(cmd!(sh, "{program} kubeconfig --name {name}").quiet().read()?)
    }
}

/// Where instances keep their folders, as the program decides it for root.
fn states() -> PathBuf {
    env::var_os("LOCALKUBE_STATE").map_or_else(|| "/run/localkube".into(), PathBuf::from)
}

/// The names of instances called `prefix` and the id of a process, whose process is gone.
fn orphans(names: impl Iterator<Item = String>, prefix: &str, is_alive: impl Fn(&str) -> bool) -> Vec<String> {
    names
        .filter(|name| name.strip_prefix(prefix).is_some_and(|pid| pid.parse::<u32>().is_ok() && !is_alive(pid)))
        .collect()
}

/// Reads the line `pods  3 of 6 ready`.
fn pods(status: &str) -> Option<Pods> {
    let line = status.lines().find_map(|line| line.strip_prefix("pods"))?;
    let mut words = line.split_whitespace();
    let ready = words.next()?.parse().ok()?;
    let all = words.nth(1)?.parse().ok()?;
    Some(Pods { ready, all })
}

#[cfg(test)]
mod tests;
