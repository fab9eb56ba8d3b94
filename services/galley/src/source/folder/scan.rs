//! Files as objects.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use k8s_openapi::ByteString;
use mesh_kube::Key;
use mesh_model::config::Kind;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    input::{Collection, Object},
    registry::mesh,
};

/// Where an object is.
type Found = (Collection, Key);

/// What a look at the folder found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Objects; of two with the same name the one of the later file counts.
    pub objects: BTreeMap<Found, Object>,
    /// What is wrong, by file.
    pub faults: BTreeMap<String, Vec<String>>,
}

/// Looks at a folder, and reads a file again only when it changed.
#[derive(Debug)]
pub struct Scanner {
    folder: PathBuf,
    root_namespace: String,
    files: BTreeMap<PathBuf, File>,
    looked: bool,
}

/// Tells a changed file from one that stayed.
type Stamp = (Option<SystemTime>, u64);

#[derive(Debug, Default)]
struct File {
    stamp: Stamp,
    /// By position in the file, so that a document that broke keeps what it said before.
    documents: Vec<Vec<(Found, Object)>>,
    faults: Vec<String>,
}

impl Scanner {
    /// A scanner that has read nothing. The mesh's settings are taken from `root_namespace`.
    pub fn new(folder: PathBuf, root_namespace: String) -> Self {
        Self { folder, root_namespace, files: BTreeMap::new(), looked: false }
    }

    /// Looks. None: nothing changed since the last look.
    pub fn look(&mut self) -> Option<Scan> {
        let mut paths = Vec::new();
        if let Err(error) = list(&self.folder, &mut paths) {
            // Like a lost connection: what is known stays.
            tracing::warn!(folder = %self.folder.display(), %error, "the folder cannot be read");
            return None;
        }
        let mut is_changed = !self.looked;
        self.looked = true;
        let count = self.files.len();
        self.files.retain(|path, _| paths.iter().any(|(listed, _)| listed == path));
        is_changed |= self.files.len() != count;
        for (path, stamp) in paths {
            let file = self.files.entry(path.clone()).or_default();
            if file.stamp != stamp {
                file.stamp = stamp;
                file.read(&path, &self.root_namespace);
                is_changed = true;
            }
        }
        is_changed.then(|| self.scan())
    }

    fn scan(&self) -> Scan {
        let mut scan = Scan::default();
        for (path, file) in &self.files {
            let mut faults = file.faults.clone();
            for (found, object) in file.documents.iter().flatten() {
                if scan.objects.insert(found.clone(), object.clone()).is_some() {
                    faults.push(format!("{:?} {} stands in an earlier file too; this one counts", found.0, found.1));
                }
            }
            if !faults.is_empty() {
                scan.faults.insert(path.display().to_string(), faults);
            }
        }
        scan
    }
}

impl File {
    fn read(&mut self, path: &Path, root_namespace: &str) {
        self.faults.clear();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.faults.push(format!("cannot be read: {error}")),
        };
        let before = std::mem::take(&mut self.documents);
        for (index, document) in documents(&text).into_iter().enumerate() {
            let mut found = Vec::new();
            match read(&document, root_namespace, &mut found) {
                Ok(()) => self.documents.push(found),
                Err(fault) => {
                    self.faults.push(format!("document {}: {fault}", index + 1));
                    self.documents.push(before.get(index).cloned().unwrap_or_default());
                }
            }
        }
    }
}

fn list(folder: &Path, paths: &mut Vec<(PathBuf, Stamp)>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        // Editors and mounted ConfigMaps keep their own files under hidden names.
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.is_dir() {
            list(&path, paths)?;
        } else if path
            .extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        {
            paths.push((path, (meta.modified().ok(), meta.len())));
        }
    }
    Ok(())
}

/// A file's documents, split as kubectl does: at lines that begin with `---`.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
    }
    documents.retain(|document| document.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#')));
    documents
}

fn read(document: &str, root_namespace: &str, found: &mut Vec<(Found, Object)>) -> Result<(), String> {
    let value: Value = serde_saphyr::from_str(document).map_err(|error| error.to_string())?;
    objects(value, root_namespace, found)
}

fn objects(value: Value, root_namespace: &str, found: &mut Vec<(Found, Object)>) -> Result<(), String> {
    if value["kind"] == "List" {
        let items = value["items"].as_array().cloned().unwrap_or_default();
        return items.into_iter().try_for_each(|item| objects(item, root_namespace, found));
    }
    found.extend(object(value, root_namespace)?);
    Ok(())
}

/// An object by its apiVersion and kind; none for kinds that galley does not read.
fn object(mut value: Value, root_namespace: &str) -> Result<Option<(Found, Object)>, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&value["apiVersion"]), text(&value["kind"]));
    let name = text(&value["metadata"]["name"]);
    if kind.is_empty() || name.is_empty() {
        return Err("it is no object: it needs apiVersion, kind and metadata.name".to_owned());
    }
    let is_cluster_wide = matches!((api_version.as_str(), kind.as_str()), ("v1", "Node" | "Namespace"));
    if !is_cluster_wide && text(&value["metadata"]["namespace"]).is_empty() {
        value["metadata"]["namespace"] = "default".into();
    }
    let key = Key { namespace: text(&value["metadata"]["namespace"]), name };
    let (collection, object) = match (api_version.as_str(), kind.as_str()) {
        ("v1", "Service") => (Collection::Services, Object::Service(typed(value)?)),
        ("discovery.k8s.io/v1", "EndpointSlice") => (Collection::Slices, Object::Slice(typed(value)?)),
        ("v1", "Pod") => (Collection::Pods, Object::Pod(typed(value)?)),
        ("v1", "Node") => (Collection::Nodes, Object::Node(typed(value)?)),
        ("v1", "Namespace") => (Collection::Namespaces, Object::Namespace(typed(value)?)),
        ("v1", "Secret") => (Collection::Secrets, Object::Secret(typed(decoded(value)?)?)),
        ("v1", "ConfigMap") if key.name == mesh::CONFIG_MAP && key.namespace == root_namespace => {
            (Collection::Mesh, Object::Mesh(typed(value)?))
        }
        _ => {
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            let Some(known) = Kind::find(group, &kind).filter(|kind| *kind != Kind::MeshConfig) else {
                tracing::debug!(api_version, kind, object = %key, "no business of galley's");
                return Ok(None);
            };
            (Collection::Config(known), Object::Config(known, value))
        }
    };
    Ok(Some(((collection, key), object)))
}

/// A Secret as an API server gives it: `stringData` is for writing only.
fn decoded(mut secret: Value) -> Result<Value, String> {
    let Some(given) = secret.as_object_mut().and_then(|object| object.remove("stringData")) else { return Ok(secret) };
    let texts: BTreeMap<String, String> = serde_json::from_value(given).map_err(|error| error.to_string())?;
    for (key, text) in texts {
        secret["data"][key] = serde_json::to_value(ByteString(text.into_bytes())).map_err(|error| error.to_string())?;
    }
    Ok(secret)
}

fn typed<K: DeserializeOwned>(value: Value) -> Result<Box<K>, String> {
    serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string())
}
