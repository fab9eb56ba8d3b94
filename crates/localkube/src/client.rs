//! The in-process, typed client that controllers, the node agent and the service proxy use.
//!
//! Reads come straight from the store, so no caller keeps a cache of its own: [`Store::follow`](crate::store::Store::follow)
//! says that something changed, and the reconciler lists what it needs.

use std::sync::Arc;

use k8s_openapi::{
    Metadata, Resource as ApiResource,
    api::core::v1::{Event as CoreEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    serde::{Serialize, de::DeserializeOwned},
};

use crate::{
    api::{Api, Caller, Part, WriteOptions, verbs::DeleteOptions},
    kinds::Kind,
    object::Object,
    status::Status,
};

/// A typed kind: what `k8s_openapi` derives for every top-level type.
pub trait Typed:
    ApiResource + Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Clone + Send + 'static
{
}

impl<T: ApiResource + Metadata<Ty = ObjectMeta> + Serialize + DeserializeOwned + Clone + Send + 'static> Typed for T {}

/// The API as seen by one component of the control plane.
#[derive(Clone)]
pub struct Client {
    api: Api,
    caller: Arc<Caller>,
    component: Arc<str>,
    host: Option<Arc<str>>,
}

/// The namespace and name of an object that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// "" for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl Client {
    /// A client that acts as `component` (`kube-scheduler`, `kubelet`, ...): its user is `system:<component>`.
    pub fn new(api: Api, component: &str) -> Self {
        let caller = Arc::new(Caller::component(&format!("system:{component}")));
        Self { api, caller, component: component.into(), host: None }
    }

    /// The same client, whose events say that they come from this node.
    pub fn on(self, node: &str) -> Self {
        Self { host: Some(node.into()), ..self }
    }

    /// The API below.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Who this client acts as.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The served kind behind `T`.
    pub fn kind<T: Typed>(&self) -> Result<Arc<Kind>, Status> {
        self.api
            .kinds()
            .served()
            .find_kind(T::API_VERSION, T::KIND)
            .cloned()
            .ok_or_else(|| Status::not_found(T::GROUP, T::KIND, ""))
    }

    /// One object, or None.
    pub fn get<T: Typed>(&self, namespace: &str, name: &str) -> Result<Option<T>, Status> {
        match self.api.get(&*self.kind::<T>()?, namespace, name) {
            Ok(stored) => stored.object.to_typed().map(Some),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// All objects in a namespace, or in all (None).
    pub fn list<T: Typed>(&self, namespace: Option<&str>) -> Result<Vec<T>, Status> {
        let (found, _) = self.api.store().list(&self.kind::<T>()?.resource(), namespace);
        found.iter().map(|stored| stored.object.to_typed()).collect()
    }

    /// Creates an object in the namespace that it names.
    pub async fn create<T: Typed>(&self, object: &T) -> Result<T, Status> {
        let kind = self.kind::<T>()?;
        let object = Object::from_typed(object)?;
        self.api.create(&self.caller, &kind, object, &self.options()).await?.object.to_typed()
    }

    /// Replaces an object (not its status); fails with a conflict when it changed since it was read.
    pub async fn update<T: Typed>(&self, object: &T) -> Result<T, Status> {
        self.write(object, Part::Main).await
    }

    /// Replaces an object's status; fails with a conflict when it changed since it was read.
    pub async fn update_status<T: Typed>(&self, object: &T) -> Result<T, Status> {
        self.write(object, Part::Status).await
    }

    /// Reads, changes and writes, again after a lost race. `change` returns false to leave the object as it is.
    /// None: there is no such object.
    pub async fn modify<T: Typed>(
        &self,
        namespace: &str,
        name: &str,
        part: Part,
        mut change: impl FnMut(&mut T) -> bool + Send,
    ) -> Result<Option<T>, Status> {
        loop {
            let Some(mut object) = self.get::<T>(namespace, name)? else { return Ok(None) };
            if !change(&mut object) {
                return Ok(Some(object));
            }
            match self.write(&object, part).await {
                Ok(written) => return Ok(Some(written)),
                Err(e) if e.is_conflict() => tokio::task::yield_now().await,
                Err(e) if e.is_not_found() => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    /// Deletes an object; one that is already gone is no error.
    pub async fn delete<T: Typed>(&self, namespace: &str, name: &str, options: &DeleteOptions) -> Result<(), Status> {
        match self.api.delete(&self.caller, &*self.kind::<T>()?, namespace, name, options).await {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }

    /// Tells people what happened to an object: a core/v1 Event. Equal events are counted up, not repeated.
    /// `kind` is "Normal" or "Warning". Failures are logged only.
    pub async fn event<T: Typed>(&self, about: &T, kind: &str, reason: &str, message: &str) {
        if let Err(error) = self.try_event(about, kind, reason, message).await {
            tracing::warn!(%error, reason, "event not recorded");
        }
    }

    async fn try_event<T: Typed>(&self, about: &T, kind: &str, reason: &str, message: &str) -> Result<(), Status> {
        let meta = about.metadata();
        let namespace = meta.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let now = Time(k8s_openapi::jiff::Timestamp::now());
        let prefix = format!("{}.", meta.name.as_deref().unwrap_or_default());
        let told = [
            ("/involvedObject/uid", meta.uid.as_deref().unwrap_or_default()),
            ("/type", kind),
            ("/reason", reason),
            ("/message", message),
            ("/source/component", &*self.component),
        ];
        let known = self.api.store().list_named(&self.kind::<CoreEvent>()?.resource(), &namespace, &prefix);
        let known = known.iter().find(|event| told.iter().all(|(pointer, text)| event.object.text(pointer) == *text));
        // The name tells the time, so that a list has events in their order; readers know whole seconds only.
        let fresh = || format!("{prefix}{:x}", now.0.as_nanosecond());
        let name = known.map_or_else(fresh, |event| event.object.name().to_owned());
        let count = |event: &mut CoreEvent| {
            event.count = Some(event.count.unwrap_or(1) + 1);
            event.last_timestamp = Some(now.clone());
            true
        };
        if self.modify(&namespace, &name, Part::Main, count).await?.is_some() {
            return Ok(());
        }
        let host = self.host.as_deref().map(str::to_owned);
        let event = CoreEvent {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
            involved_object: ObjectReference {
                api_version: Some(T::API_VERSION.to_owned()),
                kind: Some(T::KIND.to_owned()),
                name: meta.name.clone(),
                namespace: meta.namespace.clone(),
                uid: meta.uid.clone(),
                resource_version: meta.resource_version.clone(),
                field_path: None,
            },
            type_: Some(kind.to_owned()),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            count: Some(1),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            source: Some(EventSource { component: Some(self.component.to_string()), host: host.clone() }),
            reporting_component: Some(self.component.to_string()),
            reporting_instance: host,
            ..CoreEvent::default()
        };
        self.create(&event).await.map(|_| ())
    }

    async fn write<T: Typed>(&self, object: &T, part: Part) -> Result<T, Status> {
        let kind = self.kind::<T>()?;
        let object = Object::from_typed(object)?;
        self.api.update(&self.caller, &kind, part, object, &self.options()).await?.object.to_typed()
    }

    fn options(&self) -> WriteOptions {
        WriteOptions { field_manager: self.component.to_string(), ..WriteOptions::default() }
    }
}
