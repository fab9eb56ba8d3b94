//! Endpoints, EndpointSlices and the scheduler.

use k8s_openapi::api::{
    core::v1::{Endpoints, Service},
    discovery::v1::EndpointSlice,
};

use super::*;

fn service(name: &str, spec: &Value) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
        },
    });
    json_patch::merge(&mut service["spec"], spec);
    service
}

fn label(slice: &EndpointSlice, key: &str) -> Option<String> {
    slice.metadata.labels.as_ref()?.get(key).cloned()
}

fn slices(cluster: &Cluster, service: &str) -> Vec<EndpointSlice> {
    let mut slices = cluster.list::<EndpointSlice>();
    slices.retain(|slice| label(slice, "kubernetes.io/service-name").as_deref() == Some(service));
    slices
}

fn ready(cluster: &Cluster, service: &str) -> usize {
    let endpoints = slices(cluster, service).into_iter().flat_map(|slice| slice.endpoints);
    endpoints.filter(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready) == Some(true)).count()
}

fn addresses(cluster: &Cluster, service: &str) -> usize {
    let subsets = cluster.get::<Endpoints>(service).and_then(|endpoints| endpoints.subsets).unwrap_or_default();
    subsets.iter().filter_map(|subset| subset.addresses.as_ref()).map(Vec::len).sum()
}

#[tokio::test]
async fn ready_pods_are_told_at_once_and_gone_ones_are_not() {
    let cluster = Cluster::start().await;
    cluster.create(service("web", &json!({}))).await;
    cluster.until("an empty slice", |c| slices(c, "web").len() == 1).await;
    let name = slices(&cluster, "web")[0].metadata.name.clone();
    cluster.create(deployment("web", 3, "web:1")).await;
    cluster.until("three pods are ready", |c| ready(c, "web") == 3 && addresses(c, "web") == 3).await;
    let slice = slices(&cluster, "web").remove(0);
    assert_eq!(slice.metadata.name, name, "the empty slice is used again");
    let manager = label(&slice, "endpointslice.kubernetes.io/managed-by");
    assert_eq!(manager.as_deref(), Some("endpointslice-controller.k8s.io"));
    let annotations = slice.metadata.annotations.expect("annotations");
    assert!(annotations.contains_key("endpoints.kubernetes.io/last-change-trigger-time"));
    assert_eq!(slice.ports.expect("ports")[0].port, Some(8080));
    let endpoint = &slice.endpoints[0];
    assert!(endpoint.node_name.is_some());
    assert_eq!(endpoint.target_ref.as_ref().and_then(|target| target.kind.as_deref()), Some("Pod"));
    cluster.delete::<Service>("web").await;
    cluster.until("nothing is told", |c| slices(c, "web").is_empty() && c.get::<Endpoints>("web").is_none()).await;
}

#[tokio::test]
async fn a_pod_that_gets_ready_is_in_its_slice_within_50_milliseconds() {
    let cluster = Cluster::start().await;
    cluster.create(service("web", &json!({}))).await;
    let mut pod = pod("web", &json!({}));
    pod["metadata"]["labels"] = json!({"app": "web"});
    pod["metadata"]["annotations"] = json!({"pretend": "left alone"});
    cluster.create(pod).await;
    cluster.until("it has a node", |c| node_of(c, "web").is_some()).await;
    // The best of a few: what is measured is the controller, not the machine's other load.
    let mut best = Duration::MAX;
    for round in 0..10 {
        let up = round % 2 == 0;
        let ready_condition = json!([{"type": "Ready", "status": if up { "True" } else { "False" }}]);
        let status = json!({"phase": "Running", "podIP": "10.244.0.9", "conditions": ready_condition});
        let written = Instant::now();
        cluster.status("v1", "Pod", "default", "web", status).await;
        cluster.until("it is told", |c| ready(c, "web") == usize::from(up)).await;
        best = best.min(written.elapsed());
    }
    assert!(best < Duration::from_millis(50), "told after {best:?}");
    println!("from ready to slice: {best:?}");
}

#[tokio::test]
async fn unready_pods_are_published_only_where_asked_for() {
    let cluster = Cluster::start().await;
    cluster.create(service("web", &json!({"clusterIP": "None"}))).await;
    let all = json!({"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": "web"}});
    cluster.create(service("all", &all)).await;
    let mut wanted = deployment("web", 2, "web:1");
    wanted["spec"]["template"]["metadata"]["annotations"] = json!({"pretend": "never"});
    cluster.create(wanted).await;
    cluster.until("both are published", |c| ready(c, "all") == 2 && addresses(c, "all") == 2).await;
    cluster.until("both are listed", |c| slices(c, "web")[0].endpoints.len() == 2).await;
    assert_eq!((ready(&cluster, "web"), addresses(&cluster, "web")), (0, 0));
    let unready = |c: &Cluster| {
        let subsets = c.get::<Endpoints>("web").and_then(|endpoints| endpoints.subsets).unwrap_or_default();
        subsets.iter().filter_map(|subset| subset.not_ready_addresses.as_ref()).map(Vec::len).sum::<usize>()
    };
    cluster.until("both are told as not ready", |c| unready(c) == 2).await;
    assert!(label(&slices(&cluster, "web")[0], "service.kubernetes.io/headless").is_some());
}

