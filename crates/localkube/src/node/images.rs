//! The image catalogue: which program on this machine stands for an image.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::runtime::Mount;

/// The images that localkube knows by itself.
const BUILT_IN: &str = include_str!("images/catalogue.yaml");

/// Where the programs that come with localkube are seen inside a container.
const PROGRAMS: &str = "/app";

/// Why a catalogue or an image name was not understood.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file could not be read.
    #[error("image catalogue {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not a catalogue.
    #[error("image catalogue {path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        message: String,
    },
    /// Not an image name.
    #[error("couldn't parse image name \"{0}\": invalid reference format")]
    Name(String),
    /// No entry; tells how to add one.
    #[error(
        "no program stands for image \"{name}\" (tag \"{tag}\") on this machine: add an entry `- name: {name}` with its \
         `entrypoint` to a catalogue file and start the cluster with `localkube up --images FILE`"
    )]
    Unknown {
        /// The name without its registry host.
        name: String,
        /// The tag.
        tag: String,
    },
}

/// One entry of the catalogue.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// The image's name without its registry host; `*` stands for any text.
    pub name: String,
    /// Only these tags; `*` stands for any text. Default: all.
    #[serde(default)]
    pub tag: Option<String>,
    /// What always runs: a path on this machine, a name looked up in the container's PATH, or `./name` for a program
    /// that lies beside the localkube program (the container sees it in `/app`).
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// What follows unless the container has its own command or arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The image's environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The default user, `uid` or `uid:gid`. Default: 0:0.
    #[serde(default)]
    pub user: String,
    /// The default working directory.
    #[serde(default)]
    pub workdir: Option<PathBuf>,
    /// What else of this machine the container sees.
    #[serde(default)]
    pub binds: Vec<Bind>,
}

/// A file or folder of this machine that an image brings along, read-only.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bind {
    /// Here: a path, or `./name` for a file that lies beside the localkube program.
    pub host: PathBuf,
    /// In the container; the same path by default.
    #[serde(default)]
    pub container: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    images: Vec<Image>,
}

/// All entries, the person's own first.
#[derive(Clone, Debug)]
pub struct Catalogue {
    images: Arc<[Image]>,
    programs: PathBuf,
    /// What every image brings.
    common: Vec<Mount>,
}

/// What an image name resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What always runs.
    pub entrypoint: Vec<String>,
    /// What follows by default.
    pub args: Vec<String>,
    /// The image's environment.
    pub env: BTreeMap<String, String>,
    /// The default user.
    pub uid: u32,
    /// The default group.
    pub gid: u32,
    /// The default working directory.
    pub workdir: PathBuf,
    /// What the image brings along.
    pub mounts: Vec<Mount>,
    /// `name@sha256:...`.
    pub id: String,
}

impl Catalogue {
    /// The built-in catalogue, overridden by the entries of `file`. `programs` is the folder of localkube's program.
    pub fn load(file: Option<&Path>, programs: &Path) -> Result<Self, ImageError> {
        let mut images = Vec::new();
        if let Some(path) = file {
            let text =
                std::fs::read_to_string(path).map_err(|source| ImageError::Read { path: path.into(), source })?;
            images.extend(parse(path, &text)?);
        }
        images.extend(parse(Path::new("(built-in)"), BUILT_IN)?);
        Ok(Self { images: images.into(), programs: programs.into(), common: Vec::new() })
    }

    /// The same catalogue, where every image also brings this mount.
    pub fn with_mount(mut self, mount: Mount) -> Self {
        self.common.push(mount);
        self
    }

    /// The program behind an image reference.
    pub fn resolve(&self, reference: &str) -> Result<Program, ImageError> {
        let (name, tag) = split(reference).ok_or_else(|| ImageError::Name(reference.to_owned()))?;
        let fits = |image: &&Image| {
            matches(&image.name, &name) && image.tag.as_deref().is_none_or(|pattern| matches(pattern, &tag))
        };
        match self.images.iter().find(fits) {
            Some(image) => Ok(self.program(image, &name, &tag)),
            None => Err(ImageError::Unknown { name, tag }),
        }
    }

    fn program(&self, image: &Image, name: &str, tag: &str) -> Program {
        let own = image.binds.iter().map(|bind| Mount {
            source: bind.host.strip_prefix(".").map_or_else(|_| bind.host.clone(), |name| self.programs.join(name)),
            target: bind.container.clone().unwrap_or_else(|| bind.host.clone()),
            read_only: true,
        });
        let mut mounts: Vec<Mount> = self.common.iter().cloned().chain(own).collect();
        let mut entrypoint = image.entrypoint.clone();
        if let Some(program) = entrypoint.first_mut()
            && let Some(source) = self.outside_usr(program)
            && let Some(file) = source.file_name()
        {
            let target = Path::new(PROGRAMS).join(file);
            *program = target.display().to_string();
            mounts.push(Mount { source, target, read_only: true });
        }
        let mut ids = image.user.split(':').map(|id| id.parse().unwrap_or(0));
        let uid = ids.next().unwrap_or(0);
        let hash = Sha256::digest(format!("{name}:{tag} {entrypoint:?} {:?} {:?}", image.args, image.env));
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Program {
            entrypoint,
            args: image.args.clone(),
            env: image.env.clone(),
            uid,
            gid: ids.next().unwrap_or(0),
            workdir: image.workdir.clone().unwrap_or_else(|| "/".into()),
            mounts,
            id: format!("{name}@sha256:{hex}"),
        }
    }

    /// The file on this machine behind a program that a container does not see by itself (it sees `/usr`).
    fn outside_usr(&self, program: &str) -> Option<PathBuf> {
        if let Some(name) = program.strip_prefix("./") {
            return Some(self.programs.join(name));
        }
        let path = Path::new(program);
        let visible = ["/usr", "/bin", "/sbin", "/lib"].iter().any(|root| path.starts_with(root));
        (path.is_absolute() && !visible).then(|| path.to_owned())
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Image>, ImageError> {
    let wrong = |message: String| ImageError::Parse { path: path.into(), message };
    let file: File = serde_saphyr::from_str(text).map_err(|e| wrong(e.to_string()))?;
    for image in &file.images {
        if !image.user.is_empty() && !image.user.split(':').all(|id| id.parse::<u32>().is_ok()) {
            return Err(wrong(format!(
                "image {}: user \"{}\" must be uid or uid:gid in numbers",
                image.name, image.user
            )));
        }
    }
    Ok(file.images)
}

/// Splits a reference into its name without registry host and `library/`, and its tag; None when it is no reference.
fn split(reference: &str) -> Option<(String, String)> {
    let (whole, digest) = match reference.split_once('@') {
        Some((whole, digest)) => (whole, Some(digest)),
        None => (reference, None),
    };
    let (path, tag) = match whole.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (whole, digest.unwrap_or("latest")),
    };
    let name = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => path,
    };
    let name = name.strip_prefix("library/").unwrap_or(name);
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    let tag_fits =
        !tag.is_empty() && tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
    (name.split('/').all(word) && tag_fits).then(|| (name.to_owned(), tag.to_owned()))
}

/// Whether `text` fits `pattern`, in which each `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests;
