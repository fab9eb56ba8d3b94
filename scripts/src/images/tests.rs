use std::{collections::BTreeSet, io::Read};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;

/// A folder that ends with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("images-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn program(&self, name: &str, content: &[u8]) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn write(&self, name: &str, base: Option<&Base>) -> PathBuf {
        let entry = IMAGES.iter().find(|entry| entry.short() == name).unwrap();
        let folder = self.0.join("out").join(name);
        entry.image(&self.0, "hub", "7", base).unwrap().write(&folder).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The blob of a descriptor, held against it.
fn blob(folder: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let blob = fs::read(folder.join("blobs/sha256").join(digest)).unwrap();
    assert_eq!(hex(&blob), digest);
    assert_eq!(descriptor["size"], blob.len());
    blob
}

/// Manifest and configuration, after every digest and size on the way was found right.
fn checked(folder: &Path) -> (Value, Value) {
    let layout: Value = serde_json::from_slice(&fs::read(folder.join("oci-layout")).unwrap()).unwrap();
    assert_eq!(layout, json!({"imageLayoutVersion": "1.0.0"}));
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&blob(folder, &index["manifests"][0])).unwrap();
    let config: Value = serde_json::from_slice(&blob(folder, &manifest["config"])).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    let diffs = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(layers.len(), diffs.len());
    for (layer, diff) in layers.iter().zip(diffs) {
        let mut archive = Vec::new();
        GzDecoder::new(&blob(folder, layer)[..]).read_to_end(&mut archive).unwrap();
        assert_eq!(*diff, format!("sha256:{}", hex(&archive)));
    }
    let blobs = fs::read_dir(folder.join("blobs/sha256")).unwrap().count();
    assert_eq!(blobs, layers.len() + 2, "a blob that nothing names");
    (index, config)
}

/// What another program reads in an archive.
fn listing(archive: &Path) -> Vec<String> {
    let output = std::process::Command::new("tar").arg("-tvf").arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_layout_is_whole_and_names_its_image() {
    let folder = Folder::new("whole");
    folder.program("lateen-proxy", b"a program");
    let out = folder.write("proxy", None);
    let (index, config) = checked(&out);
    let annotations = &index["manifests"][0]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "docker.io/hub/proxy:7");
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "7");
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/local/bin/lateen-proxy"]));
    assert_eq!((&config["config"]["User"], &config["os"]), (&json!("1337:1337"), &json!("linux")));

    let packed = listing(&out.with_extension("tar"));
    let has = |lines: &[String], end: &str| lines.iter().any(|line| line.ends_with(end));
    assert!(has(&packed, " index.json") && has(&packed, " oci-layout") && has(&packed, " manifest.json"), "{packed:?}");
    let manifest: Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["hub/proxy:7"]));
    let layer = out.join(manifest[0]["Layers"][0].as_str().unwrap());
    let files = listing(&layer);
    assert!(has(&files, " usr/local/bin/pilot-agent -> lateen-proxy"), "{files:?}");
    let program = files.iter().find(|line| line.ends_with(" usr/local/bin/lateen-proxy")).unwrap();
    assert!(program.starts_with("-rwxr-xr-x 0/0") && program.contains(" 9 1970-01-01"), "{program}");
}

#[test]
fn the_same_programs_make_the_same_bytes() {
    let (one, two) = (Folder::new("one"), Folder::new("two"));
    let archives = [&one, &two].map(|folder| {
        folder.program("reviews", b"a program");
        fs::read(folder.write("examples-bookinfo-reviews-v2", None).with_extension("tar")).unwrap()
    });
    assert!(archives[0] == archives[1]);
    let (index, config) = checked(&one.0.join("out/examples-bookinfo-reviews-v2"));
    let name = &index["manifests"][0]["annotations"]["io.containerd.image.name"];
    assert_eq!(*name, "docker.io/istio/examples-bookinfo-reviews-v2:1.20.2");
    assert_eq!(config["config"]["Cmd"], json!(["9080"]));
    assert!(config["config"]["Env"].as_array().unwrap().contains(&json!("STAR_COLOR=black")));
}

#[test]
fn a_base_lies_below() {
    let folder = Folder::new("base");
    folder.program("lateen-pilot", b"what is taken as a base");
    folder.program("lateen-init", b"a program");
    let base = Base::read(&folder.write("pilot", None)).unwrap();
    let (_, below) = checked(&folder.0.join("out/pilot"));
    let (_, config) = checked(&folder.write("init", Some(&base)));
    let diffs = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(diffs.len(), 2);
    assert_eq!(diffs[0], below["rootfs"]["diff_ids"][0]);
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/local/bin/lateen-init"]));
}

#[test]
fn a_program_that_cannot_run_alone_is_refused() {
    let folder = Folder::new("dynamic");
    // This test itself is linked to a libc.
    let this = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(elf::interpreter(&this).unwrap().contains("ld-linux"));
    folder.program("lateen-ca", &this);
    let entry = IMAGES.iter().find(|entry| entry.name == "ca").unwrap();
    let error = entry.image(&folder.0, "hub", "7", None).unwrap_err();
    assert!(error.to_string().contains("link it statically"), "{error}");
    for broken in [&b"\x7fELF\x02\x01"[..], &this[..100], b"#!/bin/sh"] {
        assert_eq!(elf::interpreter(broken), None);
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<&str> = IMAGES.iter().map(Entry::short).collect();
    assert_eq!(names.len(), IMAGES.len());
}
