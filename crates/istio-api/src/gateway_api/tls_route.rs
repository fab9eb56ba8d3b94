//! TLSRoute: where TLS connections go, by the name they ask for.

use super::{BackendRef, Host, ParentRef, Section};
use crate::declare::message;

message! {
    /// Routing rules for TLS that is passed through unopened.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#tlsroute>
    #[derive(Eq)]
    #[schemars(extend("required" = ["rules"]))]
    pub struct TlsRoute {
        /// What it is attached to.
        #[schemars(length(max = 32))]
        pub parent_refs: Vec<ParentRef>,
        /// Server names that clients ask for; those of the listener when empty.
        #[schemars(length(max = 16))]
        pub hostnames: Vec<Host>,
        /// Its rules; the first is the one that counts.
        #[schemars(length(min = 1, max = 16))]
        pub rules: Vec<TlsRule>,
    }

    /// Where connections go.
    #[derive(Eq)]
    pub struct TlsRule {
        /// Its name, unique in the route.
        pub name: Section,
        /// Where they go.
        #[schemars(length(min = 1, max = 16))]
        pub backend_refs: Vec<BackendRef>,
    }
}
