//! The door to a cluster: objects by their JSON, and requests to a port of a pod.

use std::path::PathBuf;

use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
};
use serde_json::Value;

pub mod request;
pub mod targets;

/// Whose fields they are that `lateenctl` sets.
const MANAGER: &str = "lateenctl";

/// Why a cluster could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No way to a cluster: no kubeconfig, or one that makes no sense.
    #[error("cannot tell which cluster is meant; --kubeconfig FILE, --context NAME or KUBECONFIG says so")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The object is not one.
    #[error("an object without apiVersion, kind or name: {0}")]
    Nameless(String),
    /// The API server refuses, or does not answer.
    #[error("{verb} {what}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Of which object.
        what: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// Nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// A port of a pod does not answer.
    #[error("{0}")]
    Port(String),
}

/// Which cluster, and where in it; flags that every verb takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Where {
    /// The kubeconfig file
    #[arg(short = 'c', long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of it
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace of what is asked about
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The namespace of the mesh's own parts
    #[arg(
        short = 'i',
        long = "istioNamespace",
        global = true,
        default_value = "istio-system",
        value_name = "NAMESPACE"
    )]
    pub istio_namespace: String,
}

impl Where {
    /// A client of the cluster, and the namespace that is meant unless somebody names one.
    pub async fn connect(&self) -> Result<Cluster, ClusterError> {
        // kube takes the process's crypto provider. An error says that there is one already, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(file) => {
                let file = Kubeconfig::read_from(file).map_err(|error| ClusterError::Config(error.into()))?;
                Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|error| ClusterError::Config(error.into()))?
            }
            None if self.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|error| ClusterError::Config(error.into()))?
            }
            None => Config::infer().await.map_err(|error| ClusterError::Config(error.into()))?,
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| ClusterError::Config(error.into()))?;
        Ok(Cluster { client, namespace })
    }
}

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Its client.
    pub client: Client,
    /// The namespace that is meant.
    pub namespace: String,
}

impl Cluster {
    /// Makes an object be as written (server-side apply); fields of others stay.
    pub async fn apply(&self, object: &Value) -> Result<(), ClusterError> {
        let name = Name::of(object)?;
        let params = PatchParams::apply(MANAGER).force();
        let result = self.api(&name).patch(&name.name, &params, &Patch::Apply(object)).await;
        result.map(drop).map_err(|source| name.failed("cannot apply", source))
    }

    /// Deletes an object; false: it was not there.
    pub async fn delete(&self, object: &Value) -> Result<bool, ClusterError> {
        let name = Name::of(object)?;
        match self.api(&name).delete(&name.name, &DeleteParams::background()).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(source) => Err(name.failed("cannot delete", source)),
        }
    }

    /// The objects of a kind that a label selector selects, in all namespaces.
    pub async fn list(&self, api_version: &str, kind: &str, selector: &str) -> Result<Vec<Value>, ClusterError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let found = api.list(&ListParams::default().labels(selector)).await.map_err(|source| ClusterError::Api {
            verb: "cannot list",
            what: kind.to_owned(),
            source: Box::new(source),
        })?;
        // Items of a list do not say what they are.
        let typed = |object: DynamicObject| {
            let mut object = serde_json::to_value(object).unwrap_or_default();
            (object["apiVersion"], object["kind"]) = (api_version.into(), kind.into());
            object
        };
        Ok(found.items.into_iter().map(typed).collect())
    }

    /// An object as it is now.
    pub async fn get(&self, object: &Value) -> Result<Option<Value>, ClusterError> {
        let name = Name::of(object)?;
        let found = self.api(&name).get_opt(&name.name).await;
        let found = found.map_err(|source| name.failed("cannot read", source))?;
        // What came as JSON can be written as JSON.
        Ok(found.map(|object| serde_json::to_value(object).unwrap_or_default()))
    }

    fn api(&self, name: &Name) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&name.kind);
        match &name.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }
}

/// What an object is called.
struct Name {
    kind: GroupVersionKind,
    namespace: Option<String>,
    name: String,
}

impl Name {
    fn of(object: &Value) -> Result<Self, ClusterError> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let metadata = &object["metadata"];
        let parts = (text(&object["apiVersion"]), text(&object["kind"]), text(&metadata["name"]));
        let (Some(version), Some(kind), Some(name)) = parts else {
            return Err(ClusterError::Nameless(metadata.to_string()));
        };
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let kind = GroupVersionKind::gvk(group, version, &kind);
        Ok(Self { kind, namespace: text(&metadata["namespace"]), name })
    }

    fn failed(&self, verb: &'static str, source: kube::Error) -> ClusterError {
        let place = self.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        ClusterError::Api { verb, what: format!("{} {place}{}", self.kind.kind, self.name), source: Box::new(source) }
    }
}
