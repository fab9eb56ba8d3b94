//! Endpoints that people write for a Service without a selector, told again as EndpointSlices.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::{
        self,
        v1::{EndpointAddress, EndpointSubset, Endpoints, Service},
    },
    discovery::v1::{Endpoint, EndpointConditions, EndpointPort},
};

use super::{
    Outcome,
    endpoints::TRIGGER_TIME,
    engine::{Engine, Next},
    slices::{Group, MANAGED_BY, SERVICE_NAME, Wanted, family},
};
use crate::client::{Client, Key};

/// Keeps an Endpoints object from being mirrored.
pub(super) const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Addresses of one subset that are mirrored.
const CAPACITY: usize = 1000;

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, reconcile).of("", "endpoints").of("", "services").owned(
        "discovery.k8s.io",
        "endpointslices",
        "Endpoints",
    )
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let Some(endpoints) = client.get::<Endpoints>(&key.namespace, &key.name)? else { return Ok(Next::Change) };
    let service = client.get::<Service>(&key.namespace, &key.name)?.and_then(|service| service.spec);
    let by_hand = service.is_some_and(|spec| spec.selector.is_none_or(|selector| selector.is_empty()));
    let labels = endpoints.metadata.labels.clone().unwrap_or_default();
    let skipped = labels.get(SKIP).is_some_and(|value| value == "true");
    let subsets = endpoints.subsets.iter().flatten().filter(|_| by_hand && !skipped);
    let mut wanted = Wanted { groups: subsets.flat_map(groups).collect(), labels, annotations: BTreeMap::new() };
    wanted.labels.insert(SERVICE_NAME.to_owned(), key.name);
    wanted.labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    wanted.annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
    wanted.annotations.retain(|key, _| key != TRIGGER_TIME && key != LAST_APPLIED);
    wanted.write(&client, &endpoints).await?;
    Ok(Next::Change)
}

/// One group a family of addresses.
fn groups(subset: &EndpointSubset) -> Vec<Group> {
    let port = |port: &core::v1::EndpointPort| EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    };
    let ports: Vec<EndpointPort> = subset.ports.iter().flatten().map(port).collect();
    let ready = subset.addresses.iter().flatten().map(|address| endpoint(address, true));
    let not_ready = subset.not_ready_addresses.iter().flatten().map(|address| endpoint(address, false));
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for endpoint in ready.chain(not_ready).take(CAPACITY) {
        let is_v6 = endpoint.addresses.first().is_some_and(|address| family(address) == "IPv6");
        if is_v6 { v6.push(endpoint) } else { v4.push(endpoint) }
    }
    let group = |address_type, endpoints| Group { address_type, ports: Some(ports.clone()), endpoints };
    [group("IPv4", v4), group("IPv6", v6)].into_iter().filter(|group| !group.endpoints.is_empty()).collect()
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Some(EndpointConditions { ready: Some(ready), ..EndpointConditions::default() }),
        hostname: address.hostname.clone(),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    }
}
