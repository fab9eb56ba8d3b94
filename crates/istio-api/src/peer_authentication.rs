//! PeerAuthentication: which TLS workloads take from the mesh.

use std::collections::BTreeMap;

use crate::{
    common::LabelSelector,
    declare::{message, names},
};

message! {
    /// Whether workloads take plain text, the mesh's TLS, or both.
    ///
    /// <https://istio.io/latest/docs/reference/config/security/peer_authentication/>
    pub struct PeerAuthentication {
        /// The workloads that it is for; all of the namespace (of the mesh, in the root namespace) when absent.
        pub selector: Option<LabelSelector>,
        /// What holds for every port; as the level above when absent.
        pub mtls: Option<MutualTls>,
        /// What holds for single ports of the workload, by their number. Needs a selector.
        #[schemars(extend("minProperties" = 1))]
        pub port_level_mtls: BTreeMap<String, MutualTls>,
    }

    /// Which TLS is taken.
    pub struct MutualTls {
        /// The mode.
        pub mode: MutualTlsMode,
    }
}

names! {
    /// Which TLS is taken.
    pub enum MutualTlsMode {
        /// As the level above says, and `PERMISSIVE` when none does.
        Unset = 0 "UNSET",
        /// Plain text.
        Disable = 1 "DISABLE",
        /// Plain text and the mesh's TLS.
        Permissive = 2 "PERMISSIVE",
        /// The mesh's TLS.
        Strict = 3 "STRICT",
    }
}
