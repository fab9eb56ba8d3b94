use super::*;

fn accepted(is_true: bool, generation: i64) -> Condition {
    Condition {
        kind: "Accepted",
        is_true,
        reason: "Valid",
        message: "fine".to_owned(),
        observed_generation: generation,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn what_is_there_already_is_not_written() {
    let first = merged(None, &[accepted(true, 1)], at(10)).expect("it is not there");
    let status = json!({ "conditions": first });
    assert_eq!(merged(Some(&status), &[accepted(true, 1)], at(20)), None);
}

#[test]
fn a_new_generation_is_written_and_keeps_the_time_of_transition() {
    let status = json!({ "conditions": merged(None, &[accepted(true, 1)], at(10)) });
    let second = merged(Some(&status), &[accepted(true, 2)], at(20)).expect("the generation changed");
    assert_eq!(second[0]["observedGeneration"], 2);
    assert_eq!(second[0]["lastTransitionTime"], "1970-01-01T00:00:10Z");
}

#[test]
fn a_transition_has_its_time() {
    let status = json!({ "conditions": merged(None, &[accepted(true, 1)], at(10)) });
    let second = merged(Some(&status), &[accepted(false, 1)], at(20)).expect("the status changed");
    assert_eq!(
        (&second[0]["status"], &second[0]["lastTransitionTime"]),
        (&json!("False"), &json!("1970-01-01T00:00:20Z"))
    );
}

#[test]
fn conditions_of_others_stay() {
    let status = json!({ "conditions": [{ "type": "Reconciled", "status": "True" }], "loadBalancer": {} });
    let merged = merged(Some(&status), &[accepted(true, 1)], at(10)).expect("ours is missing");
    let kinds: Vec<&Value> = merged.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(kinds, ["Reconciled", "Accepted"]);
}
