//! `/listeners`: where the proxy listens.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use mesh_snapshot::Listener;
use serde_json::{Value, json};

use super::{Admin, clusters::socket};

/// In which form an answer is asked for.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Wish {
    format: Option<String>,
}

impl Wish {
    pub(super) fn is_json(&self) -> bool {
        self.format.as_deref() == Some("json")
    }
}

pub(super) async fn page(State(admin): State<Admin>, Query(wish): Query<Wish>) -> Response {
    let world = admin.shared.world.current();
    if wish.is_json() {
        let fixed = admin
            .static_listeners()
            .map(|listener| json!({ "name": listener_name(listener), "local_address": listener["address"] }));
        let all: Vec<Value> = world.listeners().map(|listener| status(listener)).chain(fixed).collect();
        return Json(json!({ "listener_statuses": all })).into_response();
    }
    let sent = world
        .listeners()
        .flat_map(|listener| listener.addresses.iter().map(|address| format!("{}::{address}\n", listener.name)));
    let fixed = admin.static_listeners().map(|listener| {
        let (host, port) = place(listener);
        format!("{}::{host}:{port}\n", listener_name(listener))
    });
    sent.chain(fixed).collect::<String>().into_response()
}

impl Admin {
    /// Listeners of the bootstrap: those for health and metrics.
    pub(super) fn static_listeners(&self) -> impl Iterator<Item = &Value> {
        self.bootstrap["static_resources"]["listeners"].as_array().into_iter().flatten()
    }
}

fn status(listener: &Listener) -> Value {
    let mut addresses = listener.addresses.iter().map(|address| socket(*address));
    json!({
        "name": *listener.name,
        "local_address": addresses.next(),
        "additional_local_addresses": addresses.collect::<Vec<_>>(),
    })
}

fn place(listener: &Value) -> (&str, u64) {
    let socket = &listener["address"]["socket_address"];
    (socket["address"].as_str().unwrap_or_default(), socket["port_value"].as_u64().unwrap_or_default())
}

/// A static listener's name; where it has none, Envoy makes one up, and its address says more.
fn listener_name(listener: &Value) -> String {
    let (host, port) = place(listener);
    listener["name"].as_str().map_or_else(|| format!("{host}_{port}"), str::to_owned)
}
