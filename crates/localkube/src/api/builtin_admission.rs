//! What the cluster itself does to objects on their way in: each a small function from the object that came to the
//! object that is stored, at the place where Kubernetes has its admission plugins and its allocators.

use super::Api;
use crate::{kinds::Kind, object::Object, status::Status};

mod namespaces;
mod pods;
pub(super) mod services;

pub(super) use namespaces::seed;

/// Changes an object before webhooks and validation see it. `old` is None on create.
pub(super) async fn mutate(api: &Api, kind: &Kind, object: &mut Object, old: Option<&Object>) -> Result<(), Status> {
    if !kind.group.is_empty() {
        return Ok(());
    }
    match (kind.kind.as_ref(), old) {
        ("Namespace", _) => namespaces::complete(object, old.is_none()),
        ("Pod", None) => pods::complete(api, object).await?,
        ("Service", Some(old)) => services::carry_over(object, old),
        _ => {}
    }
    Ok(())
}
