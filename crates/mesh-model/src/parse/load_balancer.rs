//! Which endpoint, and which locality.

use istio_api::traffic_policy as api;

use super::{
    at::At,
    words::{percent, time, time_or_zero},
};
use crate::config::{
    FailoverRule, HashKey, HashTable, LbAlgorithm, LoadBalancer, LocalityLb, LocalityRule, Percent, Warmup,
};

/// Envoy's largest Maglev table has one place less.
const MAGLEV_MAX: u64 = 5_000_011;
/// Istio's default.
const RING_SIZE: u64 = 1024;
/// Labels of localities, which `failover` decides already.
const TOPOLOGY: &[&str] =
    &["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

pub(super) fn load_balancer(given: &api::LoadBalancerSettings, ejects: bool, at: &At<'_>) -> LoadBalancer {
    if given.simple.is_some() && given.consistent_hash.is_some() {
        at.error("both simple and consistentHash are set", "keep one of them");
    }
    let simple = given.simple.map(|simple| match simple {
        api::SimpleLb::Unspecified | api::SimpleLb::LeastRequest | api::SimpleLb::LeastConn => {
            LbAlgorithm::LeastRequest
        }
        api::SimpleLb::Random => LbAlgorithm::Random,
        api::SimpleLb::Passthrough => LbAlgorithm::Passthrough,
        api::SimpleLb::RoundRobin => LbAlgorithm::RoundRobin,
    });
    if given.simple == Some(api::SimpleLb::LeastConn) {
        at.field("simple").warn("LEAST_CONN is the old name of LEAST_REQUEST", "write LEAST_REQUEST");
    }
    let hash_at = &at.field("consistentHash");
    let locality_at = &at.field("localityLbSetting");
    LoadBalancer {
        algorithm: simple.or_else(|| given.consistent_hash.as_ref().and_then(|h| consistent_hash(h, hash_at))),
        locality: given.locality_lb_setting.as_ref().map(|l| {
            let names_regions = !l.failover.is_empty() || !l.failover_priority.is_empty();
            if names_regions && !ejects {
                locality_at.warn(
                    "without outlierDetection no endpoint counts as down, so nothing fails over",
                    "add outlierDetection to the same policy",
                );
            }
            locality(l, locality_at)
        }),
        warmup: warmup(given, at),
    }
}

fn consistent_hash(given: &api::ConsistentHashLb, at: &At<'_>) -> Option<LbAlgorithm> {
    let cookie = given.http_cookie.as_ref().map(|c| {
        let at = &at.field("httpCookie");
        if c.name.is_empty() {
            at.field("name").error("the cookie has no name", "name it");
        }
        HashKey::Cookie { name: c.name.clone(), path: c.path.clone(), ttl: time_or_zero(c.ttl, &at.field("ttl")) }
    });
    let mut keys = [
        given.http_header_name.clone().map(HashKey::Header),
        cookie,
        given.use_source_ip.unwrap_or(false).then_some(HashKey::SourceIp),
        given.http_query_parameter_name.clone().map(HashKey::QueryParameter),
    ]
    .into_iter()
    .flatten();
    let (key, another) = (keys.next(), keys.next());
    if key.is_none() || another.is_some() {
        at.error(
            if key.is_none() { "nothing is hashed" } else { "more than one thing is hashed" },
            "set one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName",
        );
    }
    Some(LbAlgorithm::ConsistentHash { key: key?, table: table(given, at) })
}

fn table(given: &api::ConsistentHashLb, at: &At<'_>) -> HashTable {
    let old = given.minimum_ring_size;
    if old != 0 {
        at.field("minimumRingSize")
            .warn("minimumRingSize is the old form of ringHash", "write ringHash.minimumRingSize");
    }
    let algorithms = [old != 0, given.ring_hash.is_some(), given.maglev.is_some()];
    if algorithms.iter().filter(|set| **set).count() > 1 {
        at.error("more than one of ringHash, maglev and minimumRingSize is set", "keep one of them");
    }
    if let Some(maglev) = &given.maglev {
        let size = maglev.table_size;
        if size >= MAGLEV_MAX || !is_prime(size) {
            at.field("maglev").field("tableSize").error(
                format!("{size} cannot be the size of the table"),
                format!("write a prime below {MAGLEV_MAX}, such as 65537"),
            );
        }
        return HashTable::Maglev { table_size: size };
    }
    let size = given.ring_hash.as_ref().map_or(old, |r| r.minimum_ring_size);
    HashTable::Ring { minimum_size: if size == 0 { RING_SIZE } else { size } }
}

fn is_prime(n: u64) -> bool {
    n > 1 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

fn warmup(given: &api::LoadBalancerSettings, at: &At<'_>) -> Option<Warmup> {
    let old = given.warmup_duration_secs;
    if old.is_some() {
        at.field("warmupDurationSecs").warn("warmupDurationSecs is the old form of warmup", "write warmup.duration");
    }
    let at = &at.field("warmup");
    let Some(new) = &given.warmup else {
        let duration = time(old, at)?;
        return Some(Warmup { duration, minimum: Percent::TEN, aggression_thousandths: 1000 });
    };
    if new.duration.is_none() {
        at.field("duration").error("the warm-up has no length", "write for example 30s");
    }
    let aggression = new.aggression.unwrap_or(1.0);
    if !(1.0..=1e6).contains(&aggression) {
        at.field("aggression").error(format!("{aggression} is no aggression"), "write a number of at least 1");
    }
    let minimum_at = &at.field("minimumPercent");
    Some(Warmup {
        duration: time(new.duration, &at.field("duration"))?,
        minimum: new.minimum_percent.map_or(Percent::TEN, |p| percent(p, minimum_at)),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        aggression_thousandths: (aggression.clamp(1.0, 1e6) * 1000.0).round() as u32,
    })
}

/// Preference by place; also that of the mesh's settings.
pub(super) fn locality(given: &api::LocalityLbSetting, at: &At<'_>) -> LocalityLb {
    let fails_over = !given.failover.is_empty() || !given.failover_priority.is_empty();
    if !given.distribute.is_empty() && fails_over {
        at.error("distribute cannot stand beside failover and failoverPriority", "keep one way");
    }
    check_failover(given, at);
    let distribute_at = &at.field("distribute");
    let distribute = distribute_at.each(&given.distribute, |d, at| {
        let sum: u64 = d.to.values().map(|w| u64::from(*w)).sum();
        if sum != 100 || d.to.values().any(|w| *w == 0) {
            at.field("to").error(format!("the shares sum to {sum}"), "write shares above 0 that sum to 100");
        }
        let to: Vec<&str> = d.to.keys().map(String::as_str).collect();
        check_places(&to, &at.field("to"));
        Some((d.from.clone(), d.to.clone()))
    });
    let from: Vec<&str> = given.distribute.iter().map(|d| d.from.as_str()).collect();
    check_places(&from, distribute_at);
    let rule = if !distribute.is_empty() {
        LocalityRule::Distribute(distribute)
    } else if fails_over {
        let regions = given.failover.iter().map(|f| FailoverRule { from: f.from.clone(), to: f.to.clone() }).collect();
        LocalityRule::Failover { regions, priority: given.failover_priority.clone() }
    } else {
        LocalityRule::Nearest
    };
    LocalityLb { enabled: given.enabled, rule }
}

fn check_failover(given: &api::LocalityLbSetting, at: &At<'_>) {
    let regions_at = &at.field("failover");
    for (index, rule) in given.failover.iter().enumerate() {
        let at = &regions_at.index(index);
        if rule.from == rule.to {
            at.error(format!("region `{}` cannot stand in for itself", rule.from), "name another region");
        }
        if rule.from.is_empty() || [&rule.from, &rule.to].iter().any(|r| r.contains(['*', '/'])) {
            at.error("failover goes from region to region", "write the names of regions, without zones or `*`");
        }
    }
    let labels_at = &at.field("failoverPriority");
    for (index, label) in given.failover_priority.iter().enumerate() {
        if !given.failover.is_empty() && TOPOLOGY.contains(&label.as_str()) {
            labels_at
                .index(index)
                .error(format!("`{label}` and failover decide the same"), "remove the label, or failover");
        }
    }
}

/// Refuses places that lie in one another, and `*` before the end.
fn check_places(places: &[&str], at: &At<'_>) {
    for (nth, place) in places.iter().enumerate() {
        if place.is_empty() || place.split('/').any(str::is_empty) || place.split('/').count() > 3 {
            at.error(format!("`{place}` is no place"), "write region, region/zone or region/zone/subzone");
        }
        if place
            .strip_suffix('*')
            .is_some_and(|before| before.contains('*') || !(before.is_empty() || before.ends_with('/')))
            || (place.contains('*') && !place.ends_with('*'))
        {
            at.error(format!("`{place}` has a `*` before its end"), "write `*` as the last part only");
        }
        let lies_in = |outer: &str| {
            let outer = outer.trim_end_matches('*').trim_end_matches('/');
            outer.is_empty() || *place == outer || place.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
        };
        for (other_nth, outer) in places.iter().enumerate() {
            if nth != other_nth && lies_in(outer) && (nth > other_nth || place != outer) {
                at.error(format!("`{place}` lies in `{outer}`"), "name places that do not overlap");
            }
        }
    }
}
