//! The proxy beside an application: its identity, its configuration, its health, and the data plane that carries traffic.
//!
//! The agent is what a pod's proxy container runs. It keeps the workload's certificate, answers the kubelet and
//! Prometheus on 15020, and starts a data plane: the one of this program (`plane`), or stock Envoy as a child process
//! (`LATEEN_DATA_PLANE=envoy`), which the agent gives a bootstrap, certificates (SDS) and a way to pilot. It asks either
//! by Envoy's admin pages on port 15000. What is not here: capture (`init`), and any opinion about configuration (`pilot`).
//!
//! ```text
//!   environment, /etc/istio/pod ─► Settings ─► node ─┬─► plane ──────────────mTLS──► pilot
//!                                     │              └─► Envoy ──unix──► relay ──mTLS──► pilot
//!                                     │                    └──unix──► SDS ◄── Credentials ◄── ca
//!                                     ├─► 15053: the workload's DNS, where it is captured
//!                                     └─► 15020: /healthz/ready, /stats/prometheus, /app-health, /drain, /quitquitquit
//! ```
//!
//! Start reading at [`agent`]; what carries traffic has its own page in `plane.rs`.

pub mod agent;
mod dns;
mod plane;
