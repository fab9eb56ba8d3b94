use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Pod, ServiceAccount},
    jiff::Timestamp,
};
use serde_json::{Value, json};

use super::{Context, MountError, Volumes};
use crate::{
    api::{Api, Part, auth::Authenticator, pki::TokenKey},
    client::Client,
    node::{env::Env, fields::Facts},
};

struct Bench {
    client: Client,
    pod: Pod,
    volumes: Volumes,
    authenticator: Authenticator,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new(volumes: Value, mounts: Value) -> Self {
        let client = Client::new(Api::default(), "kubelet");
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
        client.create(&namespace).await.unwrap();
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "cm", "namespace": "n"}, "data": {"a": "1", "b": "2"}, "binaryData": {"raw": "AAE="},
        }))
        .unwrap();
        client.create(&map).await.unwrap();
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "volumeMounts": mounts}], "volumes": volumes},
        }))
        .unwrap();
        let key = Arc::new(TokenKey::generate().unwrap());
        let authenticator = Authenticator::new(client.api().store().clone(), key);
        let folder = tempfile::tempdir().unwrap();
        Self { client, pod, volumes: Volumes::new(folder.path().join("volumes")), authenticator, folder }
    }

    fn refresh(&mut self) -> Vec<MountError> {
        let facts = Facts::default();
        let context =
            Context { client: &self.client, pod: &self.pod, facts: &facts, authenticator: &self.authenticator };
        self.volumes.refresh(&context)
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join("volumes").join(path)).ok()
    }

    async fn set_data(&self, data: Value) {
        let data: std::collections::BTreeMap<String, String> = serde_json::from_value(data).unwrap();
        let change = |map: &mut ConfigMap| {
            map.data = Some(data.clone());
            true
        };
        self.client.modify("n", "cm", Part::Main, change).await.unwrap();
    }
}

fn mount(name: &str) -> Value {
    json!([{"name": name, "mountPath": "/m"}])
}

#[tokio::test]
async fn a_config_map_is_followed_atomically() {
    let mut bench =
        Bench::new(json!([{"name": "v", "configMap": {"name": "cm", "defaultMode": 0o640}}]), mount("v")).await;
    assert_eq!(bench.refresh(), []);
    assert_eq!(bench.read("v/a").as_deref(), Some("1"));
    assert_eq!(bench.read("v/raw").as_deref(), Some("\0\u{1}"));
    let meta = fs::metadata(bench.folder.path().join("volumes/v/a")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    let before = fs::read_link(bench.folder.path().join("volumes/v/..data")).unwrap();
    assert_eq!(bench.refresh(), [], "no change, no new folder");
    assert_eq!(fs::read_link(bench.folder.path().join("volumes/v/..data")).unwrap(), before);
    bench.set_data(json!({"a": "new", "c": "3"})).await;
    assert_eq!(bench.refresh(), []);
    assert_eq!(
        (bench.read("v/a").as_deref(), bench.read("v/b"), bench.read("v/c").as_deref()),
        (Some("new"), None, Some("3"))
    );
    let dated = fs::read_dir(bench.folder.path().join("volumes/v"))
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().starts_with("..2"));
    assert_eq!(dated.count(), 1, "the old folder is gone");
}

