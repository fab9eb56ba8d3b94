use serde_json::json;

use super::*;

fn question(version: &str) -> Vec<u8> {
    let body = json!({
        "apiVersion": version, "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "default", "operation": "CREATE", "userInfo": { "username": "somebody" },
            "object": { "metadata": { "generateName": "a-" } }, "oldObject": null, "options": null,
        },
    });
    body.to_string().into_bytes()
}

#[test]
fn an_answer_is_in_the_version_of_its_question() {
    for version in VERSIONS {
        let review = Review::parse(&question(version)).expect("a question");
        assert_eq!(review.request.operation, Operation::Create);
        assert_eq!(review.request.namespace, "default");
        let expected = json!({
            "apiVersion": version, "kind": "AdmissionReview", "response": { "uid": "u-1", "allowed": true },
        });
        assert_eq!(review.answer(&Verdict::allow()), expected);
    }
}

#[test]
fn what_is_no_question_is_refused() {
    let table: [(&[u8], &str); 3] = [
        (b"{", "the body is no AdmissionReview"),
        (br#"{"apiVersion": "admission.k8s.io/v2"}"#, "AdmissionReview of `admission.k8s.io/v2` is not spoken here"),
        (br#"{"apiVersion": "admission.k8s.io/v1"}"#, "the AdmissionReview holds no request"),
    ];
    for (body, words) in table {
        let error = Review::parse(body).expect_err("no question").to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_patch_is_base64_and_warnings_travel() {
    let review = Review::parse(&question(VERSIONS[0])).expect("a question");
    let verdict = Verdict::Patch { patch: json!([]), warnings: vec!["careful".to_owned()] };
    let answer = review.answer(&verdict);
    assert_eq!(answer["response"]["patch"], "W10=");
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    assert_eq!(answer["response"]["warnings"], json!(["careful"]));
}

#[test]
fn a_denial_says_why() {
    let review = Review::parse(&question(VERSIONS[0])).expect("a question");
    let answer = review.answer(&Verdict::Deny { message: "no".to_owned(), warnings: Vec::new() });
    assert_eq!(
        (&answer["response"]["allowed"], &answer["response"]["status"]["message"]),
        (&json!(false), &json!("no"))
    );
}
