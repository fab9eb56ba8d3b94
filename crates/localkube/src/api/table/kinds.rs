//! The rows of the built-in kinds but pods.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{age, pods};
use crate::object::Object;

/// Columns (name, type, priority) and the cells under them.
pub(super) struct Printer {
    pub(super) columns: &'static [(&'static str, &'static str, i64)],
    pub(super) cells: fn(&Object, Timestamp) -> Vec<Value>,
}

macro_rules! printer {
    ($cells:expr, $($name:literal $kind:ident $priority:literal),*) => {
        Printer { columns: &[$(($name, stringify!($kind), $priority)),*], cells: $cells }
    };
}

/// The printer of a built-in kind; None: name and age.
#[rustfmt::skip]
pub(super) fn printer(kind: &str) -> Option<Printer> {
    Some(match kind {
        "Pod" => printer!(pods::cells, "Name" string 0, "Ready" string 0, "Status" string 0, "Restarts" string 0, "Age" string 0,
            "IP" string 1, "Node" string 1, "Nominated Node" string 1, "Readiness Gates" string 1),
        "Deployment" => printer!(deployment, "Name" string 0, "Ready" string 0, "Up-to-date" string 0, "Available" string 0,
            "Age" string 0, "Containers" string 1, "Images" string 1, "Selector" string 1),
        "ReplicaSet" => printer!(replica_set, "Name" string 0, "Desired" integer 0, "Current" integer 0, "Ready" integer 0,
            "Age" string 0, "Containers" string 1, "Images" string 1, "Selector" string 1),
        "Scale" => printer!(
            |o, now| vec![o.name().into(), json!(count(o, "/spec/replicas")), json!(count(o, "/status/replicas")), age::of(o, now)],
            "Name" string 0, "Desired" integer 0, "Available" integer 0, "Age" string 0),
        "Job" => printer!(job, "Name" string 0, "Status" string 0, "Completions" string 0, "Duration" string 0, "Age" string 0,
            "Containers" string 1, "Images" string 1, "Selector" string 1),
        "Service" => printer!(service, "Name" string 0, "Type" string 0, "Cluster-IP" string 0, "External-IP" string 0,
            "Port(s)" string 0, "Age" string 0, "Selector" string 1),
        "Node" => printer!(node, "Name" string 0, "Status" string 0, "Roles" string 0, "Age" string 0, "Version" string 0,
            "Internal-IP" string 1, "External-IP" string 1, "OS-Image" string 1, "Kernel-Version" string 1,
            "Container-Runtime" string 1),
        "Event" => printer!(event, "Last Seen" string 0, "Type" string 0, "Reason" string 0, "Object" string 0,
            "Subobject" string 1, "Source" string 1, "Message" string 0, "First Seen" string 1, "Count" integer 1, "Name" string 1),
        "Endpoints" => printer!(endpoints, "Name" string 0, "Endpoints" string 0, "Age" string 0),
        "EndpointSlice" => printer!(slice, "Name" string 0, "AddressType" string 0, "Ports" string 0, "Endpoints" string 0, "Age" string 0),
        "ConfigMap" => printer!(|o, now| vec![o.name().into(), json!(members(o, "/data") + members(o, "/binaryData")), age::of(o, now)],
            "Name" string 0, "Data" integer 0, "Age" string 0),
        "Secret" => printer!(|o, now| vec![o.name().into(), o.text("/type").into(), json!(members(o, "/data")), age::of(o, now)],
            "Name" string 0, "Type" string 0, "Data" integer 0, "Age" string 0),
        "ServiceAccount" => printer!(|o, now| vec![o.name().into(), json!(list(o, "/secrets").len()), age::of(o, now)],
            "Name" string 0, "Secrets" integer 0, "Age" string 0),
        "Namespace" => printer!(|o, now| vec![o.name().into(), o.text("/status/phase").into(), age::of(o, now)],
            "Name" string 0, "Status" string 0, "Age" string 0),
        "Lease" => printer!(|o, now| vec![o.name().into(), o.text("/spec/holderIdentity").into(), age::of(o, now)],
            "Name" string 0, "Holder" string 0, "Age" string 0),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => printer!(
            |o, now| vec![o.name().into(), json!(list(o, "/webhooks").len()), age::of(o, now)],
            "Name" string 0, "Webhooks" integer 0, "Age" string 0),
        "CustomResourceDefinition" | "Role" | "ClusterRole" => printer!(
            |o, _| vec![o.name().into(), o.text("/metadata/creationTimestamp").into()], "Name" string 0, "Created At" date 0),
        "RoleBinding" | "ClusterRoleBinding" => printer!(binding, "Name" string 0, "Role" string 0, "Age" string 0,
            "Users" string 1, "Groups" string 1, "ServiceAccounts" string 1),
        "HorizontalPodAutoscaler" => printer!(autoscaler, "Name" string 0, "Reference" string 0, "Targets" string 0,
            "MinPods" string 0, "MaxPods" string 0, "Replicas" string 0, "Age" string 0),
        "PodDisruptionBudget" => printer!(budget, "Name" string 0, "Min Available" string 0, "Max Unavailable" string 0,
            "Allowed Disruptions" integer 0, "Age" string 0),
        "NetworkPolicy" => printer!(|o, now| vec![o.name().into(), selector(o.at("/spec/podSelector")).into(), age::of(o, now)],
            "Name" string 0, "Pod-Selector" string 0, "Age" string 0),
        _ => return None,
    })
}

