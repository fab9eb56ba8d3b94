//! From YAML to xDS. A mesh is written as Kubernetes and Istio objects; what comes out is read as text that names the
//! decisive facts ([`text`]).

mod bridge;
mod destination_rules;
mod egress;
mod envoy;
mod fixture;
mod gateway_api;
mod gateways;
mod golden;
mod name_tables;
mod rules;
mod scopes;
mod service_entries;
mod speed;
mod text;
mod virtual_services;
