//! Every namespace is told whom to trust.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde_json::json;

/// The ConfigMap that pods mount as `/var/run/secrets/istio`.
pub const ROOT_CONFIG_MAP: &str = "istio-ca-root-cert";

/// The key in it.
const KEY: &str = "root-cert.pem";

/// Namespaces of Kubernetes itself, where no pod has a proxy; left alone, as by Istio.
pub const IGNORED_NAMESPACES: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// How soon a namespace is tried again that could not be written.
const RETRY: Duration = Duration::from_secs(2);

/// What happened in a namespace that may concern its ConfigMap.
#[derive(Debug)]
enum Happened {
    /// Look at this namespace.
    In(String),
    /// Nothing to look at.
    Nothing,
}

/// Keeps the ConfigMap right in all namespaces, also in new ones and when somebody changes or deletes it. Never ends.
pub async fn distribute(client: Client, roots: String) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let of_maps = watcher::Config::default().fields(&format!("metadata.name={ROOT_CONFIG_MAP}"));
    let namespaces = happenings(watcher(namespaces, watcher::Config::default()), |namespace: Namespace| {
        // A namespace that ends takes nothing new.
        namespace.metadata.deletion_timestamp.is_none().then(|| namespace.name_any())
    });
    let maps = happenings(watcher(maps, of_maps), |map: ConfigMap| map.namespace());
    let mut events = pin!(stream::select(namespaces, maps));
    let mut failed = BTreeSet::new();
    let mut retry = tokio::time::interval(RETRY);
    loop {
        let concerned: Vec<String> = tokio::select! {
            Some(happened) = events.next() => match happened {
                Happened::In(namespace) => vec![namespace],
                Happened::Nothing => Vec::new(),
            },
            _ = retry.tick() => std::mem::take(&mut failed).into_iter().collect(),
        };
        for namespace in concerned {
            if IGNORED_NAMESPACES.contains(&namespace.as_str()) {
                continue;
            }
            if let Err(error) = put_right(&client, &namespace, &roots).await {
                tracing::warn!(%namespace, %error, "the root could not be told");
                failed.insert(namespace);
            }
        }
    }
}

fn happenings<K>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send,
    concerns: impl Fn(K) -> Option<String> + Send,
) -> impl Stream<Item = Happened> + Send
where
    K: Send,
{
    events.default_backoff().map(move |event| match event {
        Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
            concerns(object).map_or(Happened::Nothing, Happened::In)
        }
        Ok(Event::Init | Event::InitDone) => Happened::Nothing,
        Err(error) => {
            tracing::warn!(%error, "namespaces or their roots cannot be watched");
            Happened::Nothing
        }
    })
}

/// Reads first: what is right is not written.
async fn put_right(client: &Client, namespace: &str, roots: &str) -> kube::Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let done = match maps.get_opt(ROOT_CONFIG_MAP).await? {
        Some(map) if map.data.as_ref().and_then(|data| data.get(KEY)).is_some_and(|text| text == roots) => {
            return Ok(());
        }
        Some(_) => {
            let patch = Patch::Merge(json!({ "data": { KEY: roots } }));
            maps.patch(ROOT_CONFIG_MAP, &PatchParams::default(), &patch).await
        }
        None => maps.create(&PostParams::default(), &config_map(roots)).await,
    };
    match done {
        Ok(_) => {
            tracing::info!(namespace, "the root was told");
            Ok(())
        }
        // 404, 403: the namespace has ended or is ending. 409: somebody else wrote; their writing comes as an event.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) || is_ending(&status) => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_ending(status: &kube::core::Status) -> bool {
    status.code == 403 && status.message.contains("being terminated")
}

fn config_map(roots: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(ROOT_CONFIG_MAP.to_owned()),
            labels: Some(BTreeMap::from([("istio.io/config".to_owned(), "true".to_owned())])),
            ..Default::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), roots.to_owned())])),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
