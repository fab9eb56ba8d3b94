use istio_api::VirtualService;
use serde_json::json;

use super::*;

#[test]
fn it_is_written_as_kubernetes_wants_it_and_read_again() {
    let spec = VirtualService { hosts: vec!["reviews".to_owned()], ..VirtualService::default() };
    let object = Object::new("default", "reviews", spec);
    let json = serde_json::to_value(&object).expect("JSON");
    assert_eq!(
        json,
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": { "name": "reviews", "namespace": "default" }, "spec": { "hosts": ["reviews"] },
        })
    );
    assert_eq!(serde_json::from_value::<Object<VirtualService>>(json).expect("an object"), object);
}

#[test]
fn it_is_found_where_kubernetes_has_it() {
    assert_eq!(
        Object::<VirtualService>::url_path(&(), Some("default")),
        "/apis/networking.istio.io/v1/namespaces/default/virtualservices"
    );
}
