//! Sending a request on: where to, as what, for how long.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, StatusCode};
use mesh_proto::envoy::envoy::config::route::v3 as pb;

use super::{Changes, HashPolicy, RetryPolicy, head::Head, upgrade_enabled};
use crate::{
    fraction::Fraction,
    headers::header_name,
    refusal::{At, Bad},
    take::{duration, ensure, flag, limit, nothing_left, number},
    text::Substitution,
};

/// A request goes on to a cluster.
#[derive(Debug)]
pub struct Forward {
    targets: Vec<Target>,
    total: u64,
    /// What is answered when the cluster is unknown.
    pub not_found: StatusCode,
    /// How long all tries together may take, from the end of the request; none is without limit.
    pub timeout: Option<Duration>,
    /// How long a stream may be silent; `Some(None)` switches the connection manager's own limit off.
    pub idle_timeout: Option<Option<Duration>>,
    /// Set if the header `grpc-timeout` is heard; inside it the most that is granted.
    pub grpc_timeout: Option<Option<Duration>>,
    /// When and how often to try again.
    pub retry: Option<RetryPolicy>,
    /// What keeps a caller at one endpoint.
    pub affinity: Vec<HashPolicy>,
    /// Where copies go.
    pub mirrors: Vec<Mirror>,
    /// Whether `x-forwarded-host` tells the host before a rewrite.
    pub tell_original_host: bool,
    /// Kinds of upgrades that this route switches on or off.
    pub upgrades: Vec<(Box<str>, bool)>,
    path: PathRewrite,
    host: HostRewrite,
}

/// One of the clusters that a route may choose.
#[derive(Debug)]
pub struct Target {
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// Changes of headers for requests that go there.
    pub changes: Changes,
    weight: u64,
    host: Option<Box<str>>,
}

/// A copy of some requests, whose answers nobody awaits.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// How many.
    pub share: Fraction,
    /// Whether `-shadow` is appended to the host.
    pub suffix: bool,
}

#[derive(Debug)]
enum PathRewrite {
    Keep,
    Prefix(Box<str>),
    Pattern(Substitution),
}

#[derive(Debug)]
enum HostRewrite {
    Keep,
    Literal(Box<str>),
    Upstream,
    Header(HeaderName),
}

/// What becomes of a request's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewrittenHost<'a> {
    /// It stays.
    Same,
    /// It is this.
    To(&'a str),
    /// It is the name of the endpoint that was picked, if that has one.
    Upstream,
}

impl Forward {
    pub(super) fn parse(mut message: pb::RouteAction) -> Result<Self, Bad> {
        use pb::route_action::ClusterNotFoundResponseCode as N;
        let targets = Target::parse_all(message.cluster_specifier.take())?;
        let total = targets.iter().map(|t| t.weight).sum();
        ensure(total > 0, "weighted_clusters", "has no weight at all")?;
        let not_found = match N::try_from(std::mem::take(&mut message.cluster_not_found_response_code)) {
            Ok(N::ServiceUnavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Ok(N::NotFound) => StatusCode::NOT_FOUND,
            Ok(N::InternalServerError) => StatusCode::INTERNAL_SERVER_ERROR,
            Err(_) => return Err(Bad::new("cluster_not_found_response_code", "is unknown")),
        };
        let timeout = duration(message.timeout.take()).at("timeout")?;
        let hash_policies = std::mem::take(&mut message.hash_policy).into_iter().enumerate();
        let mirrors = std::mem::take(&mut message.request_mirror_policies).into_iter().enumerate();
        let upgrades = std::mem::take(&mut message.upgrade_configs).into_iter().enumerate();
        let grpc_timeout = duration(message.max_grpc_timeout.take()).at("max_grpc_timeout")?;
        let forward = Self {
            total,
            targets,
            not_found,
            timeout: Some(timeout.unwrap_or(Self::DEFAULT_TIMEOUT)).filter(|t| !t.is_zero()),
            idle_timeout: duration(message.idle_timeout.take())
                .at("idle_timeout")?
                .map(|t| Some(t).filter(|t| !t.is_zero())),
            grpc_timeout: grpc_timeout.map(|t| Some(t).filter(|t| !t.is_zero())),
            retry: message.retry_policy.take().map(RetryPolicy::parse).transpose().at("retry_policy")?,
            affinity: hash_policies
                .map(|(i, p)| HashPolicy::parse(p).at_index("hash_policy", i))
                .collect::<Result<_, _>>()?,
            mirrors: mirrors
                .map(|(i, m)| Mirror::parse(m).at_index("request_mirror_policies", i))
                .collect::<Result<_, _>>()?,
            tell_original_host: std::mem::take(&mut message.append_x_forwarded_host),
            upgrades: upgrades
                .map(|(i, u)| parse_upgrade(u).at_index("upgrade_configs", i))
                .collect::<Result<_, _>>()?,
            path: PathRewrite::parse(&mut message)?,
            host: HostRewrite::parse(message.host_rewrite_specifier.take())?,
        };
        let longest = message.max_stream_duration.take().unwrap_or_default();
        // Istio writes zero, which means: no limit beside `timeout`.
        ensure(limit(longest.max_stream_duration)?.is_none(), "max_stream_duration", "is not supported")?;
        nothing_left(&message)?;
        Ok(forward)
    }

    /// What Envoy grants when a route says nothing.
    const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

    /// The cluster of one request.
    pub fn target(&self, random: u64) -> &Target {
        let mut rest = random % self.total;
        for target in &self.targets {
            if rest < target.weight {
                return target;
            }
            rest -= target.weight;
        }
        // Not reached: the weights sum up to the total.
        &self.targets[0]
    }

    /// All clusters that may be chosen.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The path and query that the upstream sees, if they are others; `matched` as [`super::Routed::matched`] says.
    pub fn rewritten_path(&self, head: &Head<'_>, matched: usize) -> Option<String> {
        let path = match &self.path {
            PathRewrite::Keep => return None,
            PathRewrite::Prefix(by) => format!("{by}{}", head.path.get(matched..).unwrap_or_default()),
            PathRewrite::Pattern(substitution) => substitution.apply(head.path),
        };
        Some(match head.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        })
    }

