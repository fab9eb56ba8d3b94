//! The status that an object should have, from the one that it has and what was found.

use k8s_openapi::jiff::Timestamp;
use mesh_kube::status::{Condition, conditions};
use mesh_model::expand::gateway_api::CONTROLLER;
use serde_json::{Map, Value, json};

use crate::world::{Beside, Finding};

/// Of a status.
type Fields = Map<String, Value>;

/// The fields of the status that are to be written; none: they stand there as they should.
pub(super) fn wanted(finding: &Finding, now: Timestamp) -> Option<Fields> {
    match &finding.beside {
        Beside::Nothing => finding.patch(now),
        Beside::Gateway { addresses, listeners } => gateway(finding, addresses, listeners, now),
        Beside::Route(parents) => route(finding.status.as_ref(), parents, now),
    }
}

fn fields<const N: usize>(all: [(&str, Value); N]) -> Fields {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn list<'a>(status: Option<&'a Value>, field: &str) -> &'a [Value] {
    status.and_then(|status| status[field].as_array()).map_or(&[], Vec::as_slice)
}

fn gateway(
    finding: &Finding,
    addresses: &[Value],
    listeners: &[(Value, Vec<Condition>)],
    now: Timestamp,
) -> Option<Fields> {
    let status = finding.status.as_ref();
    let present = list(status, "listeners");
    let listeners: Vec<Value> = listeners
        .iter()
        .map(|(rest, wanted)| {
            let before = present.iter().find(|listener| listener["name"] == rest["name"]);
            let mut listener = rest.clone();
            listener["conditions"] = conditions(list(before, "conditions"), wanted, now).into();
            listener
        })
        .collect();
    let own = conditions(list(status, "conditions"), &finding.conditions, now);
    let is_same = list(status, "addresses") == addresses && present == listeners && list(status, "conditions") == own;
    (!is_same)
        .then(|| fields([("addresses", addresses.into()), ("conditions", own.into()), ("listeners", listeners.into())]))
}

/// What other controllers say of a route stays, whatever they say of.
fn route(status: Option<&Value>, parents: &[(Value, Vec<Condition>)], now: Timestamp) -> Option<Fields> {
    let present = list(status, "parents");
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        present.iter().partition(|parent| parent["controllerName"] == CONTROLLER);
    let wanted = parents.iter().map(|(parent, wanted)| {
        // What the API server fills in makes a reference no other one.
        let is_it = |p: &&&Value| {
            ["name", "sectionName", "port"].iter().all(|f| p["parentRef"][f] == parent[f])
                && same_or(&p["parentRef"]["kind"], &parent["kind"], "Gateway")
                && same_or(&p["parentRef"]["group"], &parent["group"], istio_api::gateway_api::GROUP)
                && p["parentRef"]["namespace"] == parent["namespace"]
        };
        let before = ours.iter().find(is_it).copied();
        let reference = before.map_or(parent, |before| &before["parentRef"]);
        json!({
            "parentRef": reference,
            "controllerName": CONTROLLER,
            "conditions": conditions(list(before, "conditions"), wanted, now),
        })
    });
    let wanted: Vec<Value> = others.into_iter().cloned().chain(wanted).collect();
    (present != wanted.as_slice()).then(|| fields([("parents", wanted.into())]))
}

fn same_or(a: &Value, b: &Value, default: &str) -> bool {
    a.as_str().unwrap_or(default) == b.as_str().unwrap_or(default)
}

#[cfg(test)]
mod tests;
