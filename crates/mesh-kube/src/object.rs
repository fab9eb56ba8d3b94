//! Istio's kinds as resources of a Kubernetes API.

use std::borrow::Cow;

use istio_api::Kind;
use kube::{
    Resource,
    api::ObjectMeta,
    core::{NamespaceResourceScope, object::HasSpec},
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

/// An object of a kind, with Kubernetes' own metadata: the one implementation of [`kube::Resource`] over [`Kind`].
///
/// It reads what the kind's fields can hold. Who must live with objects that cannot be read (a list of everything that
/// users wrote) reads `kube::api::DynamicObject` instead, because one such object fails a whole typed list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(bound(deserialize = "K: Kind"))]
pub struct Object<K> {
    /// Name, place and marks.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user asks for.
    #[serde(default)]
    pub spec: K,
    /// What became of it.
    #[serde(default)]
    pub status: Option<Value>,
}

impl<K: Kind> Object<K> {
    /// A new object.
    pub fn new(namespace: &str, name: &str, spec: K) -> Self {
        let metadata =
            ObjectMeta { namespace: Some(namespace.to_owned()), name: Some(name.to_owned()), ..ObjectMeta::default() };
        Self { metadata, spec, status: None }
    }
}

impl<K: Kind> Resource for Object<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        K::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        K::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<K: Kind> HasSpec for Object<K> {
    type Spec = K;

    fn spec(&self) -> &K {
        &self.spec
    }

    fn spec_mut(&mut self) -> &mut K {
        &mut self.spec
    }
}

impl<K: Kind> Serialize for Object<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Object", 5)?;
        object.serialize_field("apiVersion", &Self::api_version(&()))?;
        object.serialize_field("kind", K::KIND)?;
        object.serialize_field("metadata", &self.metadata)?;
        object.serialize_field("spec", &self.spec)?;
        match &self.status {
            Some(status) => object.serialize_field("status", status)?,
            None => object.skip_field("status")?,
        }
        object.end()
    }
}

#[cfg(test)]
mod tests;
