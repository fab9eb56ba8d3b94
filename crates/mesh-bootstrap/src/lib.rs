//! mesh-bootstrap
