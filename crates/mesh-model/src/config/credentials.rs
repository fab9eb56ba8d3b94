//! Secrets that objects name, so that whoever reads Secrets sends on these and no others.

use std::sync::Arc;

use mesh_types::Labels;

use super::Config;

/// What an object says of Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who is to have them.
    pub readers: Readers,
    /// As written: `NAME`, or `kubernetes-gateway://NAMESPACE/NAME`. May be empty.
    pub names: Vec<String>,
}

/// Proxies that are to have Secrets; each has those of its own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Pods that a Gateway selects.
    Pods {
        /// Theirs; absent: any.
        namespace: Option<Arc<str>>,
        /// Their labels.
        selector: Labels,
    },
    /// Every gateway, and pods of this namespace.
    Callers(Arc<str>),
}

impl Config {
    /// What the object says of Secrets; none for kinds that say nothing.
    pub fn credentials(&self) -> Option<Credentials> {
        match self {
            Self::Gateway(object) => Some(Credentials {
                readers: Readers::Pods {
                    namespace: object.spec.own_namespace_only.then(|| Arc::clone(&object.meta.namespace)),
                    selector: object.spec.selector.clone(),
                },
                names: object.spec.credentials().map(str::to_owned).collect(),
            }),
            Self::DestinationRule(object) => Some(Credentials {
                readers: Readers::Callers(Arc::clone(&object.meta.namespace)),
                names: object.spec.credentials().map(str::to_owned).collect(),
            }),
            _ => None,
        }
    }
}
