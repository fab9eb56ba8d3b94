use super::*;

#[test]
fn quantities_are_read_in_thousandths() {
    let cases = [
        ("100m", 100),
        ("1", 1000),
        ("1.5", 1500),
        ("64Mi", 64 * 1024 * 1024 * 1000),
        ("1G", 1_000_000_000_000),
        ("2e3", 2_000_000),
        ("1n", 1),
    ];
    for (text, thousandths) in cases {
        assert_eq!(quantity::parse(text), Some(thousandths), "{text}");
    }
    assert_eq!((quantity::parse("much"), quantity::parse("")), (None, None));
}

#[test]
fn a_pod_asks_for_its_containers_and_sidecars_or_its_greediest_start() {
    let cpu = |amount: &str| json!({"requests": {"cpu": amount}});
    let pod = json!({"spec": {
        "initContainers": [
            {"name": "side", "restartPolicy": "Always", "resources": cpu("100m")},
            {"name": "init", "resources": cpu("2")},
        ],
        "containers": [{"name": "a", "resources": cpu("500m")}, {"name": "b", "resources": cpu("250m")}],
    }});
    let mut pod = Object::new(pod).expect("an object");
    assert_eq!(quantity::requests(&pod)["cpu"], 2100);
    pod.value_mut()["spec"]["initContainers"][1]["resources"] = cpu("200m");
    assert_eq!(quantity::requests(&pod)["cpu"], 850);
}

#[test]
fn reasons_are_counted_and_sorted() {
    let refusal = |reason: &str, for_good| Some(Refusal { reasons: vec![reason.to_owned()], for_good });
    let text = explain(&[refusal("Too many pods", false), refusal("Insufficient cpu", false), refusal("gone", true)]);
    let expected = "0/3 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 gone. preemption: 0/3 nodes are \
        available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.";
    assert_eq!(text, expected);
    assert_eq!(explain(&[]), "no nodes available to schedule pods");
}
