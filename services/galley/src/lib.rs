//! Galley: the only program of the mesh that the Kubernetes API server calls, and the one that pilot learns the world from.
//!
//! It follows a cluster (or a folder of YAML), judges objects of configuration with `mesh-model`, and serves what is
//! right as typed collections over delta ADS. It answers the webhooks for validation and injection, and writes status.
//! It makes no xDS for proxies and holds no opinion on traffic: that is pilot's.
//!
//! ```text
//!   source::cluster ─┐                          ┌─► serve: 9901, MCP over ADS ──► pilot
//!   source::folder ──┴─ Input ─► World ─ settle ┤
//!                                  │            └─► webhook: 15017 /validate /inject ◄── API server
//!                                  ├─ Report ─► status (the leader only)
//!                                  └─ Fleet ──► deploy: proxies of Gateways (the leader only)
//! ```
//!
//! What it must be allowed to do in a cluster:
//!
//! | API group | resources | verbs |
//! |---|---|---|
//! | core | services, pods, nodes, namespaces, configmaps | get, list, watch |
//! | discovery.k8s.io | endpointslices | get, list, watch |
//! | apiextensions.k8s.io | customresourcedefinitions | get, list, watch |
//! | {networking, security, telemetry, extensions}.istio.io | all | get, list, watch |
//! | {networking, security, telemetry, extensions}.istio.io | all /status | patch |
//! | gateway.networking.k8s.io | all | get, list, watch |
//! | gateway.networking.k8s.io | all /status | patch |
//! | gateway.networking.k8s.io | gatewayclasses | create |
//! | core, apps | serviceaccounts, services, deployments | get, create, patch |
//! | networking.istio.io | gateways, in the root namespace (dry run: is validation asked?) | create |
//! | admissionregistration.k8s.io | mutating- and validatingwebhookconfigurations | get, list, watch, update |
//! | coordination.k8s.io | leases, in its own namespace | get, create, update |
//!
//! Start reading at [`world`], then [`registry`].

pub mod app;
pub mod config;
pub mod deploy;
pub mod input;
pub mod intake;
pub mod metrics;
pub mod options;
pub mod published;
pub mod record;
pub mod registry;
pub mod serve;
pub mod source;
pub mod status;
pub mod webhooks;
pub mod world;

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
