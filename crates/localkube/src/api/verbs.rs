//! create, get, update; patch is in [`super::patch`], delete in [`delete`].
//!
//! Every write goes the same way: take the change, keep what no client may change ([`rules`]), defaults, admission,
//! validation, note who owns which field, store.

use std::sync::Arc;

use jiff::Timestamp;
use rand::RngExt;
use serde_json::json;

use super::{Api, Caller, Part, WriteOptions, admission, builtin_admission, managed, schema, warnings};
use crate::{
    kinds::{Kind, without_effect},
    object::Object,
    status::{Cause, Status},
    store::{Lost, Precondition, Resource, Stored},
};

mod delete;
pub mod pods;
mod rules;
pub mod scale;

pub use delete::{DeleteOptions, Deleted};

/// How often a write that named no version is tried again after it lost a race.
const TRIES: usize = 20;

/// The namespace and name of an object.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// "" for cluster-scoped kinds.
    pub namespace: &'a str,
    /// `metadata.name`.
    pub name: &'a str,
}

/// How a write notes the owner of what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// By comparing the object before and after.
    Tracked,
    /// The change has written `managedFields` itself (server-side apply).
    Given,
}

impl Api {
    /// One object.
    pub fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Arc<Stored>, Status> {
        let found = self.store().get(&kind.resource(), namespace, name);
        found.map(|stored| kind.view(stored)).ok_or_else(|| Status::not_found(&kind.group, &kind.plural, name))
    }

    /// Creates an object in the namespace that it names (the door fills it in from the URL).
    pub async fn create(
        &self,
        caller: &Caller,
        kind: &Kind,
        object: Object,
        options: &WriteOptions,
    ) -> Result<Arc<Stored>, Status> {
        self.create_owned(caller, kind, object, options, Ownership::Tracked).await
    }

    pub(super) async fn create_owned(
        &self,
        caller: &Caller,
        kind: &Kind,
        mut object: Object,
        options: &WriteOptions,
        ownership: Ownership,
    ) -> Result<Arc<Stored>, Status> {
        rules::identify(kind, &mut object)?;
        if object.name().is_empty() {
            let prefix = object.text("/metadata/generateName").to_owned();
            if prefix.is_empty() {
                let cause = Cause::required("metadata.name", "name or generateName is required");
                return Err(Status::invalid(&kind.group, &kind.kind, "", &[cause]));
            }
            object.set_meta("name", format!("{prefix}{}", random_suffix()));
        }
        let taken = || Status::already_exists(&kind.group, &kind.plural, object.name());
        if self.store().get(&kind.resource(), object.namespace(), object.name()).is_some() {
            return Err(taken());
        }
        self.check_namespace(kind, &object)?;
        if object.revision() != 0 {
            return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
        }
        rules::begin(kind, &mut object);
        let mut object = self.admit(caller, kind, Part::Main, object, None, options).await?;
        if ownership == Ownership::Tracked {
            managed::track(kind, None, &mut object, Part::Main, &options.field_manager);
        }
        let name = object.name().to_owned();
        self.put(kind, object, None, options)?.map_err(|_| Status::already_exists(&kind.group, &kind.plural, &name))
    }

    /// Replaces the object of that namespace and name, or a part of it. A resourceVersion in `object` must be the
    /// current one.
    pub async fn update(
        &self,
        caller: &Caller,
        kind: &Kind,
        part: Part,
        object: Object,
        options: &WriteOptions,
    ) -> Result<Arc<Stored>, Status> {
        let at = At { namespace: object.namespace(), name: object.name() };
        if kind.definition.is_some() && object.revision() == 0 {
            self.get(kind, at.namespace, at.name)?;
            let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(Status::invalid(&kind.group, &kind.kind, at.name, &[cause]));
        }
        let change = |_: &Object| Ok(object.clone());
        self.change(caller, kind, part, at, options, Ownership::Tracked, change).await
    }

