use super::{KINDS, Kind, Meta, ObjectRef};
use mesh_types::Labels;

#[test]
fn the_table_is_in_the_order_of_the_enum() {
    for (index, row) in KINDS.iter().enumerate() {
        assert_eq!(row.0 as usize, index, "{}", row.1);
        assert_eq!(Kind::find(row.2, row.1), Some(row.0));
    }
    assert_eq!(Kind::find("networking.istio.io", "Telemetry"), None);
}

fn meta(name: &str, created: i64) -> Meta {
    Meta {
        kind: Kind::VirtualService,
        name: name.into(),
        namespace: "shop".into(),
        created,
        generation: 1,
        uid: String::new(),
        labels: Labels::default(),
        annotations: Default::default(),
        derived: None,
    }
}

#[test]
fn the_oldest_comes_first_then_the_alphabet() {
    let mut all = [meta("b", 7), meta("c", 3), meta("a", 7)];
    all.sort_by(Meta::age);
    assert_eq!(all.map(|m| m.name.to_string()), ["c", "a", "b"]);
}

#[test]
fn names_are_written_as_users_and_istio_write_them() {
    let reviews = meta("reviews", 0);
    assert_eq!(reviews.object().to_string(), "VirtualService/shop/reviews");
    assert_eq!(reviews.user_object(), reviews.object());
    let words = [Kind::Gateway, Kind::KubernetesGateway, Kind::HttpRoute].map(|kind| kind.to_string());
    assert_eq!(words, ["Gateway", "Gateway.gateway.networking.k8s.io", "HTTPRoute"]);
    let route = ObjectRef { kind: Kind::HttpRoute, namespace: "shop".into(), name: "reviews".into() };
    let derived = Some(super::Derived { object: route.clone(), path: "spec.rules[0]".to_owned() });
    assert_eq!(Meta { derived, ..reviews.clone() }.user_object(), route);
    assert_eq!(reviews.config_path(), "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews");
}
