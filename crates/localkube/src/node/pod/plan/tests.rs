use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, PodSpec},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use serde_json::json;

use super::{Noticed, plan};
use crate::node::{
    probe::Kind,
    status::{Seen, State},
};

fn new() -> Seen {
    Seen::waiting("PodInitializing")
}

fn up() -> Seen {
    let since = Time(Timestamp::from_second(1).unwrap());
    Seen { state: State::Running { since }, id: "localkube://1".into(), started: true, ready: true, ..new() }
}

fn starting() -> Seen {
    Seen { started: false, ..up() }
}

fn end(code: i32) -> Seen {
    let end = ContainerStateTerminated { exit_code: code, ..ContainerStateTerminated::default() };
    Seen { state: State::Terminated(end), id: "localkube://1".into(), ..new() }
}

fn waiting_again(code: i32) -> Seen {
    let State::Terminated(last) = end(code).state else { unreachable!() };
    Seen { last: Some(last), id: "localkube://1".into(), ..Seen::waiting("CrashLoopBackOff") }
}

/// Init container `i`, sidecar `s`, init container `j`, containers `a` and `b`.
fn steps(policy: &str, [i, s, j, a, b]: [Seen; 5]) -> (String, bool) {
    let spec: PodSpec = serde_json::from_value(json!({
        "restartPolicy": policy,
        "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}, {"name": "j"}],
        "containers": [{"name": "a"}, {"name": "b"}],
    }))
    .unwrap();
    let seen: BTreeMap<String, Seen> =
        [("i", i), ("s", s), ("j", j), ("a", a), ("b", b)].map(|(name, seen)| (name.to_owned(), seen)).into();
    let plan = plan(&spec, &seen, &Noticed::default());
    (plan.start.concat(), plan.finished)
}

#[test]
fn init_containers_come_one_after_another_and_sidecars_stay() {
    let cases = [
        ("Always", [new(), new(), new(), new(), new()], "i", false),
        ("Always", [up(), new(), new(), new(), new()], "", false),
        ("Always", [end(0), new(), new(), new(), new()], "s", false),
        ("Always", [end(0), starting(), new(), new(), new()], "", false),
        ("Always", [end(0), up(), new(), new(), new()], "j", false),
        ("Always", [end(0), end(1), new(), new(), new()], "s", false),
        ("Always", [end(0), up(), end(2), new(), new()], "j", false),
        ("Never", [end(0), up(), end(2), new(), new()], "", true),
        ("Always", [end(0), up(), end(0), new(), new()], "ab", false),
    ];
    for (policy, seen, start, finished) in cases {
        assert_eq!(steps(policy, seen.clone()), (start.to_owned(), finished), "{policy} {seen:#?}");
    }
}

#[test]
fn main_containers_follow_the_restart_policy() {
    let with = |a: Seen, b: Seen, policy: &str| steps(policy, [end(0), up(), end(0), a, b]);
    assert_eq!(with(up(), end(0), "Always"), ("b".into(), false));
    assert_eq!(with(up(), end(0), "OnFailure"), (String::new(), false));
    assert_eq!(with(end(1), end(0), "OnFailure"), ("a".into(), false));
    assert_eq!(with(waiting_again(1), end(0), "OnFailure"), ("a".into(), false));
    assert_eq!(with(end(1), end(0), "Never"), (String::new(), true));
    assert_eq!(with(end(0), end(0), "OnFailure"), (String::new(), true));
    assert_eq!(steps("Never", [end(0), end(1), end(0), up(), up()]), ("s".into(), false), "a sidecar is always kept");
    assert_eq!(
        steps("Always", [end(0), starting(), end(0), end(1), up()]),
        ("a".into(), false),
        "and waits for nobody"
    );
}

#[test]
fn only_running_containers_are_killed() {
    let spec: PodSpec =
        serde_json::from_value(json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})).unwrap();
    let seen: BTreeMap<String, Seen> =
        [("a", up()), ("b", end(1)), ("c", up())].map(|(name, seen)| (name.to_owned(), seen)).into();
    let sick = ["a", "b"].map(|name| (name.to_owned(), Kind::Liveness)).into();
    let noticed = Noticed { sick, changed: ["c".to_owned()].into() };
    let texts: Vec<String> = plan(&spec, &seen, &noticed).kill.into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        texts,
        ["Container a failed liveness probe, will be restarted", "Container c definition changed, will be restarted"]
    );
}