    /// Reads an object, changes it, and writes it; again after a lost race, unless the change names a version.
    #[allow(
        clippy::too_many_arguments,
        reason = "a write is said by just these things; a struct would only rename them"
    )]
    pub(super) async fn change(
        &self,
        caller: &Caller,
        kind: &Kind,
        part: Part,
        at: At<'_>,
        options: &WriteOptions,
        ownership: Ownership,
        change: impl Fn(&Object) -> Result<Object, Status>,
    ) -> Result<Arc<Stored>, Status> {
        for _ in 0..TRIES {
            let old = self.get(kind, at.namespace, at.name)?;
            let mut new = change(&old.object)?;
            rules::identify(kind, &mut new)?;
            rules::check_identity(kind, &old.object, &new)?;
            if ![0, old.object.revision()].contains(&new.revision()) {
                return Err(modified(kind, at.name));
            }
            rules::keep(kind, part, &old.object, &mut new);
            let mut new = self.admit(caller, kind, part, new, Some(&old.object), options).await?;
            rules::renumber(kind, part, &old.object, &mut new);
            if ownership == Ownership::Tracked {
                managed::track(kind, Some(&old.object), &mut new, part, &options.field_manager);
            }
            if managed::same_but_for_times(&old.object, &new) {
                return Ok(old);
            }
            // A lost race: a change that names a version meets the newer one above, any other is made again on it.
            match self.put(kind, new, Some(&old.object), options)? {
                Ok(stored) => return Ok(stored),
                Err(Lost(_)) => tokio::task::yield_now().await,
            }
        }
        Err(modified(kind, at.name))
    }

    /// Defaults, admission and validation.
    async fn admit(
        &self,
        caller: &Caller,
        kind: &Kind,
        part: Part,
        mut object: Object,
        old: Option<&Object>,
        options: &WriteOptions,
    ) -> Result<Object, Status> {
        schema::decode(kind, &mut object, options.field_validation, &[])?.into_iter().for_each(warnings::add);
        (kind.strategy.default)(&mut object, old);
        if part == Part::Main {
            builtin_admission::mutate(self, kind, &mut object, old).await?;
        }
        let at = (object.namespace().to_owned(), object.name().to_owned());
        let write = admission::Write {
            caller,
            kind,
            subresource: part.subresource(),
            operation: if old.is_some() { "UPDATE" } else { "CREATE" },
            namespace: &at.0,
            name: &at.1,
            old,
            dry_run: options.dry_run,
        };
        let object = admission::mutate(self, &write, object).await?;
        schema::validate(kind, &object, old)?;
        if part == Part::Main && old.is_none() {
            without_effect::warnings(&kind.kind, &object).into_iter().for_each(warnings::add);
        }
        admission::validate(self, &write, Some(&object)).await?;
        Ok(object)
    }

    /// Stores a finished object over `old`; removes it instead when nothing holds up its deletion any more.
    fn put(
        &self,
        kind: &Kind,
        mut object: Object,
        old: Option<&Object>,
        options: &WriteOptions,
    ) -> Result<Result<Arc<Stored>, Lost>, Status> {
        // Held until the write is seen, so that no two Services are given one address.
        let _guard = builtin_admission::services::allocate(self, kind, &mut object, old)?;
        if options.dry_run {
            return Ok(Ok(Stored::unsaved(object)));
        }
        let Some(old) = old else {
            return Ok(self.store().put(&kind.resource(), object, Precondition::Absent));
        };
        if rules::may_go(kind, &object) {
            return Ok(self.store().remove(&kind.resource(), old.namespace(), old.name(), old.revision()));
        }
        Ok(self.store().put(&kind.resource(), object, Precondition::Revision(old.revision())))
    }

    /// A namespaced object is created in a namespace that exists and will stay.
    fn check_namespace(&self, kind: &Kind, object: &Object) -> Result<(), Status> {
        if !kind.is_namespaced() {
            return Ok(());
        }
        let namespace = object.namespace();
        let Some(found) = self.store().get(&Resource::new("", "namespaces"), "", namespace) else {
            return Err(Status::not_found("", "namespaces", namespace));
        };
        if !found.object.is_deleting() {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut status = Status::forbidden(&kind.group, &kind.plural, object.name(), &why);
        let message = format!("namespace {namespace} is being terminated");
        status.details["causes"] =
            json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
        Err(status)
    }
}

fn modified(kind: &Kind, name: &str) -> Status {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    Status::conflict(&kind.group, &kind.plural, name, why)
}

/// The time as Kubernetes writes it: RFC 3339, whole seconds, UTC.
pub fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Five characters as Kubernetes appends them to a generateName.
pub fn random_suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rng = rand::rng();
    (0..5).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}

/// A random UUID (version 4).
pub fn random_uid() -> String {
    let bits: u128 = rand::rng().random();
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests;
