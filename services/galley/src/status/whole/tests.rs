use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn condition(is_true: bool) -> Vec<Condition> {
    let reason = if is_true { "Accepted" } else { "NoMatchingParent" };
    vec![Condition { kind: "Accepted", is_true, reason, message: "so".to_owned(), observed_generation: 1 }]
}

fn finding(status: Option<Value>, beside: Beside) -> Finding {
    Finding { resource_version: "1".to_owned(), status, conditions: condition(true), fields: Map::new(), beside }
}

#[test]
fn a_gateways_status_is_written_once() {
    let beside = Beside::Gateway {
        addresses: vec![json!({ "type": "IPAddress", "value": "192.0.2.1" })],
        listeners: vec![(json!({ "name": "http", "attachedRoutes": 1, "supportedKinds": [] }), condition(true))],
    };
    let status = wanted(&finding(None, beside.clone()), NOW).expect("something to write");
    assert_eq!(status["listeners"][0]["conditions"][0]["type"], "Accepted");
    assert_eq!(status["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    assert_eq!(wanted(&finding(Some(status.into()), beside), "2025-01-01T00:00:00Z".parse().unwrap()), None);
}

#[test]
fn what_other_controllers_say_of_a_route_stays() {
    let other = json!({ "parentRef": { "name": "theirs" }, "controllerName": "other.io/c", "conditions": [] });
    let parents = |is_true| Beside::Route(vec![(json!({ "name": "edge" }), condition(is_true))]);
    let status = wanted(&finding(Some(json!({ "parents": [other] })), parents(true)), NOW).expect("something to write");
    assert_eq!(status["parents"][0], other);
    assert_eq!(status["parents"][1]["controllerName"], CONTROLLER);
    assert_eq!(wanted(&finding(Some(status.clone().into()), parents(true)), NOW), None);

    // The API server filled in what the reference left out; it is the same parent.
    let mut filled = status;
    filled["parents"][1]["parentRef"] =
        json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge" });
    assert_eq!(wanted(&finding(Some(filled.clone().into()), parents(true)), NOW), None);
    let changed = wanted(&finding(Some(filled.clone().into()), parents(false)), NOW).expect("something to write");
    assert_eq!(changed["parents"][1]["conditions"][0]["status"], "False");
    let gone = wanted(&finding(Some(filled.into()), Beside::Route(Vec::new())), NOW).expect("something to write");
    assert_eq!(gone["parents"], json!([other]));
}
