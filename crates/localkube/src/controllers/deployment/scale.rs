//! How large each ReplicaSet of a Deployment should be: arithmetic alone.

use std::cmp::Reverse;

use k8s_openapi::{
    api::apps::v1::{DeploymentSpec, ReplicaSet},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{available, revision, size, uid};

/// What a Deployment allows while it rolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    replicas: i32,
    /// None: strategy Recreate.
    rolling: Option<Fence>,
}

/// How far a rolling update may stray from `replicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    surge: i32,
    unavailable: i32,
}

impl Limits {
    pub(super) fn of(spec: &DeploymentSpec) -> Self {
        let replicas = spec.replicas.unwrap_or(1);
        let strategy = spec.strategy.as_ref();
        if strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate")) {
            return Self { replicas, rolling: None };
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let quarter = IntOrString::String("25%".to_owned());
        let surge = rolling.and_then(|r| r.max_surge.as_ref()).unwrap_or(&quarter);
        let unavailable = rolling.and_then(|r| r.max_unavailable.as_ref()).unwrap_or(&quarter);
        Self { replicas, rolling: Some(Fence::new(surge, unavailable, replicas)) }
    }

    fn surge(self) -> i32 {
        self.rolling.map_or(0, |fence| fence.surge)
    }

    /// At most so many pods may be unavailable.
    pub(super) fn unavailable(self) -> i32 {
        self.rolling.map_or(0, |fence| fence.unavailable.min(self.replicas))
    }

    /// At most so many pods may exist.
    pub(super) fn most(self) -> i32 {
        self.replicas + self.surge()
    }

    /// The size of the new ReplicaSet, which has `size` now, when all have `total` together.
    pub(super) fn new_size(self, size: i32, total: i32) -> i32 {
        if self.rolling.is_none() || size > self.replicas {
            return self.replicas;
        }
        size + (self.most() - total).min(self.replicas - size).max(0)
    }
}

impl Fence {
    fn new(surge: &IntOrString, unavailable: &IntOrString, replicas: i32) -> Self {
        let surge = scaled(surge, replicas, true);
        let unavailable = scaled(unavailable, replicas, false);
        // With neither, nothing could ever move.
        Self { surge, unavailable: if surge == 0 && unavailable == 0 { 1 } else { unavailable } }
    }
}

/// A number, or a percentage of `of`, rounded up or down.
fn scaled(value: &IntOrString, of: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(count) => *count,
        IntOrString::String(text) => {
            let percent: i64 = text.strip_suffix('%').and_then(|number| number.parse().ok()).unwrap_or(0);
            let hundredfold = percent * i64::from(of) + if up { 99 } else { 0 };
            i32::try_from(hundredfold.div_euclid(100)).unwrap_or(i32::MAX)
        }
    }
}

/// Sizes, by uid.
pub(super) type Sizes = Vec<(String, i32)>;

/// New sizes for the old ReplicaSets in a rolling update: first what never became available goes, then what the
/// available pods of others allow.
pub(super) fn shrink_old(limits: Limits, new: Option<&ReplicaSet>, old: &[ReplicaSet]) -> Sizes {
    let total: i32 = old.iter().chain(new).map(size).sum();
    let least = limits.replicas - limits.unavailable();
    let new_unavailable = new.map_or(0, |new| size(new) - available(new));
    let room = total - least - new_unavailable;
    if room <= 0 || old.iter().map(size).sum::<i32>() == 0 {
        return Vec::new();
    }
    let mut sizes: Vec<i32> = old.iter().map(size).collect();
    let mut left = room;
    for (set, size) in old.iter().zip(&mut sizes) {
        let unhealthy = (*size - available(set)).clamp(0, left.max(0));
        *size -= unhealthy;
        left -= unhealthy;
    }
    let mut left = old.iter().chain(new).map(available).sum::<i32>() - least;
    for size in &mut sizes {
        let surplus = (*size).min(left).max(0);
        *size -= surplus;
        left -= surplus;
    }
    old.iter().zip(sizes).filter(|(set, to)| size(set) != *to).map(|(set, to)| (uid(set), to)).collect()
}

/// New sizes after `replicas` changed, outside of the course of a rollout. `before`: the Deployment's pods as last told.
pub(super) fn resize(limits: Limits, new: Option<&ReplicaSet>, old: &[ReplicaSet], before: i32) -> Sizes {
    let active: Vec<&ReplicaSet> = old.iter().chain(new).filter(|set| size(set) > 0).collect();
    let only = match active[..] {
        [] => new.or(old.last()),
        [only] => Some(only),
        _ => None,
    };
    if let Some(only) = only {
        return vec![(uid(only), limits.replicas)];
    }
    let saturated = |set: &&ReplicaSet| {
        revision::desired(set) == Some(limits.replicas)
            && size(set) == limits.replicas
            && available(set) == limits.replicas
    };
    if new.filter(saturated).is_some() {
        return old.iter().filter(|set| size(set) > 0).map(|set| (uid(set), 0)).collect();
    }
    if limits.rolling.is_none() {
        return Vec::new();
    }
    share(limits, active, before)
}

/// Shares growth or shrinkage among the active ReplicaSets in proportion to their sizes; what rounding leaves goes to
/// the largest.
fn share(limits: Limits, mut active: Vec<&ReplicaSet>, before: i32) -> Sizes {
    let total: i32 = active.iter().map(|set| size(set)).sum();
    let allowed = if limits.replicas > 0 { limits.most() } else { 0 };
    let change = allowed - total;
    let born = |set: &ReplicaSet| set.metadata.creation_timestamp.clone();
    // The largest first; of equals, the newest grows and the oldest shrinks first.
    active.sort_by_key(|set| born(set));
    if change > 0 {
        active.reverse();
    }
    active.sort_by_key(|set| Reverse(size(set)));
    let mut given = 0;
    let mut sizes: Sizes = Vec::new();
    for set in active {
        let left = change - given;
        let part = fraction(limits, set, before).clamp(left.min(0), left.max(0));
        given += part;
        sizes.push((uid(set), size(set) + part));
    }
    if let Some((_, largest)) = sizes.first_mut() {
        *largest = (*largest + change - given).max(0);
    }
    sizes
}

/// How much a ReplicaSet would change if all changed alike.
fn fraction(limits: Limits, set: &ReplicaSet, before: i32) -> i32 {
    let size = size(set);
    if limits.replicas == 0 {
        return -size;
    }
    let most_before = revision::most(set).unwrap_or(before);
    if most_before == 0 {
        return 0;
    }
    let share = f64::from(size) * f64::from(limits.most()) / f64::from(most_before);
    #[allow(clippy::cast_possible_truncation, reason = "a share of an i32 that is near to it; `as` saturates")]
    let rounded = share.round() as i32;
    rounded - size
}

#[cfg(test)]
mod tests;
