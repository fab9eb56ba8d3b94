use serde_json::json;

use super::*;
use crate::kinds::Kinds;

fn labelled(labels: Value) -> Object {
    Object::new(json!({"metadata": {"name": "x", "labels": labels}, "spec": {"nodeName": "node-1"}})).expect("object")
}

#[test]
fn label_selectors_of_every_form() {
    let object = labelled(json!({"app": "web", "tier": "3", "example.com/x": ""}));
    for (selector, selected) in [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        ("app!=web", false),
        ("missing!=web", true),
        ("app in (api, web)", true),
        ("app notin (api,web)", false),
        ("missing notin (a)", true),
        ("app,tier", true),
        ("!app", false),
        ("!missing,app in (web),tier>2", true),
        ("tier<3", false),
        ("example.com/x=", true),
    ] {
        assert_eq!(Labels::parse(selector).expect(selector).matches(&object), selected, "{selector}");
    }
    for bad in ["a b", "a in (b", "=x", "a in", "a>b", "a=b c", "a/b/c"] {
        assert_eq!(Labels::parse(bad).expect_err(bad).code, 400, "{bad}");
    }
}

#[test]
fn a_label_selector_object_means_the_same_as_its_text() {
    let value = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["3", "4"]}, {"key": "gone", "operator": "DoesNotExist"}]});
    let selector = Labels::from_value(&value).expect("a selector");
    assert_eq!(selector.to_string(), "app=web,tier in (3,4),!gone");
    assert!(selector.matches(&labelled(json!({"app": "web", "tier": "3"}))));
    assert!(!selector.matches(&labelled(json!({"app": "web", "tier": "3", "gone": "no"}))));
}

#[test]
fn field_selectors_know_their_kind() {
    let served = Kinds::default().served();
    let pods = served.find("", "v1", "pods").expect("pods");
    let maps = served.find("", "v1", "configmaps").expect("configmaps");
    let object = labelled(json!({}));
    assert!(Fields::parse(pods, "spec.nodeName=node-1,status.phase!=Running").expect("known").matches(&object));
    assert!(!Fields::parse(pods, "spec.hostNetwork=true").expect("known").matches(&object));
    assert!(Fields::parse(pods, "spec.hostNetwork=false").expect("known").matches(&object));
    assert_eq!(Fields::parse(maps, "metadata.name=x").expect("known").name(), Some("x"));
    let error = Fields::parse(pods, "spec.foo=1").expect_err("unknown");
    assert_eq!(error.message, "field label not supported: spec.foo");
    let error = Fields::parse(maps, "data.foo=1").expect_err("unknown");
    assert!(error.message.contains("is not a known field selector"), "{}", error.message);
}
