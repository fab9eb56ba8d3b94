use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ContainerStateTerminated, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use serde_json::{Value, json};

use super::{Observed, Seen, State, phase, pod_status, qos};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn running() -> Seen {
    Seen {
        state: State::Running { since: at(1) },
        id: "localkube://1".into(),
        started: true,
        ready: true,
        ..Seen::waiting("")
    }
}

fn ended(code: i32) -> Seen {
    let end = ContainerStateTerminated { exit_code: code, ..ContainerStateTerminated::default() };
    Seen { state: State::Terminated(end), id: "localkube://1".into(), ..Seen::waiting("") }
}

fn crashing() -> Seen {
    let end = ContainerStateTerminated { exit_code: 1, ..ContainerStateTerminated::default() };
    Seen { last: Some(end), id: "localkube://1".into(), ..Seen::waiting("CrashLoopBackOff") }
}

fn observed(containers: &[(&str, Seen)]) -> Observed {
    Observed {
        ip: Some([10, 244, 0, 5].into()),
        host_ip: [172, 18, 0, 2].into(),
        start: at(0),
        network: true,
        containers: containers
            .iter()
            .map(|(name, seen)| ((*name).to_owned(), seen.clone()))
            .collect::<BTreeMap<_, _>>(),
        failed: None,
        over: false,
    }
}

/// A pod with init container `i`, sidecar `s` and containers `a` and `b`.
fn pod(policy: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "spec": {
            "restartPolicy": policy,
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
            "containers": [{"name": "a", "image": "busybox"}, {"name": "b"}],
        },
    }))
    .unwrap()
}

#[test]
fn phases() {
    let new = || Seen::waiting("PodInitializing");
    let cases = [
        ("Always", [new(), new(), new(), new()], false, "Pending"),
        ("Always", [ended(0), Seen { started: false, ..running() }, new(), new()], false, "Pending"),
        ("Always", [ended(0), running(), running(), new()], false, "Pending"),
        ("Always", [ended(0), running(), running(), running()], false, "Running"),
        ("Always", [ended(0), crashing(), running(), running()], false, "Running"),
        ("Always", [ended(0), running(), crashing(), crashing()], false, "Running"),
        ("Always", [ended(0), running(), ended(0), ended(0)], false, "Running"),
        ("OnFailure", [ended(0), running(), ended(0), ended(1)], false, "Running"),
        ("OnFailure", [ended(0), running(), ended(0), ended(0)], false, "Succeeded"),
        ("Never", [ended(0), running(), ended(0), ended(1)], false, "Failed"),
        ("Never", [ended(0), running(), running(), ended(1)], false, "Running"),
        ("Never", [ended(3), new(), new(), new()], false, "Failed"),
        ("Always", [ended(3), new(), new(), new()], false, "Pending"),
        ("Always", [ended(0), ended(143), ended(143), ended(143)], true, "Failed"),
        ("Always", [ended(0), ended(137), ended(0), ended(0)], true, "Succeeded"),
    ];
    for (policy, [i, s, a, b], over, expected) in cases {
        let mut seen = observed(&[("i", i), ("s", s), ("a", a), ("b", b)]);
        seen.over = over;
        assert_eq!(phase(pod(policy).spec.as_ref().unwrap(), &seen), expected, "{policy} {seen:#?}");
    }
}

fn condition<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == name).unwrap()
}

#[test]
fn conditions_name_what_is_not_ready() {
    let unready = Seen { ready: false, ..running() };
    let seen = observed(&[("i", ended(0)), ("s", running()), ("a", unready), ("b", running())]);
    let status = serde_json::to_value(pod_status(&pod("Always"), &seen, &at(9))).unwrap();
    assert_eq!(condition(&status, "Ready")["reason"], "ContainersNotReady");
    assert_eq!(condition(&status, "Ready")["message"], "containers with unready status: [a]");
    assert_eq!(condition(&status, "Initialized")["status"], "True");
    assert_eq!(status["initContainerStatuses"][0]["ready"], true);
    assert_eq!(status["containerStatuses"][0]["ready"], false);
    let early = observed(&[("i", running()), ("s", Seen::waiting("PodInitializing"))]);
    let status = serde_json::to_value(pod_status(&pod("Always"), &early, &at(9))).unwrap();
    assert_eq!(condition(&status, "Initialized")["message"], "containers with incomplete status: [i s]");
    assert_eq!(condition(&status, "ContainersReady")["message"], "containers with unready status: [s a b]");
}

#[test]
fn times_move_with_the_status_only_and_foreign_conditions_stay() {
    let mut pod = pod("Always");
    pod.spec.as_mut().unwrap().readiness_gates =
        serde_json::from_value(json!([{"conditionType": "x.io/gate"}])).unwrap();
    let up = observed(&[("i", ended(0)), ("s", running()), ("a", running()), ("b", running())]);
    let first = pod_status(&pod, &up, &at(10));
    let value = serde_json::to_value(&first).unwrap();
    let text = "corresponding condition of pod readiness gate \"x.io/gate\" does not exist.";
    assert_eq!(condition(&value, "Ready")["message"], text);
    pod.status = Some(first);
    let gate = json!({"type": "x.io/gate", "status": "True"});
    pod.status.as_mut().unwrap().conditions.as_mut().unwrap().push(serde_json::from_value(gate).unwrap());
    let second = pod_status(&pod, &up, &at(20));
    let value = serde_json::to_value(&second).unwrap();
    assert_eq!(condition(&value, "Ready")["lastTransitionTime"], "1970-01-01T00:00:20Z");
    assert_eq!(condition(&value, "ContainersReady")["lastTransitionTime"], "1970-01-01T00:00:10Z");
    assert_eq!(condition(&value, "x.io/gate")["status"], "True");
}

#[test]
fn qos_classes() {
    let class = |resources: Value| {
        let pod: Pod =
            serde_json::from_value(json!({"spec": {"containers": [{"name": "c", "resources": resources}]}})).unwrap();
        qos::class(&pod.spec.unwrap())
    };
    assert_eq!(class(json!({})), "BestEffort");
    assert_eq!(class(json!({"requests": {"cpu": "100m"}})), "Burstable");
    assert_eq!(
        class(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}})),
        "Guaranteed"
    );
    assert_eq!(class(json!({"limits": {"cpu": "1"}})), "Burstable");
}
