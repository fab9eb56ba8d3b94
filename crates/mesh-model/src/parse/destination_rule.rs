//! DestinationRule.

use std::collections::BTreeSet;

use super::{
    at::At,
    traffic_policy::traffic_policy,
    words::{Export, complete_host, dns_label, export_to, label_selector, labels},
};
use crate::config::{DestinationRule, Subset};

pub(super) fn destination_rule(rule: &istio_api::DestinationRule, at: &At<'_>) -> Option<DestinationRule> {
    let host = complete_host(&rule.host, &at.field("host"));
    let policy = rule.traffic_policy.as_ref().map(|p| traffic_policy(p, &at.field("trafficPolicy")));
    let mut names = BTreeSet::new();
    let subsets = at.field("subsets").each(&rule.subsets, |subset, at| {
        if !names.insert(subset.name.clone()) {
            at.field("name").error(format!("there are two subsets `{}`", subset.name), "give them different names");
        }
        dns_label(&subset.name, "subset", &at.field("name"));
        let policy_at = &at.field("trafficPolicy");
        Some(Subset {
            name: subset.name.clone(),
            labels: labels(&subset.labels, &at.field("labels")),
            policy: subset.traffic_policy.as_ref().map(|p| traffic_policy(p, policy_at)),
        })
    });
    let workload_selector = label_selector(rule.workload_selector.as_ref(), &at.field("workloadSelector"));
    let export = if rule.workload_selector.is_some() { Export::OwnOnly } else { Export::Config };
    let export_to = export_to(&rule.export_to, export, &at.field("exportTo"));
    Some(DestinationRule { host: host?, policy, subsets, export_to, workload_selector })
}
