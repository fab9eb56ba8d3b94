//! The whole of pilot's knowledge, for whoever wants to come to the same answers (`lateenctl explain`).

use axum::{
    Json,
    extract::{Query, State},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mesh_proto::pack;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Debug, NotReady, world};
use crate::proxies::{Proxy, Standing};

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(rename = "proxyID")]
    proxy: Option<String>,
}

/// `/debug/recordz`: records in the encoding in which they came (base64), and the node and standing of one proxy.
pub(super) async fn recordz(State(debug): State<Debug>, Query(which): Query<Which>) -> Result<Json<Value>, NotReady> {
    let world = world(&debug)?;
    let records = world.received.iter().map(|((type_url, name), body)| {
        let encoded = STANDARD.encode(&body.value);
        json!({ "typeUrl": &**type_url, "name": &**name, "bodyType": body.type_url, "body": encoded })
    });
    let proxy = which.proxy.and_then(|name| debug.proxies.find(&name));
    Ok(Json(json!({
        "version": world.version,
        "records": records.collect::<Vec<_>>(),
        "proxy": proxy.map(|proxy| show(&proxy)),
    })))
}

fn show(proxy: &Proxy) -> Value {
    let standing = |standing: &Standing| {
        json!({
            "told": standing.told.iter().map(|(name, version)| (name.to_string(), json!(&**version))).collect::<serde_json::Map<_, _>>(),
            "unanswered": standing.unanswered,
            "refused": standing.refused,
            "error": standing.record.rejection.as_ref().map(|r| &r.reason),
        })
    };
    let types = proxy.standings();
    json!({
        "name": proxy.name(),
        "node": STANDARD.encode(pack(&proxy.node).value),
        "types": types.iter().map(|(type_url, s)| (type_url.clone(), standing(s))).collect::<serde_json::Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests;
