//! The verbs of the API, one set for every kind and every caller.
//!
//! HTTP requests ([`http`]) and in-process callers ([`crate::client`]) come through here alike, so that a Pod which the
//! ReplicaSet controller creates meets the same defaults, validation and admission webhooks as one from `kubectl`.

use std::sync::{Arc, Mutex};

use crate::{kinds::Kinds, store::Store};

pub mod admission;
mod apply;
pub mod auth;
mod builtin_admission;
pub mod crd;
pub mod discovery;
pub mod http;
pub mod list;
mod managed;
pub mod openapi;
pub mod patch;
pub mod pki;
mod protobuf;
pub mod schema;
pub mod selector;
mod shapes;
pub mod streams;
pub mod table;
pub mod verbs;
pub mod warnings;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `system:serviceaccount:default:default`, `kubernetes-admin`, ...
    pub username: String,
    /// The uid of a service account, else "".
    pub uid: String,
    /// `system:authenticated`, ...
    pub groups: Vec<String>,
    /// Further facts, such as `authentication.kubernetes.io/pod-name`.
    pub extra: Vec<(String, Vec<String>)>,
}

impl Caller {
    /// A component of the control plane, such as `system:kube-controller-manager`.
    pub fn component(username: &str) -> Self {
        let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
        Self { username: username.to_owned(), uid: String::new(), groups, extra: Vec::new() }
    }
}

/// What a write may ask for beside the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Answer as if done, store nothing.
    pub dry_run: bool,
    /// Who owns the fields that this write sets; "" for none given (the user agent's first word is used over HTTP).
    pub field_manager: String,
    /// What to do about unknown and duplicate fields.
    pub field_validation: FieldValidation,
    /// Server-side apply only: take fields from other managers.
    pub force: bool,
}

/// `fieldValidation` of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop silently.
    Ignore,
    /// Drop with a warning (the default over HTTP).
    #[default]
    Warn,
    /// Refuse.
    Strict,
}

/// The part of an object that a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but status (where the kind has a status subresource).
    Main,
    /// Only status.
    Status,
    /// Only a Namespace's `spec.finalizers`.
    Finalize,
}

impl Part {
    /// The subresource that this part is written through; "" for the main resource.
    pub fn subresource(self) -> &'static str {
        match self {
            Part::Main => "",
            Part::Status => "status",
            Part::Finalize => "finalize",
        }
    }
}

/// The API. Cheap to clone; all clones are the same cluster.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    kinds: Kinds,
    /// Held while a Service is given addresses and ports.
    services: Mutex<()>,
    admission: admission::Admission,
}

impl Default for Api {
    fn default() -> Self {
        let store = Store::default();
        builtin_admission::seed(&store);
        Self {
            inner: Arc::new(Inner {
                store,
                kinds: Kinds::default(),
                services: Mutex::default(),
                admission: admission::Admission::default(),
            }),
        }
    }
}

impl Api {
    /// The store below. For readers; writes go through the verbs.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The way to admission webhooks.
    pub fn admission(&self) -> &admission::Admission {
        &self.inner.admission
    }

    /// The kinds served.
    pub fn kinds(&self) -> &Kinds {
        &self.inner.kinds
    }
}
