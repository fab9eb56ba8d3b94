//! Listener filters: what is found out about a connection before a chain is chosen.

use mesh_proto::envoy::envoy::config::listener::v3 as pb;

use crate::{
    refusal::{At, Bad},
    take::type_name,
};

/// What to look for in the first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Whether they are TLS: its server name and protocols.
    pub tls: bool,
    /// Whether they are HTTP: its version.
    pub http: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inspectors {
    tls: Option<Ports>,
    http: Option<Ports>,
}

/// For which destination ports an inspector is switched off.
#[derive(Clone, Debug)]
enum Ports {
    None,
    All,
    Range(u16, u16),
    Any(Vec<Self>),
    Each(Vec<Self>),
    Not(Box<Self>),
}

impl Inspectors {
    pub(super) fn parse(filters: Vec<pb::ListenerFilter>) -> Result<Self, Bad> {
        let mut found = Self::default();
        for (i, filter) in filters.into_iter().enumerate() {
            found.add(filter).at_index("listener_filters", i)?;
        }
        Ok(found)
    }

    fn add(&mut self, filter: pb::ListenerFilter) -> Result<(), Bad> {
        let disabled = filter.filter_disabled.map_or(Ok(Ports::None), Ports::parse).at("filter_disabled")?;
        let Some(pb::listener_filter::ConfigType::TypedConfig(any)) = filter.config_type else {
            return Err(Bad::new("typed_config", "is missing"));
        };
        match type_name(&any) {
            // The original destination is always asked for.
            "envoy.extensions.filters.listener.original_dst.v3.OriginalDst" => {}
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" => self.tls = Some(disabled),
            "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" => self.http = Some(disabled),
            other => return Err(Bad::new("typed_config", format!("`{other}` is not supported"))),
        }
        Ok(())
    }

    /// Looks for HTTP at every port, unless it is said already at which.
    pub(super) fn tell_http_apart(&mut self) {
        self.http.get_or_insert(Ports::None);
    }

    pub(super) fn for_port(&self, port: u16) -> Inspection {
        let on = |disabled: &Option<Ports>| disabled.as_ref().is_some_and(|ports| !ports.contains(port));
        Inspection { tls: on(&self.tls), http: on(&self.http) }
    }
}

impl Ports {
    fn parse(message: pb::ListenerFilterChainMatchPredicate) -> Result<Self, Bad> {
        use pb::listener_filter_chain_match_predicate::Rule as R;
        let all = |rules: Vec<pb::ListenerFilterChainMatchPredicate>| {
            rules.into_iter().map(Self::parse).collect::<Result<Vec<_>, _>>()
        };
        Ok(match message.rule {
            Some(R::AnyMatch(true)) => Self::All,
            Some(R::AnyMatch(false)) => Self::None,
            Some(R::OrMatch(set)) => Self::Any(all(set.rules)?),
            Some(R::AndMatch(set)) => Self::Each(all(set.rules)?),
            Some(R::NotMatch(rule)) => Self::Not(Box::new(Self::parse(*rule)?)),
            Some(R::DestinationPortRange(range)) => {
                let bound = |n: i32| u16::try_from(n.clamp(0, 65_535)).unwrap_or(u16::MAX);
                // The end is not part of a range; 65536 stands behind the last port.
                if range.end > 65_535 {
                    Self::Range(bound(range.start), u16::MAX)
                } else if range.end <= range.start {
                    Self::None
                } else {
                    Self::Range(bound(range.start), bound(range.end - 1))
                }
            }
            None => return Err(Bad::new("rule", "is missing")),
        })
    }

    fn contains(&self, port: u16) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Range(first, last) => (*first..=*last).contains(&port),
            Self::Any(of) => of.iter().any(|ports| ports.contains(port)),
            Self::Each(of) => of.iter().all(|ports| ports.contains(port)),
            Self::Not(ports) => !ports.contains(port),
        }
    }
}
