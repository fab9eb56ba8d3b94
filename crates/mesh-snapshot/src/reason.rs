//! Why a call was refused, or left the mesh: a code, what it means, the way out, and whose object decided.
//!
//! The proxy's access log and `lateenctl explain` tell it by the same [`Refusal`]; `docs/reasons.md` is this table as a page.

use std::fmt;

use crate::{Cluster, Discovery, Provenance, Tick, VirtualHost};

/// What a reason's code stands for.
struct Row {
    code: &'static str,
    flag: &'static str,
    decider: Decider,
    meaning: &'static str,
    way_out: &'static str,
}

/// Whose object decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decider {
    Nobody,
    Listener,
    VirtualHost,
    Route,
    Cluster,
}

/// The table: each code once, with Envoy's flag (`-`: it has none) and whose object decides.
macro_rules! reasons {
    ($($name:ident $code:literal $flag:literal $decider:ident $meaning:literal $way_out:literal)*) => {
        /// Why a call was refused, or left the mesh.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All of them, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => &Row {
                        code: $code,
                        flag: $flag,
                        decider: Decider::$decider,
                        meaning: $meaning,
                        way_out: $way_out,
                    },)*
                }
            }
        }
    };
}

reasons! {
    NoHost "NO_HOST" "NR" Listener
        "no virtual host on this port has the name"
        "call a host that a Service, a ServiceEntry or a VirtualService of the gateway names, on its port"
    NoRoute "NO_ROUTE" "NR" VirtualHost
        "the host is known, and none of its routes takes the request"
        "add a route whose match the request meets, or a last route without match"
    NoFilterChain "NO_FILTER_CHAIN" "NR" Listener
        "the listener has no filter chain for such a connection: its address, TLS server name or protocol"
        "add a Gateway server or a VirtualService tls route for the server name, or speak the protocol of the port"
    NoCluster "NO_CLUSTER" "NC" Route
        "the route leads to a service or subset that this proxy has no cluster for"
        "add the subset to a DestinationRule of the host, or the host as a Service or ServiceEntry with that port"
    ClusterRefused "CLUSTER_REFUSED" "UH" Cluster
        "the destination asks for what cannot be done safely, so that nothing is sent"
        "change the named field; metadata `lateen.refused` of the cluster says what is wrong with it"
    NoEndpoint "NO_ENDPOINT" "UH" Cluster
        "no pod or address is behind the service or subset"
        "start pods that the selector or the subset's labels choose, or correct the labels"
    NotReady "NOT_READY" "UH" Cluster
        "none of the endpoints is ready"
        "see why the pods' readiness probes fail"
    AllEjected "ALL_EJECTED" "UH" Cluster
        "outlier detection has sent every endpoint home for a while"
        "see why they failed; they come back after baseEjectionTime, and maxEjectionPercent keeps some"
    NoAddress "NO_ADDRESS" "UH, DF" Cluster
        "DNS gives no address for the name"
        "correct the name, or see whether the pod's DNS server knows it"
    ForeignHost "FOREIGN_HOST" "DF" Cluster
        "the host is none of those that the wildcard of the ServiceEntry covers"
        "call a host under the wildcard, or add a ServiceEntry for this one"
    PrivateAddress "PRIVATE_ADDRESS" "DF" Cluster
        "DNS leads the name to an address inside, where no name of the outside may lead"
        "correct the DNS record; if it is meant so, add a ServiceEntry with that address"
    Overflow "OVERFLOW" "UO" Cluster
        "as many connections, requests or retries are under way as the destination may have"
        "raise connectionPool of the DestinationRule, or call less at once"
    ConnectFailed "CONNECT_FAILED" "UF" Cluster
        "the endpoint does not take the connection"
        "see whether the application listens on that port, and what the access log has as transport failure"
    ConnectTimeout "CONNECT_TIMEOUT" "UF" Cluster
        "the endpoint did not answer the connection in time"
        "see whether packets get there (network policies, firewalls), or raise connectTimeout"
    TlsFailed "TLS_FAILED" "UF" Cluster
        "the TLS handshake failed"
        "compare both sides' tls settings; the access log has the failure as transport failure"
    NoSecret "NO_SECRET" "UF" Cluster
        "the certificate that the TLS settings name has not come"
        "create the Secret that credentialName names, in the namespace of the proxy's pods"
    UpstreamEnded "UPSTREAM_ENDED" "UC" Cluster
        "the endpoint ended the connection before its answer was whole"
        "see the application's log; if it closes idle connections, a lower idleTimeout in connectionPool.http helps"
    UpstreamReset "UPSTREAM_RESET" "UR" Cluster
        "the endpoint refused the stream"
        "see the application's log"
    UpstreamProtocol "UPSTREAM_PROTOCOL" "UPE" Cluster
        "what the endpoint sent is no HTTP of the version that the port is declared for"
        "correct the port's name or appProtocol in the Service or ServiceEntry"
    BadRequest "BAD_REQUEST" "DPE" Nobody
        "the request is none that can be understood in one way only"
        "see the response code's details in the access log, and correct the client"
    UpgradeRefused "UPGRADE_REFUSED" "-" Route
        "the request asks for a protocol that the route does not let pass"
        "use WebSocket, or no upgrade"
    RouteTimeout "ROUTE_TIMEOUT" "UT" Route
        "the route's timeout for all tries together is over"
        "raise timeout of the VirtualService's route, or make the service faster"
    TryTimeout "TRY_TIMEOUT" "UT" Route
        "the last try took longer than one may"
        "raise retries.perTryTimeout of the VirtualService's route, or make the service faster"
    IdleTimeout "IDLE_TIMEOUT" "SI" Nobody
        "nothing was sent either way for too long"
        "send something in between, or raise the stream's idle timeout (meshConfig, ISTIO_META_IDLE_TIMEOUT)"
    RequestTimeout "REQUEST_TIMEOUT" "DT" Nobody
        "the request itself took too long to arrive"
        "see why the client sends so slowly"
    FaultAbort "FAULT_ABORT" "FI" Route
        "a fault was injected: the request was aborted"
        "take fault.abort out of the VirtualService"
    FaultDelay "FAULT_DELAY" "DI" Route
        "a fault was injected: the request was delayed, then went on"
        "take fault.delay out of the VirtualService"
    BlackHole "BLACKHOLE" "UH" Cluster
        "nobody in this workload's scope has the destination, and the outbound policy is REGISTRY_ONLY"
        "add a ServiceEntry for the host, or an egress host to the Sidecar that imports it"
    OwnPort "OWN_PORT" "UH" Nobody
        "the proxy's own capture port was dialled, which would go in a circle"
        "dial the service's address, not the proxy's"
    Passthrough "PASSTHROUGH" "-" Cluster
        "nobody in this workload's scope has the destination: the connection left the mesh, to where it was going"
        "if it should be known: add a ServiceEntry for the host, or an egress host to the Sidecar that imports it"
}

