//! The kinds that the API serves: a table of the built-in ones, and those that CustomResourceDefinitions add.
//!
//! A [`Kind`] says all that is particular to a kind; the verbs in [`crate::api`] are the same for every one.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, RwLock},
};

use serde_json::Value;

use crate::{
    api::schema::LazySchema,
    object::Object,
    status::Cause,
    store::{Resource, Stored},
};

/// The two ways that a kind can be scoped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Objects live in a namespace.
    Namespaced,
    /// Objects belong to the cluster.
    Cluster,
}

/// Where the scale subresource reads and writes: JSON pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// `/spec/replicas`.
    pub spec: Cow<'static, str>,
    /// `/status/replicas`.
    pub status: Cow<'static, str>,
    /// A pointer to the label selector (object or text), when the kind has one.
    pub selector: Option<Cow<'static, str>>,
}

/// What a kind does beside being stored. Plain functions, so that the table is a constant.
#[derive(Clone, Copy)]
pub struct Strategy {
    /// Fills in defaults, on create and update, before validation. Sees the old object on update.
    pub default: fn(&mut Object, Option<&Object>),
    /// Rules beyond the schema.
    pub validate: fn(&Object, Option<&Object>) -> Vec<Cause>,
}

/// A strategy that does nothing.
pub const PLAIN: Strategy = Strategy { default: |_, _| {}, validate: |_, _| Vec::new() };

/// One served kind at one version.
#[derive(Clone)]
pub struct Kind {
    /// "" for the core group.
    pub group: Cow<'static, str>,
    /// `v1`.
    pub version: Cow<'static, str>,
    /// `Pod`.
    pub kind: Cow<'static, str>,
    /// `pods`.
    pub plural: Cow<'static, str>,
    /// `pod`.
    pub singular: Cow<'static, str>,
    /// `po`.
    pub short_names: Cow<'static, [Cow<'static, str>]>,
    /// `all`.
    pub categories: Cow<'static, [Cow<'static, str>]>,
    /// Namespaced or cluster-scoped.
    pub scope: Scope,
    /// Whether `status` is written through its own subresource.
    pub has_status: bool,
    /// The scale subresource, where there is one.
    pub scale: Option<ScalePaths>,
    /// Defaults and rules.
    pub strategy: Strategy,
    /// The definition behind a custom kind: the whole CustomResourceDefinition. None for built-in kinds.
    pub definition: Option<Arc<Stored>>,
    /// The compiled schema of a custom kind. Empty for built-in kinds.
    pub schema: LazySchema,
}

impl Kind {
    /// The storage key, the same for every version of the kind.
    pub fn resource(&self) -> Resource {
        Resource::new(&self.group, &self.plural)
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// This version's part of the definition behind a custom kind.
    pub fn version_definition(&self) -> Option<&Value> {
        let versions = self.definition.as_ref()?.object.at("/spec/versions")?.as_array()?;
        versions.iter().find(|v| v.get("name").and_then(Value::as_str) == Some(&*self.version))
    }

    /// The object as this version of the kind shows it: another version of it differs in `apiVersion` alone.
    pub fn view(&self, stored: Arc<Stored>) -> Arc<Stored> {
        if stored.object.api_version() == self.api_version() {
            return stored;
        }
        let mut object = stored.object.clone();
        object.set("apiVersion", self.api_version().into());
        Stored::unsaved(object)
    }

    /// True for namespaced kinds.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}

/// Every kind served now. Readers take a snapshot; definitions replace it whole.
#[derive(Clone)]
pub struct Kinds {
    custom: Arc<RwLock<Arc<Served>>>,
}

/// A snapshot of the served kinds.
pub struct Served {
    kinds: Vec<Arc<Kind>>,
    by_plural: HashMap<(String, String, String), usize>,
}

impl Served {
    fn new(kinds: Vec<Arc<Kind>>) -> Self {
        let key = |k: &Kind| (k.group.to_string(), k.version.to_string(), k.plural.to_string());
        let by_plural = kinds.iter().enumerate().map(|(i, k)| (key(k), i)).collect();
        Self { kinds, by_plural }
    }

    /// All kinds, built-in first, in table order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter()
    }

    /// By group, version and plural.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.by_plural.get(&key).map(|&i| &self.kinds[i])
    }

    /// By `apiVersion` and `kind`, as written in an object.
    pub fn find_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|k| k.kind == kind && k.api_version() == api_version)
    }

    /// The preferred (first) version of a resource.
    pub fn preferred(&self, resource: &Resource) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|k| k.group == *resource.group && k.plural == *resource.plural)
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self { custom: Arc::new(RwLock::new(Arc::new(Served::new(builtin::all())))) }
    }
}

impl Kinds {
    /// The kinds served now.
    pub fn served(&self) -> Arc<Served> {
        self.custom.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Replaces the custom kinds.
    pub fn set_custom(&self, custom: Vec<Kind>) {
        let kinds = builtin::all().into_iter().chain(custom.into_iter().map(Arc::new)).collect();
        *self.custom.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(Served::new(kinds));
    }
}

/// The spec of `object`, or `Null`: a helper for strategies.
pub fn spec(object: &Object) -> &Value {
    object.at("/spec").unwrap_or(&Value::Null)
}

pub mod builtin;
pub mod defaults;
pub mod metadata;
pub mod names;
pub mod validate;
pub mod without_effect;