fn list<'a>(object: &'a Object, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn members(object: &Object, pointer: &str) -> usize {
    object.at(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn or<'a>(text: &'a str, none: &'a str) -> &'a str {
    if text.is_empty() { none } else { text }
}

fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(",")
}

/// At most three, and how many more; `none` for none.
fn few(all: &[String], none: &str) -> String {
    match all {
        [] => none.to_owned(),
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a},{b},{c} + {} more...", rest.len()),
        _ => all.join(","),
    }
}

/// A map of labels as `a=b,c=d`.
fn labels(map: Option<&Value>) -> String {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    let pairs: Vec<String> = pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    or(&pairs.join(","), "<none>").to_owned()
}

/// A label selector as kubectl writes it.
fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return "<none>".into() };
    let pairs = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<String> = pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    for rule in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = rule["key"].as_str().unwrap_or_default();
        let values = joined(rule["values"].as_array().into_iter().flatten().filter_map(Value::as_str));
        terms.push(match rule["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    or(&terms.join(","), "<none>").to_owned()
}

/// Names, images and selector: the wide columns of workloads.
fn wide(object: &Object) -> [Value; 3] {
    let containers = list(object, "/spec/template/spec/containers");
    let each = |key: &str| joined(containers.iter().filter_map(|c| c[key].as_str()));
    [each("name").into(), each("image").into(), selector(object.at("/spec/selector")).into()]
}

fn count(object: &Object, pointer: &str) -> i64 {
    object.int(pointer).unwrap_or(0)
}

fn deployment(o: &Object, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", count(o, "/status/readyReplicas"), count(o, "/spec/replicas"));
    let updated = count(o, "/status/updatedReplicas").to_string();
    let available = count(o, "/status/availableReplicas").to_string();
    let cells = vec![o.name().into(), ready.into(), updated.into(), available.into(), age::of(o, now)];
    cells.into_iter().chain(wide(o)).collect()
}

fn replica_set(o: &Object, now: Timestamp) -> Vec<Value> {
    let counts = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(|p| json!(count(o, p)));
    let cells = std::iter::once(o.name().into()).chain(counts).chain([age::of(o, now)]);
    cells.chain(wide(o)).collect()
}

fn job(o: &Object, now: Timestamp) -> Vec<Value> {
    let done = count(o, "/status/succeeded");
    let completions = match (o.int("/spec/completions"), count(o, "/spec/parallelism")) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{done}/1 of {parallelism}"),
        (None, _) => format!("{done}/1"),
    };
    let time = |pointer: &str| o.text(pointer).parse::<Timestamp>().ok().map(Timestamp::as_second);
    let end = time("/status/completionTime").unwrap_or_else(|| now.as_second());
    let duration = time("/status/startTime").map(|start| age::human_duration(end - start)).unwrap_or_default();
    let has = |kind: &&str| list(o, "/status/conditions").iter().any(|c| c["type"] == **kind && c["status"] == "True");
    let status = ["Complete", "Failed"].iter().find(|kind| has(kind)).copied();
    let later = || ["Suspended", "FailureTarget", "SuccessCriteriaMet"].iter().find(|kind| has(kind)).copied();
    let status = status.or_else(|| o.is_deleting().then_some("Terminating")).or_else(later).unwrap_or("Running");
    let cells = vec![o.name().into(), status.into(), completions.into(), duration.into(), age::of(o, now)];
    cells.into_iter().chain(wide(o)).collect()
}

