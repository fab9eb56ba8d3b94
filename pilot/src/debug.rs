//! What pilot tells about itself, to whoever asks on this machine.
//!
//! Paths and keys are Istio's where it has them (<https://istio.io/latest/docs/ops/diagnostic-tools/>).

mod dump;
mod records;
mod registry;
mod sync;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use mesh_proto::{mcp, unpack};
use serde_json::{Value, json};

use crate::{
    proxies::Proxies,
    world::{World, Worlds},
};

/// What the pages read.
#[derive(Clone, Debug)]
pub struct Debug {
    /// The newest world.
    pub worlds: Worlds,
    /// Who is connected.
    pub proxies: Proxies,
}

/// Path and meaning of each page.
const PAGES: [(&str, &str); 9] = [
    ("/debug/syncz", "how each proxy stands: what it was sent and what it accepted"),
    ("/debug/connections", "who is connected, since when and from where"),
    ("/debug/configz", "objects in force, as written"),
    (
        "/debug/recordz",
        "everything that galley sent; with ?proxyID=POD.NAMESPACE, what that proxy was sent and accepted",
    ),
    (
        "/debug/config_dump",
        "with ?proxyID=POD.NAMESPACE, what this pilot has for that proxy as Envoy dumps it, with &include_eds its endpoints",
    ),
    ("/debug/registryz", "services"),
    ("/debug/endpointz", "endpoints of services"),
    ("/debug/push_status", "what is wrong between objects, by kind, and what proxies refused"),
    ("/debug/issues", "what is wrong between objects, each with a way out"),
];

/// All pages. Serve them to this machine only ([`mesh_bootstrap::local_only`]).
pub fn router(debug: Debug) -> Router {
    Router::new()
        .route("/debug", get(list))
        .route("/debug/list", get(list))
        .route("/debug/syncz", get(sync::syncz))
        .route("/debug/connections", get(sync::connections))
        .route("/debug/configz", get(configz))
        .route("/debug/recordz", get(records::recordz))
        .route("/debug/config_dump", get(dump::config_dump))
        .route("/debug/registryz", get(registry::registryz))
        .route("/debug/endpointz", get(registry::endpointz))
        .route("/debug/push_status", get(push_status))
        .route("/debug/issues", get(issues))
        .with_state(debug)
}

/// There is no world to tell about.
struct NotReady;

impl IntoResponse for NotReady {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, "galley has not told everything yet\n").into_response()
    }
}

/// The newest world.
fn world(debug: &Debug) -> Result<Arc<World>, NotReady> {
    debug.worlds.borrow().clone().ok_or(NotReady)
}

async fn list() -> Json<Value> {
    Json(PAGES.iter().map(|(path, what)| json!({ "path": path, "what": what })).collect())
}

async fn configz(State(debug): State<Debug>) -> Result<Json<Value>, NotReady> {
    let world = world(&debug)?;
    let objects = world.received.values().filter_map(|body| unpack::<mcp::ConfigObject>(body).ok());
    let read = |object: mcp::ConfigObject| serde_json::from_str(&object.json).unwrap_or(Value::String(object.json));
    Ok(Json(objects.map(read).collect()))
}

async fn issues(State(debug): State<Debug>) -> Result<Json<Value>, NotReady> {
    let issues = world(&debug)?.mesh.issues();
    let show = |issue: mesh_model::issue::Issue| {
        json!({
            "object": issue.object.to_string(),
            "path": issue.path.as_str(),
            "reason": issue.reason,
            "wayOut": issue.way_out,
            "severity": format!("{:?}", issue.severity),
        })
    };
    Ok(Json(issues.into_iter().map(show).collect()))
}

async fn push_status(State(debug): State<Debug>) -> Result<Json<Value>, NotReady> {
    let world = world(&debug)?;
    let issues: Vec<String> = world.mesh.issues().iter().map(ToString::to_string).collect();
    let proxies = debug.proxies.all();
    let refusals = proxies.iter().flat_map(|proxy| {
        let standings = proxy.standings().into_iter();
        standings.filter_map(|(type_url, standing)| {
            let rejection = standing.record.rejection?;
            Some(json!({ "proxy": proxy.name(), "typeUrl": type_url, "message": rejection.reason }))
        })
    });
    Ok(Json(json!({
        "version": world.version,
        "issues": issues,
        "refused": refusals.collect::<Vec<_>>(),
    })))
}
