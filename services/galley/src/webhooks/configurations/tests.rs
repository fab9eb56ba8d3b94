use super::*;

fn webhooks(bundle: &str, policy: &str) -> Value {
    json!([
        { "name": "a", "failurePolicy": policy, "clientConfig": { "service": { "name": "istiod" }, "caBundle": bundle } },
        { "name": "b", "failurePolicy": policy, "clientConfig": { "url": "https://127.0.0.1/validate" } },
    ])
}

#[test]
fn the_root_is_put_in_and_kept() {
    let right = corrected(&webhooks("", "Ignore"), "root", false).expect("the root is missing");
    assert_eq!(right[0]["clientConfig"]["caBundle"], "cm9vdA==");
    assert_eq!(right[1], webhooks("", "Ignore")[1], "one with a URL is left alone");
    assert_eq!(corrected(&right, "root", false), None, "right is right");
    assert!(corrected(&webhooks("c29tZWJvZHkncw==", "Ignore"), "root", false).is_some(), "overwritten");
    assert!(corrected(&right, "another root", false).is_some(), "the root changed");
}

#[test]
fn failures_count_once_validation_is_proven() {
    let right = corrected(&webhooks("cm9vdA==", "Ignore"), "root", true).expect("the policy is to change");
    assert_eq!((&right[0]["failurePolicy"], &right[1]["failurePolicy"]), (&json!("Fail"), &json!("Ignore")));
    assert_eq!(corrected(&webhooks("cm9vdA==", "Fail"), "root", false), None, "it does not go back");
}

#[test]
fn a_configuration_without_webhooks_is_right() {
    assert_eq!(corrected(&Value::Null, "root", true), None);
    assert_eq!(corrected(&json!([]), "root", true), None);
}
