//! mesh-snapshot
