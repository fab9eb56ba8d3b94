//! How objects name others, and who may.

use super::{Group, KindName, Name, NamespaceName, Section};
use crate::declare::message;

message! {
    /// What a route is attached to.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#parentreference>
    #[derive(Eq, Hash, PartialOrd, Ord)]
    #[schemars(extend("required" = ["name"]))]
    pub struct ParentRef {
        /// Its API group; `gateway.networking.k8s.io` when absent, empty for the core group.
        pub group: Option<Group>,
        /// Its kind; `Gateway` when absent.
        pub kind: KindName,
        /// Its namespace; the route's own when absent.
        pub namespace: NamespaceName,
        /// Its name.
        pub name: Name,
        /// A part of it, such as a listener; all when absent.
        pub section_name: Section,
        /// Its parts with this port; all when absent.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<i32>,
    }

    /// Where requests are sent.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#backendobjectreference>
    #[derive(Eq)]
    #[schemars(extend("required" = ["name"]))]
    pub struct ObjectRef {
        /// Its API group; the core group when absent.
        pub group: Group,
        /// Its kind; `Service` when absent.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
        /// Its namespace; the route's own when absent.
        pub namespace: NamespaceName,
        /// Its port; a Service needs one.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<i32>,
    }

    /// Where connections are sent, and their share.
    #[derive(Eq)]
    #[schemars(extend("required" = ["name"]))]
    pub struct BackendRef {
        /// Its API group; the core group when absent.
        pub group: Group,
        /// Its kind; `Service` when absent.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
        /// Its namespace; the route's own when absent.
        pub namespace: NamespaceName,
        /// Its port; a Service needs one.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<i32>,
        /// Its share of the sum of all; 1 when absent.
        #[schemars(range(min = 0, max = 1_000_000))]
        pub weight: Option<i32>,
    }

    /// An object of the same namespace.
    #[derive(Eq)]
    #[schemars(extend("required" = ["group", "kind", "name"]))]
    pub struct LocalRef {
        /// Its API group.
        pub group: Group,
        /// Its kind.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
    }

    /// An object with settings of a GatewayClass.
    #[derive(Eq)]
    #[schemars(extend("required" = ["group", "kind", "name"]))]
    pub struct ParametersRef {
        /// Its API group.
        pub group: Group,
        /// Its kind.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
        /// Its namespace; absent for kinds of the whole cluster.
        pub namespace: NamespaceName,
    }

    /// A certificate.
    #[derive(Eq)]
    #[schemars(extend("required" = ["name"]))]
    pub struct SecretRef {
        /// Its API group; the core group when absent.
        pub group: Group,
        /// Its kind; `Secret` when absent.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
        /// Its namespace; the Gateway's own when absent.
        pub namespace: NamespaceName,
    }

    /// Lets objects of other namespaces name objects of this one.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#referencegrant>
    #[derive(Eq)]
    #[schemars(extend("required" = ["from", "to"]))]
    pub struct ReferenceGrant {
        /// Who may.
        #[schemars(length(min = 1, max = 16))]
        pub from: Vec<ReferenceGrantFrom>,
        /// What they may name.
        #[schemars(length(min = 1, max = 16))]
        pub to: Vec<ReferenceGrantTo>,
    }

    /// Objects of a kind in a namespace.
    #[derive(Eq)]
    #[schemars(extend("required" = ["group", "kind", "namespace"]))]
    pub struct ReferenceGrantFrom {
        /// Their API group.
        pub group: Group,
        /// Their kind.
        pub kind: KindName,
        /// Their namespace.
        pub namespace: NamespaceName,
    }

    /// Objects of a kind in the grant's namespace.
    #[derive(Eq)]
    #[schemars(extend("required" = ["group", "kind"]))]
    pub struct ReferenceGrantTo {
        /// Their API group.
        pub group: Group,
        /// Their kind.
        pub kind: KindName,
        /// Only the one of this name; all when absent.
        pub name: Name,
    }
}