/// Where the policy for unknown destinations leads, by Istio's names of clusters.
const PASSTHROUGH: &str = "PassthroughCluster";
const BLACK_HOLE: &str = "BlackHoleCluster";

/// Objects that may have decided, from the widest to the narrowest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deciders<'a> {
    /// The listener's, or its filter chain's.
    pub listener: Option<&'a Provenance>,
    /// The virtual host's.
    pub virtual_host: Option<&'a Provenance>,
    /// The route's.
    pub route: Option<&'a Provenance>,
    /// The cluster's.
    pub cluster: Option<&'a Provenance>,
}

impl Reason {
    /// `NO_ROUTE`. It stays what it is from version to version.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// Envoy's response flag beside it; `-`: none.
    pub fn flag(self) -> &'static str {
        self.row().flag
    }

    /// What happened, in a sentence without its end.
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// What a person can do about it.
    pub fn way_out(self) -> &'static str {
        self.row().way_out
    }

    /// Whether the call went on nevertheless.
    pub fn goes_on(self) -> bool {
        matches!(self, Self::Passthrough | Self::FaultDelay)
    }

    /// Of a call to a cluster that stands for no service: it left the mesh, or ends here.
    pub fn of_cluster(name: &str) -> Option<Self> {
        match name {
            PASSTHROUGH => Some(Self::Passthrough),
            BLACK_HOLE => Some(Self::BlackHole),
            _ => None,
        }
    }

    /// Of a request that no route takes; a virtual host without any route stands for hosts that nobody has.
    pub fn of_unrouted(host: Option<&VirtualHost>) -> Self {
        if host.is_some_and(VirtualHost::has_routes) { Self::NoRoute } else { Self::NoHost }
    }

    /// Why a cluster has nobody to ask.
    pub fn of_empty(cluster: &Cluster, now: Tick) -> Self {
        let config = &cluster.config;
        if config.refused.is_some() {
            return Self::ClusterRefused;
        }
        if let Some(reason) = Self::of_cluster(&config.name) {
            return reason;
        }
        let mut hosts = cluster.hosts().map(|(_, host)| host);
        if cluster.hosts().next().is_none() {
            let by_name = matches!(config.discovery, Discovery::Dns { .. });
            return if by_name { Self::NoAddress } else { Self::NoEndpoint };
        }
        let ejected = hosts.any(|host| host.healthy && cluster.is_away(host, now));
        if ejected { Self::AllEjected } else { Self::NotReady }
    }

    /// The object that decided. A route's is its virtual host's where it names none itself.
    pub fn decided_by(self, deciders: &Deciders<'_>) -> Provenance {
        let named = |of: Option<&Provenance>| of.filter(|of| of.object.is_some()).cloned();
        let found = match self.row().decider {
            Decider::Nobody => None,
            Decider::Listener => named(deciders.listener),
            Decider::VirtualHost => named(deciders.virtual_host),
            Decider::Route => named(deciders.route).or_else(|| named(deciders.virtual_host)),
            Decider::Cluster => named(deciders.cluster),
        };
        found.unwrap_or_default()
    }
}

/// The code.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A call that was refused or left the mesh, as logs and people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What was called: the host of a request, the server name of TLS, else the address.
    pub host: Box<str>,
    /// Whose object decided.
    pub decided: Provenance,
    /// The command that explains the same call.
    pub explain: Option<Box<str>>,
}

impl Refusal {
    /// Keys and values beside each other, as a log line carries them. The first is the code.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let object = self.decided.object.is_some().then(|| self.decided.to_string());
        let rest = [
            ("host", Some(self.host.to_string())),
            ("object", object),
            ("hint", Some(self.reason.way_out().to_owned())),
            ("try", self.explain.as_deref().map(str::to_owned)),
        ];
        let rest = rest.into_iter().filter_map(|(key, value)| Some((key, value?)));
        std::iter::once(("reason", self.reason.code().to_owned())).chain(rest).collect()
    }
}

/// The sentence: host, code, meaning, and the object that decided.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.reason, self.host, self.reason.meaning())?;
        match &self.decided.object {
            Some(_) => write!(f, " ({})", self.decided),
            None => Ok(()),
        }
    }
}

/// A word of a command as a shell takes it: whoever named the host does not get to run anything.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%+,@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
