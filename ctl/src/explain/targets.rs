//! Where a request goes in the end, and what happens to it on the way.

use std::{net::SocketAddr, time::Duration};

use mesh_proto::type_url;
use mesh_snapshot::{
    Abort, Action, Deciders, Discovery, Forward, Head, PickContext, Reason, RewrittenHost, Routed, Tick,
};
use serde::Serialize;

use super::{
    answer::{Explanation, Going, Involved, Made},
    world::World,
};

/// A cluster that the request may go to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The cluster, and what made it.
    #[serde(flatten)]
    pub cluster: Made,
    /// The subset that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// How many of the requests get there, in percent.
    pub percent: f64,
    /// How endpoints are found.
    pub found: Found,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// How a cluster's endpoints are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Found {
    /// There is no such cluster.
    Unknown,
    /// Pilot lists them.
    Listed,
    /// DNS is asked for them.
    Dns,
    /// The address that was dialled.
    Dialled,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Address and port.
    pub address: String,
    /// Whether pilot calls it healthy.
    pub healthy: bool,
    /// Its share beside the others.
    pub weight: u32,
    /// 0 is asked first.
    pub priority: usize,
    /// Where it runs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub locality: String,
    /// Which workload it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

impl World {
    pub(super) fn target(
        &self,
        name: &str,
        weight: u64,
        total: u64,
        destination: SocketAddr,
        involved: &mut Involved,
    ) -> Target {
        let mut target = Target {
            cluster: Made { name: name.to_owned(), ..Made::default() },
            subset: None,
            percent: weight as f64 * 100.0 / total.max(1) as f64,
            found: Found::Unknown,
            endpoints: Vec::new(),
            unusable: None,
        };
        involved.push((type_url::CLUSTER, name.to_owned()));
        let Some(cluster) = self.snapshot.cluster(name) else {
            target.unusable = self.refused.get(name).map(|why| format!("our proxy does not take the {why}"));
            return target;
        };
        let config = &cluster.config;
        target.cluster = Made::by(name, &config.provenance);
        target.subset = config.subset.as_deref().map(str::to_owned);
        target.unusable = config.refused.as_deref().map(str::to_owned);
        let plain = |address: String| Endpoint {
            address,
            healthy: true,
            weight: 1,
            priority: 0,
            locality: String::new(),
            workload: None,
        };
        match &config.discovery {
            Discovery::OriginalDestination => {
                target.found = Found::Dialled;
                let port = match config.policy {
                    mesh_snapshot::Policy::Provided { port: Some(port) } => port,
                    _ => destination.port(),
                };
                target.endpoints.push(plain(SocketAddr::new(destination.ip(), port).to_string()));
            }
            Discovery::Dynamic(dynamic) => {
                target.found = Found::Dns;
                target.endpoints.push(plain(format!("the host that is asked for, port {}", dynamic.port)));
            }
            Discovery::Dns { names, .. } => {
                target.found = Found::Dns;
                let text = |address: &mesh_snapshot::EndpointAddress| match address {
                    mesh_snapshot::EndpointAddress::Ip(address) => address.to_string(),
                    mesh_snapshot::EndpointAddress::Name(name, port) => format!("{name}:{port}"),
                };
                target.endpoints.extend(names.endpoints().map(|endpoint| plain(text(&endpoint.address))));
            }
            discovery => {
                target.found = Found::Listed;
                if let Discovery::Sent { service } = discovery {
                    involved.push((type_url::ENDPOINT, service.to_string()));
                }
                target.endpoints.extend(cluster.hosts().map(|(priority, host)| Endpoint {
                    address: host.address.to_string(),
                    healthy: host.healthy,
                    weight: host.weight,
                    priority,
                    locality: host.locality.to_string(),
                    workload: host.workload.as_deref().map(|w| w.split(';').next().unwrap_or_default().to_owned()),
                }));
            }
        }
        target
    }

