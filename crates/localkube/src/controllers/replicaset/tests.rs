use serde_json::json;

use super::*;

fn pod(name: &str, spec: &Value, status: &Value) -> Object {
    let meta = json!({"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"});
    Object::new(json!({"metadata": meta, "spec": spec, "status": status})).expect("an object")
}

fn ready(since: &str) -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]})
}

fn order(pods: &[Object], crowded: &str) -> Vec<String> {
    let related = HashMap::from([(crowded.to_owned(), 5)]);
    let now = "2026-01-02T00:00:00Z".parse().expect("a time");
    let mut ranks: Vec<Rank> = pods.iter().map(|pod| Rank::new(pod, &related)).collect();
    ranks.sort_by(|a, b| a.cmp(b, now));
    ranks.iter().map(|rank| rank.pod.name().to_owned()).collect()
}

#[test]
fn the_least_useful_pods_go_first() {
    let (on, other) = (json!({"nodeName": "n1"}), json!({"nodeName": "n2"}));
    let (old, young) = (ready("2026-01-01T00:00:00Z"), ready("2026-01-01T23:59:00Z"));
    let mut cheap = pod("cheap", &on, &old);
    cheap.set_meta("annotations", json!({"controller.kubernetes.io/pod-deletion-cost": "-1"}));
    let mut restarted = old.clone();
    restarted["containerStatuses"] = json!([{"restartCount": 3}]);
    let pods = [
        pod("old", &on, &old),
        pod("restarted", &on, &restarted),
        pod("young", &on, &young),
        pod("crowded", &other, &old),
        cheap,
        pod("unready", &on, &json!({"phase": "Running"})),
        pod("pending", &on, &json!({"phase": "Pending"})),
        pod("unassigned", &json!({}), &json!({"phase": "Pending"})),
    ];
    let expected = ["unassigned", "pending", "unready", "cheap", "crowded", "young", "restarted", "old"];
    assert_eq!(order(&pods, "n2"), expected);
}

#[test]
fn ages_are_compared_by_magnitude_then_by_uid() {
    let on = json!({"nodeName": "n1"});
    let pods = [pod("b", &on, &ready("2026-01-01T00:00:00Z")), pod("a", &on, &ready("2025-12-31T23:00:00Z"))];
    assert_eq!(order(&pods, ""), ["a", "b"], "a day is as old as a day and an hour");
}

#[tokio::test]
async fn a_refusal_stops_the_batches() {
    let mut asked = 0;
    let refused = slow_start(100, || {
        asked += 1;
        let refuse = asked >= 3;
        async move { if refuse { Err(Status::bad_request("no")) } else { Ok(()) } }
    });
    assert!(refused.await.is_err());
    assert_eq!(asked, 3);
}
