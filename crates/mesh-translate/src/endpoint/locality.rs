//! Which localities are asked first.
//!
//! <https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/>

use std::collections::BTreeSet;

use mesh_model::{
    config::{FailoverRule, LocalityRule, MeshConfig, PolicyBlocks},
    push_context::PortEndpoint,
};
use mesh_types::Locality;

use crate::{
    pb::{core, endpoint::LocalityLbEndpoints},
    view::ProxyView,
    wire::number,
};

/// How the localities of one cluster are ranked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule<'a> {
    /// All are alike.
    Alike,
    /// By shares.
    Shares(&'a [(String, std::collections::BTreeMap<String, u32>)]),
    /// Near before far, then along these.
    Near(&'a [FailoverRule]),
    /// By labels shared with the client.
    Labels(&'a [String]),
}

impl<'a> Rule<'a> {
    /// Failover needs ejection, for otherwise no endpoint is ever found to be down; shares do not.
    pub(super) fn of(mesh: &'a MeshConfig, blocks: &'a PolicyBlocks) -> Self {
        let own = blocks.load_balancer.as_ref().and_then(|lb| lb.locality.as_ref());
        let setting = own.unwrap_or(&mesh.locality_lb);
        if !setting.enabled.or(mesh.locality_lb.enabled).unwrap_or(true) {
            return Self::Alike;
        }
        let ejects = blocks.outlier_detection.is_some();
        match &setting.rule {
            LocalityRule::Distribute(shares) => Self::Shares(shares),
            _ if !ejects => Self::Alike,
            LocalityRule::Nearest => Self::Near(&[]),
            LocalityRule::Failover { priority, .. } if !priority.is_empty() => Self::Labels(priority),
            LocalityRule::Failover { regions, .. } => Self::Near(regions),
        }
    }

    /// 0 is asked first.
    pub(super) fn rank(&self, view: &ProxyView, endpoint: &PortEndpoint) -> u32 {
        match self {
            Self::Alike | Self::Shares(_) => 0,
            Self::Near(failover) => distance(&view.locality, &endpoint.locality, failover),
            Self::Labels(labels) => missing_labels(labels, view, endpoint),
        }
    }

    /// Rewrites weights by shares, and drops localities that have none.
    pub(super) fn distribute(&self, view: &ProxyView, groups: &mut Vec<LocalityLbEndpoints>) {
        let Self::Shares(shares) = self else { return };
        let Some((_, to)) = shares.iter().find(|(from, _)| covers(from, &view.locality)) else { return };
        let mut kept = BTreeSet::new();
        for (pattern, share) in to {
            let members: Vec<usize> =
                (0..groups.len()).filter(|i| !kept.contains(i) && covers(pattern, &locality_of(&groups[*i]))).collect();
            let weights: Vec<u64> =
                members.iter().map(|i| groups[*i].load_balancing_weight.map_or(1, |w| u64::from(w.value))).collect();
            let total: u64 = weights.iter().sum();
            for (i, weight) in members.into_iter().zip(weights) {
                let part = (weight * u64::from(*share)).div_ceil(total.max(1));
                if part > 0 {
                    kept.insert(i);
                }
                groups[i].load_balancing_weight = number(u32::try_from(part).unwrap_or(u32::MAX));
            }
        }
        let mut index = 0;
        groups.retain(|_| {
            index += 1;
            kept.contains(&(index - 1))
        });
    }
}

/// 0 same sub-zone, 1 same zone, 2 same region, 3 where failover leads, 4 elsewhere.
fn distance(ours: &Locality, theirs: &Locality, failover: &[FailoverRule]) -> u32 {
    if ours.region != theirs.region {
        let target = failover.iter().find(|rule| rule.from == ours.region).map(|rule| &rule.to);
        return if target.is_none_or(|to| *to == theirs.region) { 3 } else { 4 };
    }
    match (ours.zone == theirs.zone, ours.sub_zone == theirs.sub_zone) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// How many labels, from the last shared one on, the endpoint does not share.
fn missing_labels(labels: &[String], view: &ProxyView, endpoint: &PortEndpoint) -> u32 {
    let shared = labels.iter().take_while(|label| {
        let (key, pinned) = label.split_once('=').map_or((label.as_str(), None), |(key, value)| (key, Some(value)));
        let wanted = pinned.map(str::to_owned).or_else(|| value(key, view.labels.value(key), &view.locality));
        let found = value(key, endpoint.labels.value(key), &endpoint.locality);
        wanted.unwrap_or_default() == found.unwrap_or_default()
    });
    u32::try_from(labels.len() - shared.count()).unwrap_or(u32::MAX)
}

/// A label, or what the locality says where the label is of topology.
fn value(key: &str, label: Option<&str>, locality: &Locality) -> Option<String> {
    let place = match key {
        "topology.kubernetes.io/region" => &locality.region,
        "topology.kubernetes.io/zone" => &locality.zone,
        "topology.istio.io/subzone" => &locality.sub_zone,
        _ => return label.map(str::to_owned),
    };
    label.map(str::to_owned).or_else(|| (!place.is_empty()).then(|| place.clone()))
}

/// Whether `region/zone/*` and the like mean a locality.
fn covers(pattern: &str, locality: &Locality) -> bool {
    let places = [&locality.region, &locality.zone, &locality.sub_zone];
    for (wanted, place) in pattern.split('/').zip(places) {
        if wanted == "*" {
            return true;
        }
        if wanted != place {
            return false;
        }
    }
    true
}

fn locality_of(group: &LocalityLbEndpoints) -> Locality {
    let core::Locality { region, zone, sub_zone } = group.locality.clone().unwrap_or_default();
    Locality { region, zone, sub_zone }
}

/// Envoy wants priorities without gaps.
pub(super) fn renumber(groups: &mut [LocalityLbEndpoints]) {
    let used: BTreeSet<u32> = groups.iter().map(|group| group.priority).collect();
    for group in groups.iter_mut() {
        group.priority = u32::try_from(used.range(..group.priority).count()).unwrap_or(u32::MAX);
    }
    groups.sort_by_key(|group| group.priority);
}
