use std::sync::Arc;

use serde_json::{Value, json};

use super::{Include, find, human_duration, render};
use crate::{
    kinds::Kinds,
    object::Object,
    store::{Precondition, Resource, Store, Stored},
};

fn stored(value: Value) -> Arc<Stored> {
    Store::default().put(&Resource::new("", "x"), Object::new(value).unwrap(), Precondition::Absent).unwrap()
}

/// The always-shown cells of one object.
fn cells(kind: &str, value: Value) -> Vec<String> {
    let served = Kinds::default().served();
    let kind = served.iter().find(|k| k.kind == kind).unwrap();
    let table = render(kind, &[stored(value)], Include::None, true, json!({}));
    let columns = table["columnDefinitions"].as_array().unwrap();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(columns.len(), cells.len());
    let shown = columns.iter().zip(cells).filter(|(column, _)| column["priority"] == 0);
    shown.map(|(_, cell)| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect()
}

fn pod_status(status: Value) -> [String; 3] {
    let spec = json!({"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}, {"name": "j"}]});
    let cells = cells("Pod", json!({"metadata": {"name": "p"}, "spec": spec, "status": status}));
    [cells[1].clone(), cells[2].clone(), cells[3].clone()]
}

#[test]
fn durations_read_as_kubectl_writes_them() {
    let cases = [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (10_800, "3h"),
        (11_000, "3h3m"),
        (8 * 3600, "8h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86_400, "8d"),
        (800 * 86_400, "2y70d"),
        (9 * 365 * 86_400, "9y"),
    ];
    for (seconds, text) in cases {
        assert_eq!(human_duration(seconds), text, "{seconds}");
    }
}

#[test]
fn pods_tell_what_their_containers_do() {
    let running = json!({"ready": true, "restartCount": 0, "state": {"running": {}}});
    let waiting = |reason: &str| json!({"ready": false, "restartCount": 2, "state": {"waiting": {"reason": reason}}});
    let done = json!({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "restartCount": 0});
    assert_eq!(pod_status(json!({"phase": "Pending"})), ["0/2", "Pending", "0"]);
    let status = json!({"phase": "Running", "containerStatuses": [running, running]});
    assert_eq!(pod_status(status), ["2/2", "Running", "0"]);
    let status = json!({"phase": "Running", "containerStatuses": [running, waiting("CrashLoopBackOff")]});
    assert_eq!(pod_status(status), ["1/2", "CrashLoopBackOff", "2"]);
    let status = json!({"phase": "Pending", "initContainerStatuses": [done, {"state": {"running": {}}}]});
    assert_eq!(pod_status(status), ["0/2", "Init:1/2", "0"]);
    let status = json!({"phase": "Pending", "initContainerStatuses": [waiting("ImagePullBackOff")]});
    assert_eq!(pod_status(status), ["0/2", "Init:ImagePullBackOff", "2"]);
    let failed = json!({"state": {"terminated": {"exitCode": 3}}});
    let status = json!({"phase": "Failed", "containerStatuses": [failed]});
    assert_eq!(pod_status(status), ["0/2", "ExitCode:3", "0"]);
    let status = json!({"phase": "Succeeded", "containerStatuses": [done, done]});
    assert_eq!(pod_status(status), ["0/2", "Completed", "0"]);
}

#[test]
fn restarts_say_how_long_ago() {
    let last = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(300)).to_string();
    let status = json!({"restartCount": 1, "ready": true, "state": {"running": {}},
        "lastState": {"terminated": {"finishedAt": last}}});
    let [_, _, restarts] = pod_status(json!({"phase": "Running", "containerStatuses": [status]}));
    assert!(restarts.starts_with("1 (5m") && restarts.ends_with(" ago)"), "{restarts}");
}

#[test]
fn services_show_addresses_and_ports() {
    let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.7",
        "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]});
    let row = cells("Service", json!({"metadata": {"name": "s"}, "spec": spec}));
    assert_eq!(row[1..5], ["NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP"]);
    let row = cells("Service", json!({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer"}}));
    assert_eq!(row[1..5], ["LoadBalancer", "<none>", "<pending>", "<none>"]);
}

#[test]
fn every_built_in_kind_has_as_many_cells_as_columns() {
    for kind in Kinds::default().served().iter() {
        let table = render(kind, &[stored(json!({"metadata": {"name": "a"}}))], Include::Metadata, true, json!({}));
        let columns = table["columnDefinitions"].as_array().unwrap();
        assert_eq!(table["rows"][0]["cells"].as_array().unwrap().len(), columns.len(), "{}", kind.kind);
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
}

#[test]
fn paths_reach_members_items_and_filtered_items() {
    let root = json!({"spec": {"hosts": ["a", "b"], "x.y": 1},
        "status": {"conditions": [{"type": "A", "status": "no"}, {"type": "Ready", "status": "yes"}]}});
    let cases = [
        (".spec.hosts", json!([["a", "b"]])),
        (".spec.hosts[1]", json!(["b"])),
        (".spec.hosts[-1]", json!(["b"])),
        (".spec.hosts[*]", json!(["a", "b"])),
        (".spec['x.y']", json!([1])),
        (".spec.x\\.y", json!([1])),
        (".status.conditions[?(@.type==\"Ready\")].status", json!(["yes"])),
        (".status.conditions[?(@.type!='Ready')].status", json!(["no"])),
        ("{.spec.none}", json!([])),
        (".spec.hosts[", json!([])),
    ];
    for (path, expected) in cases {
        assert_eq!(json!(find(&root, path)), expected, "{path}");
    }
}
