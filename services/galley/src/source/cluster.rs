//! A cluster: one informer for each collection.

use std::sync::Arc;

use futures::{StreamExt, pin_mut};
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service},
        discovery::v1::EndpointSlice,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta},
    runtime::watcher::Config,
};
use mesh_bootstrap::Drain;
use mesh_kube::{
    Change,
    informer::{Awaken, Followed, changes},
};
use mesh_model::config::Kind;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    input::{Collection, Input, KINDS, Object},
    registry::mesh,
};

/// Secrets that cannot hold certificates stay where they are.
const NO_CERTIFICATES: &str = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token";

/// Follows every collection until the drain begins. Objects of a kind whose CRD is absent come when the CRD does.
pub fn follow(client: &Client, root_namespace: &str, inputs: &mpsc::Sender<Input>, drain: &Drain) {
    let awaken = Arc::new(Awaken::new());
    let pumps = Pumps { inputs, awaken: &awaken, drain };
    let everywhere = Config::default;
    pumps.start(Api::<Service>::all(client.clone()), everywhere(), Collection::Services, Object::Service);
    pumps.start(Api::<EndpointSlice>::all(client.clone()), everywhere(), Collection::Slices, Object::Slice);
    pumps.start(Api::<Pod>::all(client.clone()), everywhere(), Collection::Pods, Object::Pod);
    pumps.start(Api::<Node>::all(client.clone()), everywhere(), Collection::Nodes, Object::Node);
    pumps.start(Api::<Namespace>::all(client.clone()), everywhere(), Collection::Namespaces, Object::Namespace);
    let secrets = Config::default().fields(NO_CERTIFICATES);
    pumps.start(Api::<Secret>::all(client.clone()), secrets, Collection::Secrets, Object::Secret);
    let settings = Config::default().fields(&format!("metadata.name={}", mesh::CONFIG_MAP));
    pumps.start(Api::<ConfigMap>::namespaced(client.clone(), root_namespace), settings, Collection::Mesh, Object::Mesh);
    for kind in KINDS {
        let api = Api::all_with(client.clone(), &resource_of(kind));
        pumps.start(api, everywhere(), Collection::Config(kind), move |object| {
            Object::Config(kind, document(kind, &object))
        });
    }
    drop(drain.spawn(ring_for_definitions(client.clone(), awaken, drain.clone())));
}

/// How the API server names a kind's objects.
pub fn resource_of(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(kind.group(), kind.version(), kind.word()), kind.plural())
}

/// Objects in lists do not say what they are.
fn document(kind: Kind, object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    value["apiVersion"] = format!("{}/{}", kind.group(), kind.version()).into();
    value["kind"] = kind.word().into();
    value
}

struct Pumps<'a> {
    inputs: &'a mpsc::Sender<Input>,
    awaken: &'a Awaken,
    drain: &'a Drain,
}

impl Pumps<'_> {
    fn start<K: Followed>(
        &self,
        api: Api<K>,
        config: Config,
        collection: Collection,
        wrap: impl Fn(Box<K>) -> Object + Send + 'static,
    ) where
        Api<K>: Send,
    {
        let changes = changes(api, config, self.awaken.listen());
        let (inputs, drain) = (self.inputs.clone(), self.drain.clone());
        drop(self.drain.spawn(async move {
            pin_mut!(changes);
            loop {
                let change = tokio::select! {
                    change = changes.next() => change,
                    () = drain.requested() => return,
                };
                let is_served = matches!(change, Some(Change::Listed));
                if is_served && inputs.send(Input::Installed(collection)).await.is_err() {
                    return;
                }
                let input = match change {
                    Some(Change::Applied(object)) => Input::Applied(wrap(Box::new(object))),
                    Some(Change::Deleted(key)) => Input::Deleted(collection, key),
                    Some(Change::Listed | Change::Absent) => Input::Complete(collection),
                    None => return,
                };
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
        }));
    }
}

/// A definition that is new, or has just become established, may be one that an informer waits for.
async fn ring_for_definitions(client: Client, awaken: Arc<Awaken>, drain: Drain) {
    let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client);
    let definitions = changes(api, Config::default(), awaken.listen());
    pin_mut!(definitions);
    loop {
        tokio::select! {
            change = definitions.next() => match change {
                Some(Change::Applied(_)) => awaken.ring(),
                Some(_) => {}
                None => return,
            },
            () = drain.requested() => return,
        }
    }
}
