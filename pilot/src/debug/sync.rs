//! How proxies stand.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use axum::{Json, extract::State};
use mesh_proto::type_url;
use serde_json::{Map, Value, json};

use super::Debug;
use crate::{
    auth::metadata,
    metrics::short,
    proxies::{Proxy, Standing},
};

/// Words of the keys `WORD_sent` and `WORD_acked`.
const WORDS: [(&str, &str); 5] = [
    (type_url::CLUSTER, "cluster"),
    (type_url::LISTENER, "listener"),
    (type_url::ROUTE, "route"),
    (type_url::ENDPOINT, "endpoint"),
    ("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "extensionconfig"),
];

/// `/debug/syncz`: Istio's keys, read by `istioctl proxy-status`.
pub(super) async fn syncz(State(debug): State<Debug>) -> Json<Value> {
    Json(debug.proxies.all().iter().map(|proxy| status(proxy)).collect())
}

fn status(proxy: &Proxy) -> Value {
    let standings = proxy.standings();
    let meta = |key| metadata(&proxy.node, key).unwrap_or_default();
    let version = meta("ISTIO_VERSION");
    let mut keys = Map::from_iter([
        ("cluster_id".to_owned(), json!(meta("CLUSTER_ID"))),
        ("proxy".to_owned(), json!(proxy.name())),
        ("proxy_type".to_owned(), json!(proxy.id.kind.to_string())),
        ("proxy_version".to_owned(), json!(version)),
        ("istio_version".to_owned(), json!(version)),
    ]);
    for (type_url, word) in WORDS {
        let Some(Standing { record, .. }) = standings.get(type_url) else { continue };
        for (suffix, nonce) in [("sent", &record.sent), ("acked", &record.accepted)] {
            if let Some(nonce) = nonce {
                keys.insert(format!("{word}_{suffix}"), json!(nonce));
            }
        }
    }
    keys.insert("resources".to_owned(), resources(&standings));
    Value::Object(keys)
}

fn resources(standings: &BTreeMap<String, Standing>) -> Value {
    let show = |(type_url, standing): (&String, &Standing)| {
        let Standing { record, sent, accepted, .. } = standing;
        let time = |t: &Option<std::time::SystemTime>| {
            t.and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs_f64())
        };
        let value = json!({
            "nonce_sent": record.sent,
            "nonce_acked": record.accepted,
            "error": record.rejection.as_ref().map(|r| &r.reason),
            "resources": record.resources,
            "last_sent": time(sent),
            "last_acked": time(accepted),
        });
        (short(type_url).to_owned(), value)
    };
    Value::Object(standings.iter().map(show).collect())
}

/// `/debug/connections`.
pub(super) async fn connections(State(debug): State<Debug>) -> Json<Value> {
    let show = |proxy: &Proxy| {
        json!({
            "connectionId": proxy.node.id,
            "proxy": proxy.name(),
            "address": proxy.address.map(|a| a.to_string()),
            "connectedAt": proxy.connected.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        })
    };
    let proxies = debug.proxies.all();
    Json(json!({ "totalClients": proxies.len(), "clients": proxies.iter().map(|p| show(p)).collect::<Vec<_>>() }))
}
