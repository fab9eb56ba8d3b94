use proptest::prelude::*;

use super::*;
use crate::kinds::Kinds;

fn changed(content_type: &str, text: &str, value: Value) -> Result<Value, Status> {
    let served = Kinds::default().served();
    let kind = served.find("", "v1", "configmaps").expect("configmaps");
    Patch::parse(content_type, text.as_bytes())?.change(kind, value)
}

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json-patch+json";

#[test]
fn a_json_patch_happens_whole_or_not_at_all() {
    let value = json!({"data": {"a": "1"}});
    let good = r#"[{"op":"test","path":"/data/a","value":"1"},{"op":"add","path":"/data/b","value":"2"}]"#;
    assert_eq!(changed(JSON, good, value.clone()), Ok(json!({"data": {"a": "1", "b": "2"}})));
    let bad = r#"[{"op":"remove","path":"/data/a"},{"op":"remove","path":"/data/z"}]"#;
    let error = changed(JSON, bad, value).expect_err("no such path");
    assert_eq!((error.code, error.reason), (422, "Invalid"));
    assert!(error.message.starts_with("the server rejected our request due to an error in our request"), "{error}");
}

#[test]
fn content_types_that_are_no_patch_are_refused() {
    assert_eq!(changed("application/json", "{}", json!({})).expect_err("no patch").code, 415);
    assert_eq!(changed(JSON, "{}", json!({})).expect_err("no list").code, 400);
    assert_eq!(changed(MERGE, "{", json!({})).expect_err("no JSON").code, 400);
}

/// Any JSON without nulls, which a merge patch cannot store.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    let inner = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| json!(map))
}

/// The merge patch that leads from `a` to `b`.
fn difference(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let gone = a.keys().filter(|key| !b.contains_key(*key)).map(|key| (key.clone(), Value::Null));
            let new = b.iter().filter(|(key, value)| a.get(*key) != Some(value));
            let new = new
                .map(|(key, value)| (key.clone(), a.get(key).map_or_else(|| value.clone(), |a| difference(a, value))));
            Value::Object(gone.chain(new).collect())
        }
        _ => b.clone(),
    }
}

proptest! {
    #[test]
    fn a_merge_patch_changes_nothing_when_empty_and_nothing_more_when_repeated(a in tree(), patch in tree()) {
        prop_assert_eq!(changed(MERGE, "{}", a.clone()), Ok(a.clone()));
        let once = changed(MERGE, &patch.to_string(), a).expect("merged");
        prop_assert_eq!(changed(MERGE, &patch.to_string(), once.clone()), Ok(once));
    }

    #[test]
    fn the_difference_as_a_merge_patch_leads_there(a in tree(), b in tree()) {
        let patch = difference(&a, &b).to_string();
        prop_assert_eq!(changed(MERGE, &patch, a), Ok(b));
    }

    #[test]
    fn a_json_patch_of_a_member_is_undone_by_its_inverse(a in tree(), value in tree()) {
        let add = json!([{"op": "add", "path": "/new", "value": value}]).to_string();
        let remove = r#"[{"op": "remove", "path": "/new"}]"#;
        let with = changed(JSON, &add, a.clone()).expect("added");
        prop_assert_eq!(&with["new"], &value);
        prop_assert_eq!(changed(JSON, remove, with), Ok(a));
    }
}
