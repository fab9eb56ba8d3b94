//! Why a resource is refused: its name, the field, and what is wrong there.

use std::fmt;

/// What kind of resource it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A listener (LDS).
    Listener,
    /// A route configuration (RDS).
    Route,
    /// A cluster (CDS).
    Cluster,
    /// The endpoints of a cluster (EDS).
    Endpoints,
    /// A certificate with its key, or whom to trust (SDS).
    Secret,
}

impl Kind {
    /// The kind of a type URL, if it is one that a snapshot is made of.
    pub fn of_type_url(url: &str) -> Option<Self> {
        use mesh_proto::type_url;
        Some(match url {
            type_url::LISTENER => Self::Listener,
            type_url::ROUTE => Self::Route,
            type_url::CLUSTER => Self::Cluster,
            type_url::ENDPOINT => Self::Endpoints,
            type_url::SECRET => Self::Secret,
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listener => "listener",
            Self::Route => "route configuration",
            Self::Cluster => "cluster",
            Self::Endpoints => "endpoints",
            Self::Secret => "secret",
        })
    }
}

/// A resource that does not come in; its last good version stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}` is refused")]
pub struct Refused {
    /// What it is.
    pub kind: Kind,
    /// The resource's name.
    pub name: String,
    /// Where and why.
    #[source]
    pub bad: Bad,
}

impl Refused {
    /// One line with all of it, as a NACK carries it.
    pub fn line(&self) -> String {
        format!("{} `{}`: {}", self.kind, self.name, self.bad)
    }
}

/// A field that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Bad {
    path: String,
    why: String,
}

impl Bad {
    /// A field, and what is wrong with it.
    pub(crate) fn new(field: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self { path: field.to_string(), why: why.to_string() }
    }

    /// The path of the field in its resource, such as `virtual_hosts[0].routes[2].match`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    pub fn why(&self) -> &str {
        &self.why
    }

    fn under(mut self, outer: impl fmt::Display) -> Self {
        self.path = if self.path.is_empty() { outer.to_string() } else { format!("{outer}.{}", self.path) };
        self
    }
}

/// Says in which field an inner error lies.
pub(crate) trait At<T> {
    /// Puts the field before the path.
    fn at(self, field: &str) -> Result<T, Bad>;
    /// The same for the element of a list.
    fn at_index(self, field: &str, index: usize) -> Result<T, Bad>;
}

impl<T> At<T> for Result<T, Bad> {
    fn at(self, field: &str) -> Self {
        self.map_err(|bad| bad.under(field))
    }

    fn at_index(self, field: &str, index: usize) -> Self {
        self.map_err(|bad| bad.under(format_args!("{field}[{index}]")))
    }
}
