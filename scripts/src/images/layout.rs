//! Images in the form of the Open Container Initiative, as a folder and as an archive.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tar::Tar;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A compressed archive of files.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// Of the archive before it was compressed.
    diff: String,
    blob: Vec<u8>,
}

/// An image that others are laid on.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// Descriptors of its layers.
    layers: Vec<Value>,
    diffs: Vec<Value>,
    env: Vec<Value>,
    blobs: BTreeMap<String, Vec<u8>>,
}

/// An image to be written.
#[derive(Clone, Debug)]
pub(super) struct Image<'a> {
    pub(super) name: String,
    pub(super) tag: String,
    pub(super) entrypoint: String,
    pub(super) args: Vec<String>,
    /// `NAME=VALUE`.
    pub(super) env: Vec<String>,
    /// `UID:GID`.
    pub(super) user: String,
    pub(super) base: Option<&'a Base>,
    pub(super) layer: Layer,
}

impl Layer {
    /// Compresses an archive, always to the same bytes.
    pub(super) fn new(archive: &[u8]) -> Result<Self> {
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
        gzip.write_all(archive)?;
        Ok(Self { diff: digest(archive), blob: gzip.finish()? })
    }
}

impl Base {
    /// Reads the layout of one image for one machine.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let json = |path: &Path| -> Result<Value> {
            let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
        };
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap_or_default().replace(':', "/");
            folder.join("blobs").join(digest)
        };
        let index = json(&folder.join("index.json"))?;
        let manifests = index["manifests"].as_array().map_or(&[][..], Vec::as_slice);
        ensure!(manifests.len() == 1, "{} holds {} images, not one", folder.display(), manifests.len());
        let manifest = json(&blob(&manifests[0]))?;
        ensure!(
            manifest["config"].is_object(),
            "{} holds an index, not an image: copy it for one platform",
            folder.display()
        );
        let config = json(&blob(&manifest["config"]))?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let layers = list(&manifest["layers"]);
        let mut blobs = BTreeMap::new();
        for layer in &layers {
            let file = blob(layer);
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            blobs.insert(layer["digest"].as_str().unwrap_or_default().to_owned(), content);
        }
        Ok(Self { layers, diffs: list(&config["rootfs"]["diff_ids"]), env: list(&config["config"]["Env"]), blobs })
    }
}

impl Image<'_> {
    /// `NAME:TAG`.
    pub(super) fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// Writes the layout into `folder`, and beside it the archive.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let files = self.files()?;
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))?;
        }
        let mut archive = Tar::default();
        archive.folder("blobs", 0o755);
        archive.folder("blobs/sha256", 0o755);
        for (path, content) in &files {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().context("a file has a folder")?)?;
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
            archive.file(path, 0o644, content);
        }
        let file = folder.with_extension("tar");
        fs::write(&file, archive.finish()).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The files of the layout, and `manifest.json`, by which `docker load` knows an archive.
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut blobs: BTreeMap<String, Vec<u8>> = self.base.map(|base| base.blobs.clone()).unwrap_or_default();
        let layer = add(&mut blobs, LAYER, self.layer.blob.clone());
        let layers: Vec<Value> = self.base.iter().flat_map(|base| base.layers.clone()).chain([layer]).collect();
        let config = add(&mut blobs, CONFIG, serde_json::to_vec(&self.config())?);
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let mut described = add(&mut blobs, MANIFEST, serde_json::to_vec(&manifest)?);
        described["annotations"] = json!({
            // By the first tools name the image in a layout, by the second containerd does.
            "org.opencontainers.image.ref.name": self.tag,
            "io.containerd.image.name": format!("docker.io/{}", self.reference()),
        });
        let path = |descriptor: &Value| {
            format!("blobs/{}", descriptor["digest"].as_str().unwrap_or_default().replace(':', "/"))
        };
        let for_docker = json!([{
            "Config": path(&config),
            "RepoTags": [self.reference()],
            "Layers": layers.iter().map(path).collect::<Vec<_>>(),
        }]);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [described] });
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::from([
            ("oci-layout".to_owned(), serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?),
            ("index.json".to_owned(), serde_json::to_vec(&index)?),
            ("manifest.json".to_owned(), serde_json::to_vec(&for_docker)?),
        ]);
        files.extend(blobs.into_iter().map(|(digest, blob)| (format!("blobs/{}", digest.replace(':', "/")), blob)));
        Ok(files)
    }

    fn config(&self) -> Value {
        let base_env = self.base.map_or_else(
            || vec![json!("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")],
            |base| base.env.clone(),
        );
        let diffs = self.base.iter().flat_map(|base| base.diffs.clone()).chain([json!(self.layer.diff)]);
        json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "User": self.user,
                "Env": base_env.into_iter().chain(self.env.iter().map(|pair| json!(pair))).collect::<Vec<_>>(),
                "Entrypoint": [self.entrypoint],
                "Cmd": self.args,
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": diffs.collect::<Vec<_>>() },
        })
    }
}

/// Adds a blob, and describes it.
fn add(blobs: &mut BTreeMap<String, Vec<u8>>, kind: &str, blob: Vec<u8>) -> Value {
    let digest = digest(&blob);
    let described = json!({ "mediaType": kind, "digest": digest, "size": blob.len() });
    blobs.insert(digest, blob);
    described
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