#[tokio::test]
async fn more_than_a_hundred_endpoints_fill_several_slices() {
    let cluster = Cluster::start().await;
    cluster.create(service("web", &json!({}))).await;
    cluster.create(deployment("web", 230, "web:1")).await;
    cluster.until("all are told", |c| ready(c, "web") == 230).await;
    let sizes: Vec<usize> = slices(&cluster, "web").iter().map(|slice| slice.endpoints.len()).collect();
    assert!(sizes.iter().all(|&size| size <= 100) && sizes.len() == 3, "{sizes:?}");
}

#[tokio::test]
async fn hand_written_endpoints_are_mirrored() {
    let cluster = Cluster::start().await;
    cluster.create(service("legacy", &json!({"selector": null}))).await;
    let subsets = json!([{
        "addresses": [{"ip": "192.0.2.1"}], "notReadyAddresses": [{"ip": "192.0.2.2"}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }]);
    let endpoints =
        json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "legacy"}, "subsets": subsets});
    cluster.create(endpoints).await;
    cluster.until("it is mirrored", |c| ready(c, "legacy") == 1).await;
    let slice = slices(&cluster, "legacy").remove(0);
    assert_eq!(slice.endpoints.len(), 2);
    let manager = label(&slice, "endpointslice.kubernetes.io/managed-by");
    assert_eq!(manager.as_deref(), Some("endpointslicemirroring-controller.k8s.io"));
    cluster.delete::<Endpoints>("legacy").await;
    cluster.until("the mirror is gone", |c| slices(c, "legacy").is_empty()).await;
}

fn pod(name: &str, spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "web:1"}]},
    });
    json_patch::merge(&mut pod["spec"], spec);
    pod
}

fn node_of(cluster: &Cluster, pod: &str) -> Option<String> {
    cluster.get::<Pod>(pod).and_then(|pod| pod.spec?.node_name)
}

#[tokio::test]
async fn a_pod_that_fits_nowhere_says_why_and_goes_on_when_it_does() {
    let cluster = Cluster::start().await;
    let big = json!([{"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "5"}}}]);
    cluster.create(pod("big", &json!({"containers": big}))).await;
    cluster.until("it was refused", |c| !c.told("FailedScheduling").is_empty()).await;
    let why = "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: \
        2 No preemption victims found for incoming pod.";
    assert_eq!(cluster.told("FailedScheduling"), [why]);
    let conditions = cluster.get::<Pod>("big").and_then(|pod| pod.status?.conditions).expect("conditions");
    assert_eq!(conditions[0].reason.as_deref(), Some("Unschedulable"));
    cluster.node("node-3", "8").await;
    cluster.until("it has a node", |c| node_of(c, "big").as_deref() == Some("node-3")).await;
    cluster.until("it is told", |c| c.told("Scheduled") == ["Successfully assigned default/big to node-3"]).await;
}

#[tokio::test]
async fn pods_go_where_selectors_and_taints_let_them() {
    let cluster = Cluster::start().await;
    cluster.create(pod("chosen", &json!({"nodeSelector": {"kubernetes.io/hostname": "node-2"}}))).await;
    cluster.until("it has a node", |c| node_of(c, "chosen").as_deref() == Some("node-2")).await;
    cluster.patch("v1", "Node", "node-1", json!({"spec": {"unschedulable": true}})).await;
    let taints = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
    cluster.patch("v1", "Node", "node-2", json!({"spec": {"taints": taints}})).await;
    cluster.create(pod("plain", &json!({}))).await;
    cluster.until("it was refused", |c| !c.told("FailedScheduling").is_empty()).await;
    let why = "0/2 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable. \
        preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert_eq!(cluster.told("FailedScheduling"), [why]);
    cluster.create(pod("tolerant", &json!({"tolerations": [{"key": "gpu", "operator": "Exists"}]}))).await;
    cluster.until("it has a node", |c| node_of(c, "tolerant").as_deref() == Some("node-2")).await;
    cluster.patch("v1", "Node", "node-1", json!({"spec": {"unschedulable": null}})).await;
    cluster.until("it has a node", |c| node_of(c, "plain").as_deref() == Some("node-1")).await;
}

#[tokio::test]
async fn pods_that_must_be_apart_are() {
    let cluster = Cluster::start().await;
    let mut wanted = deployment("web", 3, "web:1");
    let term = json!({"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"});
    wanted["spec"]["template"]["spec"]["affinity"] =
        json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    cluster.create(wanted).await;
    cluster.until("one was refused", |c| !c.told("FailedScheduling").is_empty()).await;
    let why = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. \
        preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    assert_eq!(cluster.told("FailedScheduling"), [why]);
    let mut nodes: Vec<_> = cluster.pods().into_iter().filter_map(|pod| pod.spec?.node_name).collect();
    nodes.sort();
    assert_eq!(nodes, ["node-1", "node-2"]);
}
