//! Promise: five people's journeys through a service mesh, step by step with the YAML that they wrote, end where they
//! ended, and show what they saw.
//!
//! One file is one journey. Only namespaces are others, so that journeys run beside each other.

mod beyond;
mod bookinfo;
mod egress_by_gateway_api;
mod egress_by_label;
mod egress_by_sni;
mod egress_by_tls_route;
mod ingress;
mod learned_scope;
mod outbound_policy;
mod sidecar_object;
