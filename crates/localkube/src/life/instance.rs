//! One instance by name: its folder, its lock, the process behind it.

use std::{
    fmt, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, bail};
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// An instance's name: lower-case letters, digits and dashes, at most 40 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > 40 || !text.chars().all(fits) || text.starts_with('-') {
            return Err("a name has 1 to 40 lower-case letters, digits or dashes, and begins with no dash".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The variable that overrides where instances keep their folders.
pub const STATE_VARIABLE: &str = "LOCALKUBE_STATE";

/// What a running instance says of itself, in `<state>/instance.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The process, as seen from the host.
    pub pid: i32,
    /// Where the API listens on the host.
    pub api: String,
}

/// The folder of an instance.
#[derive(Clone, Debug)]
pub struct Instance {
    name: Name,
    folder: PathBuf,
}

impl Instance {
    /// The instance of that name; nothing is made yet.
    pub fn new(name: &Name) -> Self {
        Self { name: name.clone(), folder: root().join(&name.0) }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// What the daemon prints.
    pub fn log(&self) -> PathBuf {
        self.folder.join("localkube.log")
    }

    /// The socket that `sh` asks for namespaces.
    pub fn control(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// Takes the lock, when no process holds it; makes the folder. None: the instance runs (or starts, or ends).
    pub fn try_lock(&self) -> anyhow::Result<Option<Flock<fs::File>>> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let file = fs::File::create(self.folder.join("lock"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => bail!("cannot lock {}: {error}", self.folder.display()),
        }
    }

    /// True while a process holds the lock.
    pub fn is_running(&self) -> anyhow::Result<bool> {
        Ok(self.folder.join("lock").exists() && self.try_lock()?.is_none())
    }

    /// Removes all that an earlier life left in the folder, but the lock.
    pub fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.ends_with("lock") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)?;
            } else {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes the folder.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes the facts.
    pub fn write_facts(&self, facts: &Facts) -> anyhow::Result<()> {
        Ok(fs::write(self.folder.join("instance.json"), serde_json::to_vec_pretty(facts)?)?)
    }

    /// Reads the facts.
    pub fn facts(&self) -> anyhow::Result<Facts> {
        let text = fs::read(self.folder.join("instance.json")).with_context(|| {
            format!("instance \"{}\" is not up; start it with `localkube up --name {0}`", self.name)
        })?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Sends a signal to the daemon; one that is gone is no error.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        match kill(Pid::from_raw(self.facts()?.pid), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => bail!("cannot signal instance \"{}\": {error}", self.name),
        }
    }
}

/// Where all instances live: the variable, else a folder that a restart of the machine clears.
fn root() -> PathBuf {
    if let Some(folder) = std::env::var_os(STATE_VARIABLE) {
        return PathBuf::from(folder);
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/run/localkube");
    }
    let base = std::env::var_os("XDG_RUNTIME_DIR")
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state").into_os_string()))
        .map_or_else(std::env::temp_dir, PathBuf::from);
    base.join("localkube")
}
