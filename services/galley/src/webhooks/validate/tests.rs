use serde_json::json;

use super::*;

fn request(operation: &str, object: Value, old: Value) -> Request {
    let request = json!({
        "uid": "u", "operation": operation, "name": "reviews", "namespace": "default",
        "kind": { "group": "networking.istio.io", "version": "v1", "kind": "VirtualService" },
        "object": object, "oldObject": old,
    });
    serde_json::from_value(request).expect("a request")
}

fn route(weights: &[i64]) -> Value {
    let route: Vec<Value> =
        weights.iter().map(|weight| json!({ "destination": { "host": "reviews" }, "weight": weight })).collect();
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": { "name": "reviews", "namespace": "default" },
        "spec": { "hosts": ["reviews"], "http": [{ "route": route }] },
    })
}

#[test]
fn right_objects_pass_and_wrong_ones_are_told_where_and_why() {
    let context = ParseContext::default();
    assert_eq!(verdict(&context, &request("CREATE", route(&[80, 20]), Value::Null)), Verdict::allow());
    let wrong = verdict(&context, &request("CREATE", route(&[-1, 20]), Value::Null));
    let Verdict::Deny { message, .. } = wrong else { panic!("{wrong:?}") };
    assert!(message.contains("VirtualService/default/reviews: spec.http[0].route[0].weight: "), "{message}");
}

#[test]
fn all_issues_are_told_at_once() {
    let wrong = verdict(&ParseContext::default(), &request("CREATE", route(&[-1, -2]), Value::Null));
    let Verdict::Deny { message, .. } = wrong else { panic!("{wrong:?}") };
    assert!(message.contains("route[0].weight") && message.contains("route[1].weight"), "{message}");
}

#[test]
fn what_was_wrong_before_may_be_touched_and_taken_away() {
    let (context, wrong) = (ParseContext::default(), route(&[-1]));
    let mut touched = wrong.clone();
    touched["metadata"]["finalizers"] = json!([]);
    let kept = verdict(&context, &request("UPDATE", touched, wrong.clone()));
    assert!(matches!(kept, Verdict::Allow { ref warnings } if !warnings.is_empty()), "{kept:?}");
    let changed = verdict(&context, &request("UPDATE", route(&[-2]), wrong.clone()));
    assert!(matches!(changed, Verdict::Deny { .. }), "{changed:?}");
    assert_eq!(verdict(&context, &request("DELETE", Value::Null, wrong)), Verdict::allow());
}

#[test]
fn names_that_the_server_makes_up_are_no_fault() {
    let mut object = route(&[1]);
    object["metadata"] = json!({ "generateName": "reviews-" });
    assert_eq!(verdict(&ParseContext::default(), &request("CREATE", object, Value::Null)), Verdict::allow());
}

#[test]
fn fields_without_effect_and_unknown_ones_are_warnings() {
    let mut object = route(&[1]);
    object["spec"]["hots"] = json!(["typo"]);
    let passed = verdict(&ParseContext::default(), &request("CREATE", object, Value::Null));
    assert!(
        matches!(passed, Verdict::Allow { ref warnings } if warnings.iter().any(|w| w.contains("hots"))),
        "{passed:?}"
    );
}
