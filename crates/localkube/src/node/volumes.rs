//! Volumes: folders that a pod's containers share, some of them filled from the API and kept up to date.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt, chown},
    path::{Component, Path, PathBuf},
};

use k8s_openapi::{
    api::core::v1::{Container, EmptyDirVolumeSource, HostPathVolumeSource, Pod, Volume, VolumeMount},
    jiff::Timestamp,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{
    env::{Env, expand},
    fields::{Facts, nanos},
    runtime::Mount,
};
use crate::{api::auth::Authenticator, client::Client};
use payload::Payload;

pub mod atomic;
pub mod payload;

/// What filling a volume needs to know.
pub struct Context<'a> {
    /// The API.
    pub client: &'a Client,
    /// The pod.
    pub pod: &'a Pod,
    /// What the node knows of it.
    pub facts: &'a Facts,
    /// Makes service account tokens.
    pub authenticator: &'a Authenticator,
}

/// Why a volume is not there: the texts of a `FailedMount` event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume \"{volume}\" : {message}")]
pub struct MountError {
    /// The volume's name.
    pub volume: String,
    /// What is wrong with it.
    pub message: String,
}

/// The volumes of one pod.
#[derive(Debug)]
pub struct Volumes {
    folder: PathBuf,
    ready: BTreeMap<String, PathBuf>,
    written: BTreeMap<String, Payload>,
    tokens: payload::Tokens,
    memory: Vec<PathBuf>,
}

impl Volumes {
    /// None yet; they will live in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, ready: BTreeMap::new(), written: BTreeMap::new(), tokens: BTreeMap::new(), memory: Vec::new() }
    }

    /// Makes every volume that a container mounts, and brings those that come from the API up to date.
    /// All that can be done is done; the errors are of those that could not.
    pub fn refresh(&mut self, context: &Context<'_>) -> Vec<MountError> {
        let Some(spec) = &context.pod.spec else { return Vec::new() };
        let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
        let used: HashSet<&str> =
            containers.flat_map(|c| c.volume_mounts.iter().flatten()).map(|m| m.name.as_str()).collect();
        let mut errors = Vec::new();
        for volume in spec.volumes.iter().flatten().filter(|v| used.contains(v.name.as_str())) {
            match self.refresh_one(volume, context) {
                Ok(source) => {
                    self.ready.insert(volume.name.clone(), source);
                }
                Err(message) => errors.push(MountError { volume: volume.name.clone(), message }),
            }
        }
        errors
    }

    /// When a token must be renewed.
    pub fn next_refresh(&self) -> Option<Timestamp> {
        self.tokens.values().map(|token| token.renew).min()
    }

    /// Whether a volume was made, be its content of today or not.
    pub fn has(&self, volume: &str) -> bool {
        self.ready.contains_key(volume)
    }

    /// The binds of a container's `volumeMounts`. An error is the text of `CreateContainerConfigError`.
    pub fn mounts(&self, container: &Container, env: &Env) -> Result<Vec<Mount>, String> {
        container.volume_mounts.iter().flatten().map(|wish| self.bind(wish, env)).collect()
    }

    /// Removes everything.
    pub fn remove(&mut self) {
        for folder in self.memory.drain(..) {
            if let Err(error) = umount2(&folder, MntFlags::MNT_DETACH) {
                tracing::warn!(%error, folder = %folder.display(), "tmpfs not unmounted");
            }
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %self.folder.display(), "volumes not removed");
            }
            _ => {}
        }
    }

    fn refresh_one(&mut self, volume: &Volume, context: &Context<'_>) -> Result<PathBuf, String> {
        let folder = self.folder.join(&volume.name);
        let group = context.pod.spec.as_ref().and_then(|s| s.security_context.as_ref()).and_then(|s| s.fs_group);
        let group = group.and_then(|g| u32::try_from(g).ok());
        if let Some(path) = &volume.host_path {
            return host_path(path);
        }
        if let Some(wish) = &volume.empty_dir {
            if !self.ready.contains_key(&volume.name) {
                self.empty_dir(&folder, wish, group).map_err(|e| e.to_string())?;
            }
            return Ok(folder);
        }
        let payload = payload::of_volume(volume, context, &mut self.tokens)
            .unwrap_or_else(|| Err(format!("localkube has no volumes of type {}", payload::type_name(volume))))?;
        if self.written.get(&volume.name) != Some(&payload) {
            atomic::write(&folder, &payload, group).map_err(|e| e.to_string())?;
            self.written.insert(volume.name.clone(), payload);
        }
        Ok(folder)
    }

    fn empty_dir(&mut self, folder: &Path, wish: &EmptyDirVolumeSource, group: Option<u32>) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        if wish.medium.as_deref() == Some("Memory") {
            let bytes = wish.size_limit.as_ref().and_then(|q| nanos(&q.0)).map(|n| n / 1_000_000_000);
            let data = bytes.filter(|b| *b > 0).map(|b| format!("size={b}"));
            mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, data.as_deref())?;
            self.memory.push(folder.to_owned());
        }
        if let Some(group) = group {
            chown(folder, None, Some(group))?;
        }
        let mode = if group.is_some() { 0o2777 } else { 0o777 };
        fs::set_permissions(folder, fs::Permissions::from_mode(mode))
    }

    fn bind(&self, wish: &VolumeMount, env: &Env) -> Result<Mount, String> {
        let root = self.ready.get(&wish.name).ok_or_else(|| format!("volume \"{}\" is not mounted", wish.name))?;
        let sub = match (&wish.sub_path_expr, &wish.sub_path) {
            (Some(text), _) => expand(text, |name| env.get(name).map(str::to_owned)),
            (None, Some(text)) => text.clone(),
            (None, None) => String::new(),
        };
        let source = if sub.is_empty() { root.clone() } else { self.below(root, &wish.name, &sub)? };
        let read_only = wish.read_only == Some(true) || self.written.contains_key(&wish.name);
        Ok(Mount { source, target: PathBuf::from(&wish.mount_path), read_only })
    }

    /// A path below a volume, made as a folder when it is missing. Links that lead out of the volume are refused.
    fn below(&self, root: &Path, volume: &str, sub: &str) -> Result<PathBuf, String> {
        let failed =
            |e: io::Error| format!("failed to prepare subPath for volumeMount \"{sub}\" of volume \"{volume}\": {e}");
        let plain = Path::new(sub).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !plain {
            return Err(failed(io::Error::other("must be a relative path without '..'")));
        }
        let path = root.join(sub);
        if !path.exists() {
            fs::create_dir_all(&path).map_err(failed)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).map_err(failed)?;
        }
        let (real, base) = (path.canonicalize().map_err(failed)?, root.canonicalize().map_err(failed)?);
        if real.starts_with(&base) { Ok(real) } else { Err(failed(io::Error::other("it leads out of the volume"))) }
    }
}

