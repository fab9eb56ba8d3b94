//! What is sent, and what is asked for.

use std::{collections::BTreeSet, hash::Hasher, sync::Arc};

use mesh_proto::Any;
use twox_hash::XxHash64;

/// One named resource as it goes on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Unique within its type.
    pub name: Arc<str>,
    /// Equal versions mean equal content, also across restarts and between servers.
    pub version: Arc<str>,
    /// The content, packed.
    pub body: Any,
}

impl Resource {
    /// A resource whose version is a hash of its content.
    pub fn new(name: impl Into<Arc<str>>, body: Any) -> Self {
        let mut hash = XxHash64::with_seed(0);
        hash.write(body.type_url.as_bytes());
        hash.write(&body.value);
        Self { name: name.into(), version: format!("{:016x}", hash.finish()).into(), body }
    }

    /// A resource whose version its maker already knows to be a hash of its content.
    pub fn with_version(name: impl Into<Arc<str>>, version: impl Into<Arc<str>>, body: Any) -> Self {
        Self { name: name.into(), version: version.into(), body }
    }
}

/// Which resources of a type a client wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All there are.
    pub all: bool,
    /// These, whether they exist or not.
    pub names: BTreeSet<Arc<str>>,
}

impl Wanted {
    /// All of a type.
    pub fn everything() -> Self {
        Self { all: true, names: BTreeSet::new() }
    }

    /// Just these.
    pub fn names<N: Into<Arc<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { all: false, names: names.into_iter().map(Into::into).collect() }
    }

    /// Whether a resource of this name is wanted.
    pub fn admits(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }
}