    /// The host that the upstream sees.
    pub fn rewritten_host<'a>(&'a self, target: &'a Target, head: &Head<'a>) -> RewrittenHost<'a> {
        if let Some(host) = &target.host {
            return RewrittenHost::To(host);
        }
        match &self.host {
            HostRewrite::Keep => RewrittenHost::Same,
            HostRewrite::Literal(host) => RewrittenHost::To(host),
            HostRewrite::Upstream => RewrittenHost::Upstream,
            HostRewrite::Header(name) => {
                let value = head.headers.get(name).and_then(|value| value.to_str().ok());
                value.filter(|value| !value.is_empty()).map_or(RewrittenHost::Same, RewrittenHost::To)
            }
        }
    }
}

impl Target {
    /// Its share of the requests, beside those of the route's other targets.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    fn parse_all(specifier: Option<pb::route_action::ClusterSpecifier>) -> Result<Vec<Self>, Bad> {
        use pb::route_action::ClusterSpecifier as C;
        match specifier {
            Some(C::Cluster(name)) => {
                Ok(vec![Self { cluster: name.into(), changes: Changes::default(), weight: 1, host: None }])
            }
            Some(C::WeightedClusters(mut message)) => {
                let clusters = std::mem::take(&mut message.clusters).into_iter().enumerate();
                let targets = clusters
                    .map(|(i, c)| Self::parse(c).at_index("clusters", i).at("weighted_clusters"))
                    .collect::<Result<_, _>>()?;
                // The total is the sum, whatever an older server says.
                message.total_weight = None;
                message.runtime_key_prefix.clear();
                nothing_left(&message).at("weighted_clusters")?;
                Ok(targets)
            }
            Some(_) => Err(Bad::new("cluster_specifier", "is of a kind that is not supported")),
            None => Err(Bad::new("cluster_specifier", "is missing")),
        }
    }

    fn parse(mut message: pb::weighted_cluster::ClusterWeight) -> Result<Self, Bad> {
        use pb::weighted_cluster::cluster_weight::HostRewriteSpecifier as H;
        let target = Self {
            cluster: std::mem::take(&mut message.name).into(),
            weight: number(message.weight.take()).unwrap_or(0).into(),
            changes: Changes::parse(
                (
                    std::mem::take(&mut message.request_headers_to_add),
                    std::mem::take(&mut message.request_headers_to_remove),
                ),
                (
                    std::mem::take(&mut message.response_headers_to_add),
                    std::mem::take(&mut message.response_headers_to_remove),
                ),
            )?,
            host: message.host_rewrite_specifier.take().map(|H::HostRewriteLiteral(host)| host.into()),
        };
        nothing_left(&message)?;
        Ok(target)
    }
}

impl Mirror {
    fn parse(mut message: pb::route_action::RequestMirrorPolicy) -> Result<Self, Bad> {
        let mirror = Self {
            cluster: std::mem::take(&mut message.cluster).into(),
            share: message
                .runtime_fraction
                .take()
                .map_or(Ok(Fraction::ALL), Fraction::parse_runtime)
                .at("runtime_fraction")?,
            suffix: !std::mem::take(&mut message.disable_shadow_host_suffix_append),
        };
        // Whether a trace samples the copy: there are no traces.
        message.trace_sampled = None;
        nothing_left(&message)?;
        Ok(mirror)
    }
}

impl PathRewrite {
    fn parse(message: &mut pb::RouteAction) -> Result<Self, Bad> {
        let prefix = std::mem::take(&mut message.prefix_rewrite);
        match (prefix.is_empty(), message.regex_rewrite.take()) {
            (true, None) => Ok(Self::Keep),
            (false, None) => Ok(Self::Prefix(prefix.into())),
            (true, Some(rewrite)) => Substitution::parse(rewrite).map(Self::Pattern).at("regex_rewrite"),
            (false, Some(_)) => Err(Bad::new("regex_rewrite", "excludes `prefix_rewrite`")),
        }
    }
}

impl HostRewrite {
    fn parse(specifier: Option<pb::route_action::HostRewriteSpecifier>) -> Result<Self, Bad> {
        use pb::route_action::HostRewriteSpecifier as H;
        Ok(match specifier {
            None => Self::Keep,
            Some(H::HostRewriteLiteral(host)) => Self::Literal(host.into()),
            Some(H::AutoHostRewrite(on)) => {
                if flag(Some(on)) == Some(true) {
                    Self::Upstream
                } else {
                    Self::Keep
                }
            }
            Some(H::HostRewriteHeader(name)) => Self::Header(header_name(&name).at("host_rewrite_header")?),
            Some(_) => return Err(Bad::new("host_rewrite_specifier", "is of a kind that is not supported")),
        })
    }
}

fn parse_upgrade(mut message: pb::route_action::UpgradeConfig) -> Result<(Box<str>, bool), Bad> {
    let enabled = upgrade_enabled(&message);
    let kind = std::mem::take(&mut message.upgrade_type).to_ascii_lowercase();
    message.enabled = None;
    nothing_left(&message)?;
    Ok((kind.into(), enabled))
}
