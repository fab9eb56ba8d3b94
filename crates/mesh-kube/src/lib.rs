//! mesh-kube
