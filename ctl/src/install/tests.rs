use serde_json::json;

use super::*;

#[test]
fn a_deployment_is_ready_when_only_new_pods_run_and_all_answer() {
    let deployment = |observed: i64, updated: i64, available: i64, replicas: i64| {
        json!({
            "metadata": { "generation": 2 }, "spec": { "replicas": 2 },
            "status": { "observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available, "replicas": replicas },
        })
    };
    assert!(rolled_out(&deployment(2, 2, 2, 2)));
    for (observed, updated, available, replicas) in [(1, 2, 2, 2), (2, 1, 2, 2), (2, 2, 1, 2), (2, 2, 2, 3)] {
        assert!(!rolled_out(&deployment(observed, updated, available, replicas)));
    }
    assert!(!rolled_out(&json!({ "metadata": { "generation": 1 }, "spec": {} })));
}

#[test]
fn webhooks_answer_when_all_know_their_roots() {
    let webhooks = |bundles: &[Option<&str>]| {
        let hooks: Vec<Value> =
            bundles.iter().map(|bundle| json!({ "clientConfig": { "caBundle": bundle } })).collect();
        json!({ "webhooks": hooks })
    };
    assert!(trusted(&webhooks(&[Some("Q0E="), Some("Q0E=")])));
    assert!(!trusted(&webhooks(&[Some("Q0E="), None])) && !trusted(&webhooks(&[Some("")])));
}

#[test]
fn a_definition_is_ready_when_it_is_established() {
    let definition =
        |status: &str| json!({ "status": { "conditions": [{ "type": "Established", "status": status }] } });
    assert!(established(&definition("True")));
    assert!(!established(&definition("False")) && !established(&json!({})));
}
