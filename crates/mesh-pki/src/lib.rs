//! mesh-pki
