//! Who may call in what kind of connection.

use std::collections::BTreeMap;

use mesh_types::Labels;

use super::PortNumber;

/// Kinds of connections that workloads take.
///
/// <https://istio.io/latest/docs/reference/config/security/peer_authentication/#PeerAuthentication>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerAuthentication {
    /// Absent: all of the namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// Absent: as the wider policy says.
    pub mtls: Option<MtlsMode>,
    /// By the port of the workload; only with a selector.
    pub ports: BTreeMap<PortNumber, Option<MtlsMode>>,
}

/// What a workload takes.
///
/// There is no STRICT here: objects that ask for it are refused at the door until the mesh can enforce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// Plaintext.
    Disable,
    /// Plaintext and mutual TLS.
    Permissive,
}