    /// What comes of the targets together; `refused` is what the client sees where nobody is asked.
    pub(super) fn conclude(&self, told: &mut Explanation, refused: &str, going: Going<'_>, deciders: &Deciders<'_>) {
        let several = told.clusters.len() > 1;
        let code = |target: &Target, flag: &str| {
            let share =
                if several { format!("{} % of the requests: ", rounded(target.percent)) } else { String::new() };
            (format!("{refused} {flag}"), share)
        };
        if let Some(target) = told.clusters.iter().find(|t| t.found == Found::Unknown).cloned() {
            let (code, share) = code(&target, "NC");
            told.refuses(&code, Reason::NoCluster, going.host, deciders);
            told.outcome.insert_str(0, &share);
            let name = &target.cluster.name;
            told.notes.push(match &target.unusable {
                Some(why) => format!("{why}; where stock Envoy is the data plane it may be otherwise"),
                None => format!(
                    "there is no cluster {name}: no service has that host and port, or no DestinationRule that subset"
                ),
            });
            let host = name.rsplit('|').next().unwrap_or(name);
            told.next.push(self.command(&format!("proxy-config cluster {{}} --fqdn {host}")));
            return;
        }
        let reason = |target: &Target| Some((target.clone(), self.nobody_in(target)?));
        if let Some((target, reason)) = told.clusters.iter().find_map(reason) {
            let (code, share) = code(&target, "UH");
            let name = &target.cluster.name;
            let cluster = self.snapshot.cluster(name).map(|cluster| &cluster.config.provenance);
            told.refuses(&code, reason, going.host, &Deciders { cluster, ..*deciders });
            told.outcome.insert_str(0, &share);
            told.notes.extend(target.unusable.clone());
            if reason == Reason::BlackHole {
                return self.note_scope(going.host, going.destination, told);
            }
            told.next.push(self.command(&format!("proxy-config endpoint {{}} --cluster \"{name}\"")));
            let service = name.rsplit('|').next().and_then(|host| host.split_once(".svc."));
            let service = service.and_then(|(service, _)| service.rsplit_once('.'));
            told.next
                .extend(service.map(|(name, namespace)| format!("kubectl -n {namespace} get pods,endpoints {name}")));
            return;
        }
        told.outcome = sent(told);
        let leaves = |target: &Target| Reason::of_cluster(&target.cluster.name) == Some(Reason::Passthrough);
        if let Some(target) = told.clusters.iter().find(|target| leaves(target)).cloned() {
            let cluster = self.snapshot.cluster(&target.cluster.name).map(|cluster| &cluster.config.provenance);
            told.goes_on(Reason::Passthrough, going.host, &Deciders { cluster, ..*deciders });
            self.note_scope(going.host, going.destination, told);
        }
    }

    /// Why nobody of a cluster can be asked. Who DNS would give is not known here.
    fn nobody_in(&self, target: &Target) -> Option<Reason> {
        let cluster = self.snapshot.cluster(&target.cluster.name).filter(|_| target.found == Found::Listed)?;
        let context = PickContext {
            now: Tick::after(Duration::ZERO),
            random: 0,
            hash: None,
            original_destination: None,
            tried: &[],
            avoid: 0,
        };
        cluster.pick(&context).is_none().then(|| Reason::of_empty(cluster, context.now))
    }
}

fn sent(told: &Explanation) -> String {
    let several = if told.clusters.len() > 1 { "one of the clusters by its share, there to " } else { "" };
    match (told.clusters.first().map(|t| t.found), told.clusters.first().map_or(0, |t| t.endpoints.len())) {
        (Some(Found::Dialled), _) => format!("sent to {several}the address that was dialled"),
        (Some(Found::Dns), _) => format!("sent to {several}an address that DNS gives"),
        (_, 1) => format!("sent to {several}the one endpoint"),
        (_, count) => format!("sent to {several}one of {count} endpoints"),
    }
}

/// Without a fraction where there is none.
pub(super) fn rounded(percent: f64) -> String {
    format!("{percent:.1}").trim_end_matches(".0").to_owned()
}

/// What a route does with a request beside sending it on.
pub(super) fn applies(routed: &Routed<'_>, head: &Head<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(fault) = routed.fault() {
        lines.extend(
            fault
                .any_delay()
                .map(|(time, share)| format!("delay of {time:?} for {} % of the requests", rounded(share.percent()))),
        );
        lines.extend(fault.any_abort().map(|(abort, share)| {
            let abort = match abort {
                Abort::Http(status) => format!("status {}", status.as_u16()),
                Abort::Grpc(status) => format!("gRPC status {status}"),
            };
            format!("abort with {abort} for {} % of the requests", rounded(share.percent()))
        }));
    }
    if routed.cors().is_some() {
        lines.push("a policy for calls from pages of other origins".to_owned());
    }
    if let Action::Forward(forward) = &routed.route.action {
        lines.extend(forwarding(forward, routed, head));
    }
    lines
}

fn forwarding(forward: &Forward, routed: &Routed<'_>, head: &Head<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(forward.timeout.map(|time| format!("timeout of {time:?} for all tries together")));
    lines.extend(forward.retry.as_ref().map(|retry| {
        let each = retry.per_try_timeout.map(|time| format!(", {time:?} each")).unwrap_or_default();
        format!("up to {} retries{each}, on {}", retry.retries, retry.conditions())
    }));
    lines.extend(forward.rewritten_path(head, routed.matched(head)).map(|path| format!("the path becomes {path}")));
    let host = forward.targets().iter().find_map(|target| match forward.rewritten_host(target, head) {
        RewrittenHost::Same => None,
        RewrittenHost::To(host) => Some(host.to_owned()),
        RewrittenHost::Upstream => Some("the endpoint's own name".to_owned()),
    });
    lines.extend(host.map(|host| format!("the host becomes {host}")));
    let mirrors = forward.mirrors.iter().filter(|mirror| mirror.share.percent() > 0.0);
    lines.extend(mirrors.map(|m| format!("a copy of {} % goes to {}", rounded(m.share.percent()), m.cluster)));
    if !forward.affinity.is_empty() {
        lines.push("a hash of the request keeps callers at one endpoint".to_owned());
    }
    let headers = forward
        .targets()
        .iter()
        .any(|target| routed.changes(Some(target)).any(|c| !c.request.is_empty() || !c.response.is_empty()));
    if headers {
        lines.push("headers are set, added or removed".to_owned());
    }
    lines
}
