use k8s_openapi::api::apps::v1::{DeploymentStrategy, ReplicaSetSpec, ReplicaSetStatus, RollingUpdateDeployment};
use proptest::prelude::*;

use super::*;

fn limits(replicas: i32, surge: IntOrString, unavailable: IntOrString) -> Limits {
    let rolling_update = RollingUpdateDeployment { max_surge: Some(surge), max_unavailable: Some(unavailable) };
    let strategy = DeploymentStrategy { rolling_update: Some(rolling_update), type_: None };
    Limits::of(&DeploymentSpec { replicas: Some(replicas), strategy: Some(strategy), ..DeploymentSpec::default() })
}

fn percent(percent: i32) -> IntOrString {
    IntOrString::String(format!("{percent}%"))
}

fn set(name: &str, size: i32, available: i32, most: i32) -> ReplicaSet {
    let mut set = ReplicaSet {
        spec: Some(ReplicaSetSpec { replicas: Some(size), ..ReplicaSetSpec::default() }),
        status: Some(ReplicaSetStatus { available_replicas: Some(available), ..ReplicaSetStatus::default() }),
        ..ReplicaSet::default()
    };
    set.metadata.uid = Some(name.to_owned());
    revision::note_sizes(&mut set.metadata, most, most);
    set
}

#[test]
fn surge_rounds_up_and_unavailable_down() {
    let seen = |replicas| {
        let limits = limits(replicas, percent(25), percent(25));
        (limits.most() - replicas, limits.unavailable())
    };
    assert_eq!((seen(1), seen(3), seen(4), seen(10)), ((1, 0), (1, 0), (1, 1), (3, 2)));
    assert_eq!(limits(5, percent(0), IntOrString::Int(0)).unavailable(), 1, "with neither nothing could move");
    assert_eq!(limits(2, IntOrString::Int(1), IntOrString::Int(9)).unavailable(), 2);
    assert_eq!(limits(0, percent(25), percent(25)).unavailable(), 0);
}

#[test]
fn the_new_set_grows_into_what_the_surge_leaves() {
    let limits = limits(10, percent(30), percent(20));
    assert_eq!(limits.new_size(0, 10), 3);
    assert_eq!(limits.new_size(3, 13), 3);
    assert_eq!(limits.new_size(5, 11), 7);
    assert_eq!(limits.new_size(12, 12), 10);
}

#[test]
fn pods_that_never_got_ready_go_before_those_that_serve() {
    let limits = limits(10, IntOrString::Int(3), IntOrString::Int(2));
    let old = [set("bad", 3, 0, 13), set("good", 7, 7, 13)];
    let new = set("new", 3, 3, 13);
    let sizes = shrink_old(limits, Some(&new), &old);
    assert_eq!(sizes, [("bad".to_owned(), 0), ("good".to_owned(), 5)]);
    let unready = set("new", 3, 0, 13);
    let sizes = shrink_old(limits, Some(&unready), &[set("good", 10, 10, 13)]);
    assert_eq!(sizes, [("good".to_owned(), 8)]);
}

#[test]
fn a_resize_in_a_rollout_is_shared_in_proportion() {
    // 10 replicas with a surge of 3 become 15: 8 and 5 become 11 and 7.
    let limits = limits(15, IntOrString::Int(3), IntOrString::Int(2));
    let (old, new) = ([set("old", 8, 8, 13)], set("new", 5, 0, 13));
    assert_eq!(resize(limits, Some(&new), &old, 13), [("old".to_owned(), 11), ("new".to_owned(), 7)]);
    let alone = [set("old", 8, 8, 13)];
    assert_eq!(resize(limits, None, &alone, 8), [("old".to_owned(), 15)]);
}

proptest! {
    /// However sizes lie, a step keeps within the fences.
    #[test]
    fn a_step_of_a_rollout_keeps_within_its_fences(
        replicas in 0..40i32, surge in 0..50i32, unavailable in 0..50i32,
        old in prop::collection::vec((0..20i32, 0..20i32), 0..4), new in (0..20i32, 0..20i32),
    ) {
        let limits = limits(replicas, percent(surge), percent(unavailable));
        let old: Vec<ReplicaSet> = old.iter().enumerate()
            .map(|(n, (size, up))| set(&format!("old-{n}"), *size, (*up).min(*size), limits.most())).collect();
        let new = set("new", new.0, new.1.min(new.0), limits.most());
        let total: i32 = old.iter().chain([&new]).map(size).sum();
        let grown = limits.new_size(size(&new), total);
        prop_assert!(grown <= replicas.max(size(&new)));
        prop_assert!(total - size(&new) + grown <= limits.most().max(total));
        let up: i32 = old.iter().chain([&new]).map(available).sum();
        let mut left = up;
        for (uid, to) in shrink_old(limits, Some(&new), &old) {
            let set = old.iter().find(|set| super::uid(set) == uid).expect("an old set");
            prop_assert!((0..=size(set)).contains(&to));
            // Unavailable pods are counted to go first.
            left -= (available(set) - to).max(0);
        }
        prop_assert!(left >= (replicas - limits.unavailable()).min(up));
    }

    /// A resize never goes past what the strategy allows in all; growth reaches it at once.
    #[test]
    fn a_resize_goes_the_right_way(replicas in 1..40i32, sizes in prop::collection::vec(1..20i32, 2..5), most in 1..60i32) {
        let limits = limits(replicas, percent(25), percent(25));
        let old: Vec<ReplicaSet> =
            sizes.iter().enumerate().map(|(n, size)| set(&format!("old-{n}"), *size, *size, most)).collect();
        let resized = resize(limits, None, &old, most);
        prop_assert!(resized.iter().all(|(_, size)| *size >= 0));
        let (before, after): (i32, i32) = (sizes.iter().sum(), resized.iter().map(|(_, size)| size).sum());
        if before <= limits.most() {
            prop_assert_eq!(after, limits.most());
        } else {
            prop_assert!((limits.most()..=before).contains(&after));
        }
    }
}