impl Drop for Volumes {
    fn drop(&mut self) {
        if !self.memory.is_empty() {
            self.remove();
        }
    }
}

fn host_path(wish: &HostPathVolumeSource) -> Result<PathBuf, String> {
    let path = PathBuf::from(&wish.path);
    let kind = wish.type_.as_deref().unwrap_or_default();
    let failed = |e: io::Error| format!("hostPath {}: {e}", wish.path);
    match kind {
        "DirectoryOrCreate" => fs::create_dir_all(&path).map_err(failed)?,
        "FileOrCreate" => {
            fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        }
        _ => {}
    }
    let wrong = |what: &str| format!("hostPath type check failed: {} is not {what}", wish.path);
    let found = fs::metadata(&path).ok().map(|m| m.file_type());
    let (fits, what) = match (kind, found) {
        ("", None) => return fs::create_dir_all(&path).map(|()| path).map_err(failed),
        ("", Some(_)) => (true, ""),
        ("Directory" | "DirectoryOrCreate", t) => (t.is_some_and(|t| t.is_dir()), "a directory"),
        ("File" | "FileOrCreate", t) => (t.is_some_and(|t| t.is_file()), "a file"),
        ("Socket", t) => (t.is_some_and(|t| t.is_socket()), "a socket file"),
        ("CharDevice", t) => (t.is_some_and(|t| t.is_char_device()), "a character device"),
        ("BlockDevice", t) => (t.is_some_and(|t| t.is_block_device()), "a block device"),
        _ => (false, "of a known type"),
    };
    if fits { Ok(path) } else { Err(wrong(what)) }
}

#[cfg(test)]
mod tests;
