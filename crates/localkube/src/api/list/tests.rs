use serde_json::json;

use super::*;
use crate::store::{LOG_LENGTH, Precondition};

fn api_with_maps(count: usize) -> (Api, Arc<Kind>) {
    let api = Api::default();
    let kind = api.kinds().served().find("", "v1", "configmaps").expect("configmaps").clone();
    for n in 0..count {
        put(&api, &kind, &format!("m{n:03}"));
    }
    (api, kind)
}

fn put(api: &Api, kind: &Kind, name: &str) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
    api.store().put(&kind.resource(), Object::new(object).expect("object"), Precondition::Absent).expect("created");
}

#[test]
fn pages_are_one_snapshot() {
    let (api, kind) = api_with_maps(5);
    let mut options = ListOptions { limit: 2, ..ListOptions::default() };
    let first = api.list(&kind, &options).expect("a page");
    assert_eq!((first.items.len(), first.remaining), (2, Some(3)));
    put(&api, &kind, "m002b");
    let mut names = Vec::new();
    let mut page = first;
    for _ in 0..5 {
        names.extend(page.items.iter().map(|s| s.object.name().to_owned()));
        if page.continue_token.is_empty() {
            break;
        }
        options.continue_token = page.continue_token;
        page = api.list(&kind, &options).expect("a page");
    }
    assert_eq!(names, ["m000", "m001", "m002", "m003", "m004"]);
}

#[test]
fn a_stale_token_is_gone() {
    let (api, kind) = api_with_maps(3);
    let mut options = ListOptions { limit: 1, ..ListOptions::default() };
    options.continue_token = api.list(&kind, &options).expect("a page").continue_token;
    for n in 0..=LOG_LENGTH {
        put(&api, &kind, &format!("n{n}"));
    }
    let error = api.list(&kind, &options).expect_err("stale");
    assert_eq!((error.code, error.reason), (410, "Expired"));
    options.continue_token = "nonsense".to_owned();
    assert_eq!(api.list(&kind, &options).expect_err("bad").code, 400);
}

#[test]
fn revisions_of_the_past_and_of_the_future() {
    let (api, kind) = api_with_maps(3);
    let now = api.store().revision();
    let exact = |revision: u64| ListOptions {
        revision: revision.to_string(),
        revision_match: "Exact".to_owned(),
        ..ListOptions::default()
    };
    assert_eq!(api.list(&kind, &exact(now - 1)).expect("the past").items.len(), 2);
    let error = api.list(&kind, &exact(now + 1)).expect_err("the future");
    assert_eq!((error.code, error.reason), (504, "Timeout"));
}
