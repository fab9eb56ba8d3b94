//! Services and their endpoints.

use axum::{Json, extract::State};
use mesh_model::registry::Service;
use serde_json::{Value, json};

use super::{Debug, NotReady, world};

/// `/debug/registryz`.
pub(super) async fn registryz(State(debug): State<Debug>) -> Result<Json<Value>, NotReady> {
    let world = world(&debug)?;
    let show = |service: &Service| {
        let port = |p: &mesh_model::registry::Port| json!({ "name": p.name, "port": p.number, "protocol": p.protocol.to_string() });
        json!({
            "hostname": service.host.as_str(),
            "name": service.name,
            "namespace": service.namespace,
            "origin": format!("{:?}", service.origin),
            "resolution": format!("{:?}", service.resolution),
            "addresses": service.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ports": service.ports.iter().map(port).collect::<Vec<_>>(),
            "external": service.external,
            "selector": service.selector.0,
        })
    };
    Ok(Json(world.mesh.services().iter().map(|s| show(s)).collect()))
}

/// `/debug/endpointz`.
pub(super) async fn endpointz(State(debug): State<Debug>) -> Result<Json<Value>, NotReady> {
    let world = world(&debug)?;
    let mut all = Vec::new();
    for service in world.mesh.services() {
        for port in &service.ports {
            let endpoints = world.mesh.endpoints(service, port);
            let show = |e: &mesh_model::push_context::PortEndpoint| {
                json!({
                    "address": e.address.to_string(),
                    "port": e.port,
                    "health": format!("{:?}", e.health),
                    "labels": e.labels.0,
                    "locality": e.locality.to_string(),
                    "weight": e.weight,
                    "workload": e.workload.as_ref().map(|w| format!("{}/{}", w.namespace, w.name)),
                })
            };
            all.push(json!({
                "service": service.host.as_str(),
                "namespace": service.namespace,
                "port": port.number,
                "endpoints": endpoints.iter().map(show).collect::<Vec<_>>(),
            }));
        }
    }
    Ok(Json(Value::Array(all)))
}
