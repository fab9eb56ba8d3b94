//! `/debug/config_dump?proxyID=`: what this pilot has for a proxy, in Envoy's shape.
//!
//! It is made anew from the newest world, for the names that the proxy asked for: what the proxy itself says of its
//! configuration may be older.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/config_dump.proto>

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mesh_bootstrap::causes;
use mesh_proto::{
    json::{JsonError, Messages},
    type_url,
};
use mesh_xds::Resource;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Debug, NotReady, world};
use crate::{
    generate::Generation,
    proxies::{Proxies, Proxy},
    world::World,
};

/// How many proxies are named to somebody who asks for one that is not there.
const MOST_NAMES: usize = 20;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wish {
    #[serde(rename = "proxyID")]
    proxy: Option<String>,
    include_eds: Option<String>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDump {
    #[error("whose? Add ?proxyID=POD.NAMESPACE; /debug/syncz lists all proxies that are connected")]
    Whose,
    #[error("proxy `{0}` is not connected to this pilot; {1}")]
    NotConnected(String, String),
    #[error("galley has not told everything yet")]
    NotReady,
    #[error("this program was built without descriptors")]
    Descriptors(#[from] JsonError),
    #[error("it could not be made")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<NotReady> for NoDump {
    fn from(_: NotReady) -> Self {
        Self::NotReady
    }
}

impl IntoResponse for NoDump {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Whose => StatusCode::BAD_REQUEST,
            Self::NotConnected(..) => StatusCode::NOT_FOUND,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Descriptors(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{}\n", causes(&self))).into_response()
    }
}

/// One configuration of the dump: resources of one type.
struct Section {
    /// The message's name in `envoy.admin.v3`.
    name: &'static str,
    type_url: &'static str,
    /// The list of its items.
    list: &'static str,
    /// Where an item has the resource.
    field: &'static str,
    /// What stands around version and resource.
    frame: Frame,
}

/// What an item is beside a version and a resource.
#[derive(Clone, Copy, PartialEq)]
enum Frame {
    Plain,
    /// It has the resource's name.
    Named,
    /// It has the resource's name, and version and resource are its active state.
    State,
}

/// In Envoy's order.
const SECTIONS: [Section; 5] = [
    section("Clusters", type_url::CLUSTER, "dynamic_active_clusters", "cluster", Frame::Plain),
    section("Endpoints", type_url::ENDPOINT, "dynamic_endpoint_configs", "endpoint_config", Frame::Plain),
    section("Listeners", type_url::LISTENER, "dynamic_listeners", "listener", Frame::State),
    section("Routes", type_url::ROUTE, "dynamic_route_configs", "route_config", Frame::Plain),
    section("Secrets", type_url::SECRET, "dynamic_active_secrets", "secret", Frame::Named),
];

const fn section(
    name: &'static str,
    type_url: &'static str,
    list: &'static str,
    field: &'static str,
    frame: Frame,
) -> Section {
    Section { name, type_url, list, field, frame }
}

/// All of a proxy's resources; endpoints where `include_eds` is there, as Envoy has it.
pub(super) async fn config_dump(State(debug): State<Debug>, Query(wish): Query<Wish>) -> Result<Json<Value>, NoDump> {
    let name = wish.proxy.filter(|name| !name.is_empty()).ok_or(NoDump::Whose)?;
    let world = world(&debug)?;
    let not_connected = || NoDump::NotConnected(name.clone(), connected(&debug.proxies));
    let proxy = debug.proxies.find(&name).ok_or_else(not_connected)?;
    let with_endpoints = wish.include_eds.is_some();
    // Much to make, and nobody else of this runtime is to wait for it.
    let made = tokio::task::spawn_blocking(move || dump(&world, &proxy, with_endpoints));
    Ok(Json(made.await??))
}

/// Who is connected, for somebody who looks for a proxy.
fn connected(proxies: &Proxies) -> String {
    let mut names: Vec<String> = proxies.all().iter().map(|proxy| proxy.name()).collect();
    names.sort();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    match (names.is_empty(), more) {
        (true, _) => "nobody is".to_owned(),
        (_, 0) => format!("connected: {}", names.join(", ")),
        _ => format!("connected: {} and {more} more, see /debug/syncz", names.join(", ")),
    }
}

fn dump(world: &World, proxy: &Proxy, with_endpoints: bool) -> Result<Value, JsonError> {
    let mut messages = Messages::new()?;
    let mut generation = Generation::new(&proxy.node, proxy.account.clone());
    let standings = proxy.standings();
    let shown = SECTIONS.iter().filter(|section| section.type_url != type_url::ENDPOINT || with_endpoints);
    let configs = shown.map(|section| {
        let wanted = standings.get(section.type_url).map(|standing| standing.wanted.clone()).unwrap_or_default();
        let resources = generation.resources(world, section.type_url, &wanted).unwrap_or_default();
        let items: Vec<Value> = resources.iter().map(|resource| section.item(resource, &mut messages)).collect();
        json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{}ConfigDump", section.name), section.list: items })
    });
    Ok(json!({ "configs": configs.collect::<Vec<_>>() }))
}

impl Section {
    fn item(&self, resource: &Arc<Resource>, messages: &mut Messages) -> Value {
        let shown = messages.shown(self.type_url, &resource.body.value);
        let shown = shown.unwrap_or_else(|error| json!({ "@type": self.type_url, "lateen_error": causes(&error) }));
        let mut state = json!({ "version_info": &*resource.version, self.field: shown });
        match self.frame {
            Frame::Plain => {}
            Frame::Named => state["name"] = json!(&*resource.name),
            Frame::State => return json!({ "name": &*resource.name, "active_state": state }),
        }
        state
    }
}

#[cfg(test)]
mod tests;
