//! Which policy a port of a service, or of a subset of it, gets.

use crate::config::{PolicyBlocks, ProxyProtocol, TrafficPolicy, Tunnel};

/// What holds for one cluster, every layer taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EffectivePolicy {
    /// Load balancing, connection pool, outlier detection, TLS.
    pub blocks: PolicyBlocks,
    /// Through a proxy.
    pub tunnel: Option<Tunnel>,
    /// Header before the first byte.
    pub proxy_protocol: Option<ProxyProtocol>,
}

impl EffectivePolicy {
    /// The rule's policy for `port`, with the subset's laid over it (D5, D6).
    pub fn of(rule: Option<&TrafficPolicy>, subset: Option<&TrafficPolicy>, port: u16) -> Self {
        let mut effective = rule.map(|policy| Self::top(policy, port)).unwrap_or_default();
        let Some(subset) = subset else { return effective };
        let (ours, theirs) = (&mut effective.blocks, &subset.blocks);
        overlay(&mut ours.load_balancer, theirs.load_balancer.as_ref());
        overlay(&mut ours.connection_pool, theirs.connection_pool.as_ref());
        overlay(&mut ours.outlier_detection, theirs.outlier_detection.as_ref());
        overlay(&mut ours.tls, theirs.tls.as_ref());
        overlay(&mut effective.tunnel, subset.tunnel.as_ref());
        overlay(&mut effective.proxy_protocol, subset.proxy_protocol.as_ref());
        if let Some(blocks) = of_port(subset, port) {
            effective.blocks = blocks.clone();
        }
        effective
    }

    /// D6: an entry for the port stands instead of everything else.
    fn top(policy: &TrafficPolicy, port: u16) -> Self {
        match of_port(policy, port) {
            Some(blocks) => Self { blocks: blocks.clone(), tunnel: None, proxy_protocol: None },
            None => Self {
                blocks: policy.blocks.clone(),
                tunnel: policy.tunnel.clone(),
                proxy_protocol: policy.proxy_protocol,
            },
        }
    }
}

fn of_port(policy: &TrafficPolicy, port: u16) -> Option<&PolicyBlocks> {
    policy.ports.iter().find(|(number, _)| number.get() == port).map(|(_, blocks)| blocks)
}

fn overlay<T: Clone>(below: &mut Option<T>, above: Option<&T>) {
    if let Some(block) = above {
        *below = Some(block.clone());
    }
}