#[tokio::test]
async fn what_is_missing_is_named_and_optional_is_empty() {
    let sources = json!([
        {"name": "gone", "configMap": {"name": "no"}},
        {"name": "key", "configMap": {"name": "cm", "items": [{"key": "zz", "path": "zz"}]}},
        {"name": "sec", "secret": {"secretName": "no"}},
        {"name": "opt", "secret": {"secretName": "no", "optional": true}},
        {"name": "pvc", "persistentVolumeClaim": {"claimName": "x"}},
        {"name": "unused", "persistentVolumeClaim": {"claimName": "x"}},
    ]);
    let mounts: Vec<Value> =
        ["gone", "key", "sec", "opt", "pvc"].iter().map(|n| json!({"name": n, "mountPath": format!("/{n}")})).collect();
    let mut bench = Bench::new(sources, json!(mounts)).await;
    let texts: Vec<String> = bench.refresh().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "MountVolume.SetUp failed for volume \"gone\" : configmap \"no\" not found",
            "MountVolume.SetUp failed for volume \"key\" : references non-existent config key: zz",
            "MountVolume.SetUp failed for volume \"sec\" : secret \"no\" not found",
            "MountVolume.SetUp failed for volume \"pvc\" : localkube has no volumes of type persistentVolumeClaim",
        ]
    );
}

#[tokio::test]
async fn a_projection_joins_sources_and_renews_its_token() {
    let projected = json!([{"name": "v", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 2}},
        {"configMap": {"name": "cm", "items": [{"key": "a", "path": "deep/er/a"}]}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]}}]);
    let mut bench = Bench::new(projected, mount("v")).await;
    let error = bench.refresh()[0].to_string();
    assert_eq!(error, "MountVolume.SetUp failed for volume \"v\" : serviceaccounts \"default\" not found");
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": "default", "namespace": "n"}})).unwrap();
    bench.client.create(&account).await.unwrap();
    assert_eq!(bench.refresh(), []);
    let first = bench.read("v/token").unwrap();
    assert_eq!(bench.read("v/deep/er/a").as_deref(), Some("1"));
    assert_eq!(bench.read("v/labels").as_deref(), Some("app=\"x\""));
    bench.refresh();
    assert_eq!(bench.read("v/token").unwrap(), first, "not due yet");
    let left = bench.volumes.next_refresh().unwrap().duration_since(Timestamp::now()).as_millis();
    assert!(left <= 1600, "due after four fifths of its life, not in {left} ms");
    std::thread::sleep(Duration::from_millis(1700));
    bench.refresh();
    assert_ne!(bench.read("v/token").unwrap(), first);
}

#[tokio::test]
async fn empty_dirs_belong_to_the_fs_group_and_sub_paths_stay_inside() {
    let mut bench = Bench::new(
        json!([{"name": "v", "emptyDir": {}}]),
        json!([{"name": "v", "mountPath": "/m", "subPathExpr": "$(X)"}]),
    )
    .await;
    bench.pod.spec.as_mut().unwrap().security_context = serde_json::from_value(json!({"fsGroup": 4321})).unwrap();
    assert_eq!(bench.refresh(), []);
    let meta = fs::metadata(bench.folder.path().join("volumes/v")).unwrap();
    assert_eq!((meta.gid(), meta.mode() & 0o7777), (4321, 0o2777));
    let container = bench.pod.spec.as_ref().unwrap().containers[0].clone();
    let with = |value: &str| bench.volumes.mounts(&container, &Env(vec![("X".into(), value.into())]));
    assert!(with("logs/today").unwrap()[0].source.ends_with("volumes/v/logs/today"));
    assert!(with("../../etc").is_err());
    std::os::unix::fs::symlink("/etc", bench.folder.path().join("volumes/v/out")).unwrap();
    assert!(with("out").unwrap_err().contains("leads out of the volume"));
    bench.volumes.remove();
    assert!(!bench.folder.path().join("volumes").exists());
}

#[tokio::test]
async fn host_paths_are_checked() {
    let wish = |path: &Path, kind: &str| json!([{"name": "v", "hostPath": {"path": path, "type": kind}}]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "x").unwrap();
    let mut bench = Bench::new(wish(&file, "File"), mount("v")).await;
    assert_eq!(bench.refresh(), []);
    let mut bench = Bench::new(wish(&file, "Directory"), mount("v")).await;
    let text = bench.refresh()[0].to_string();
    assert!(text.ends_with(&format!("hostPath type check failed: {} is not a directory", file.display())), "{text}");
}
