use proptest::prelude::*;

use super::*;
use crate::kinds::Kinds;

fn fields(value: &Value) -> Fields {
    let served = Kinds::default().served();
    Fields::of(value, Shape::of(served.find("", "v1", "pods").expect("pods")))
}

#[test]
fn paths_read_as_people_write_them() {
    let value = json!({
        "metadata": {"finalizers": ["x/y"], "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": ["1"]}]},
    });
    assert_eq!(
        fields(&value).paths(),
        [
            ".metadata.finalizers[=\"x/y\"]",
            ".metadata.labels.a",
            ".spec.containers[name=\"c\"].args",
            ".spec.containers[name=\"c\"].name",
            ".spec.containers[name=\"c\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
            ".spec.containers[name=\"c\"].ports[containerPort=80,protocol=\"TCP\"]",
            ".spec.containers[name=\"c\"]",
        ]
    );
}

fn object() -> impl Strategy<Value = Value> {
    let env = proptest::collection::btree_map("[A-C]", "[0-9]", 0..3);
    let containers = proptest::collection::btree_map("[a-c]", env, 0..3).prop_map(|containers| {
        let containers = containers.into_iter().map(|(name, env)| {
            let env: Vec<Value> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({"name": name, "env": env})
        });
        containers.collect::<Vec<Value>>()
    });
    (containers, proptest::collection::btree_map("[a-c]", "[0-9]", 0..3))
        .prop_map(|(containers, labels)| json!({"metadata": {"labels": labels}, "spec": {"containers": containers}}))
}

proptest! {
    #[test]
    fn fields_survive_their_text(value in object()) {
        let fields = fields(&value);
        prop_assert_eq!(Fields::read(&fields.write()), fields);
    }

    #[test]
    fn sets_behave_as_sets(a in object(), b in object()) {
        let (a, b) = (fields(&a), fields(&b));
        prop_assert!(a.without(&a).is_empty());
        prop_assert_eq!(a.or(&b).without(&b).and(&b), Fields::default());
        prop_assert_eq!(a.and(&b), b.and(&a));
        prop_assert_eq!(a.without(&b).or(&a.and(&b)).paths(), a.paths());
    }

    #[test]
    fn a_change_and_its_inverse_mirror_each_other(a in object(), b in object()) {
        let served = Kinds::default().served();
        let shape = Shape::of(served.find("", "v1", "pods").expect("pods"));
        let (there, back) = (Changes::between(&a, &b, shape), Changes::between(&b, &a, shape));
        prop_assert_eq!(there.added.paths(), back.removed.paths());
        prop_assert_eq!(there.modified.paths(), back.modified.paths());
    }
}