fn service(o: &Object, now: Timestamp) -> Vec<Value> {
    let kind = o.text("/spec/type");
    let given = || list(o, "/spec/externalIPs").iter().filter_map(Value::as_str).map(str::to_owned);
    let external = match kind {
        "ExternalName" => o.text("/spec/externalName").to_owned(),
        "LoadBalancer" => {
            let ingress = list(o, "/status/loadBalancer/ingress").iter();
            let ingress = ingress.filter_map(|i| i["ip"].as_str().or(i["hostname"].as_str())).map(str::to_owned);
            or(&ingress.chain(given()).collect::<Vec<_>>().join(","), "<pending>").to_owned()
        }
        _ => or(&given().collect::<Vec<_>>().join(","), "<none>").to_owned(),
    };
    let ports: Vec<String> = list(o, "/spec/ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (&port["port"], port["protocol"].as_str().unwrap_or("TCP"));
            match port["nodePort"].as_i64().filter(|n| *n != 0) {
                Some(node_port) => format!("{number}:{node_port}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    vec![
        o.name().into(),
        kind.into(),
        or(o.text("/spec/clusterIP"), "<none>").into(),
        external.into(),
        or(&ports.join(","), "<none>").into(),
        age::of(o, now),
        labels(o.at("/spec/selector")).into(),
    ]
}

fn node(o: &Object, now: Timestamp) -> Vec<Value> {
    let ready = list(o, "/status/conditions").iter().find(|c| c["type"] == "Ready");
    let mut status = match ready.and_then(|c| c["status"].as_str()) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if o.at("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let keys = o.at("/metadata/labels").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key);
    let roles = joined(keys.filter_map(|key| key.strip_prefix("node-role.kubernetes.io/")));
    let address = |kind: &str| {
        let found = list(o, "/status/addresses").iter().find(|a| a["type"] == kind);
        found.and_then(|a| a["address"].as_str()).unwrap_or("<none>").to_owned()
    };
    let info = |key: &str| or(o.text(&format!("/status/nodeInfo/{key}")), "<unknown>").to_owned();
    vec![
        o.name().into(),
        status.into(),
        or(&roles, "<none>").into(),
        age::of(o, now),
        o.text("/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        info("osImage").into(),
        info("kernelVersion").into(),
        info("containerRuntimeVersion").into(),
    ]
}

fn event(o: &Object, now: Timestamp) -> Vec<Value> {
    let first = Some(o.text("/firstTimestamp")).filter(|t| !t.is_empty()).unwrap_or_else(|| o.text("/eventTime"));
    let last = Some(o.text("/lastTimestamp")).filter(|t| !t.is_empty()).unwrap_or(first);
    let series = o.text("/series/lastObservedTime");
    let count = o.int("/series/count").or(o.int("/count")).filter(|n| *n != 0).unwrap_or(1);
    let kind = o.text("/involvedObject/kind").to_lowercase();
    let name = o.text("/involvedObject/name");
    let target = if name.is_empty() { kind } else { format!("{kind}/{name}") };
    let component = or(o.text("/source/component"), o.text("/reportingComponent"));
    let host = or(o.text("/source/host"), o.text("/reportingInstance"));
    let source = if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") };
    vec![
        age::since(or(series, last), now).into(),
        o.text("/type").into(),
        o.text("/reason").into(),
        target.into(),
        o.text("/involvedObject/fieldPath").into(),
        source.into(),
        o.text("/message").trim().into(),
        age::since(first, now).into(),
        count.into(),
        o.name().into(),
    ]
}

fn endpoints(o: &Object, now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(o, "/subsets") {
        let ports = subset["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
        for ip in subset["addresses"].as_array().into_iter().flatten().filter_map(|a| a["ip"].as_str()) {
            if ports.is_empty() {
                all.push(ip.to_owned());
            }
            all.extend(ports.iter().map(|port| format!("{ip}:{}", port["port"])));
        }
    }
    vec![o.name().into(), few(&all, "<none>").into(), age::of(o, now)]
}

fn slice(o: &Object, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = list(o, "/ports")
        .iter()
        .map(|port| port["port"].as_i64().map_or_else(|| "*".to_owned(), |n| n.to_string()))
        .collect();
    let addresses = list(o, "/endpoints").iter().flat_map(|e| e["addresses"].as_array().into_iter().flatten());
    let addresses: Vec<String> = addresses.filter_map(Value::as_str).map(str::to_owned).collect();
    vec![
        o.name().into(),
        o.text("/addressType").into(),
        few(&ports, "<unset>").into(),
        few(&addresses, "<unset>").into(),
        age::of(o, now),
    ]
}

fn binding(o: &Object, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let of_kind = list(o, "/subjects").iter().filter(|s| s["kind"] == kind);
        let names = of_kind.map(|s| {
            let name = s["name"].as_str().unwrap_or_default();
            match s["namespace"].as_str().filter(|_| kind == "ServiceAccount") {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name.to_owned(),
            }
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let role = format!("{}/{}", o.text("/roleRef/kind"), o.text("/roleRef/name"));
    let cells = vec![o.name().into(), role.into(), age::of(o, now)];
    cells.into_iter().chain(["User", "Group", "ServiceAccount"].map(|kind| subjects(kind).into())).collect()
}

fn autoscaler(o: &Object, now: Timestamp) -> Vec<Value> {
    let target = format!("{}/{}", o.text("/spec/scaleTargetRef/kind"), o.text("/spec/scaleTargetRef/name"));
    let targets: Vec<String> = list(o, "/spec/metrics")
        .iter()
        .map(|metric| {
            let goal = &metric["resource"]["target"];
            let goal = goal["averageUtilization"]
                .as_i64()
                .map(|n| format!("{n}%"))
                .or_else(|| goal["averageValue"].as_str().map(str::to_owned));
            let name = metric["resource"]["name"].as_str().unwrap_or_default();
            format!("{name}: <unknown>/{}", goal.as_deref().unwrap_or("<auto>"))
        })
        .collect();
    vec![
        o.name().into(),
        target.into(),
        or(&targets.join(", "), "<none>").into(),
        o.int("/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), |n| n.to_string()).into(),
        json!(count(o, "/spec/maxReplicas")),
        json!(count(o, "/status/currentReplicas")),
        age::of(o, now),
    ]
}

fn budget(o: &Object, now: Timestamp) -> Vec<Value> {
    let bound = |pointer: &str| match o.at(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "N/A".to_owned(),
    };
    let (least, most) = (bound("/spec/minAvailable"), bound("/spec/maxUnavailable"));
    let allowed = count(o, "/status/disruptionsAllowed");
    vec![o.name().into(), least.into(), most.into(), allowed.into(), age::of(o, now)]
}
