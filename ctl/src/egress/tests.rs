use mesh_model::{
    parse::{ParseContext, parse},
    store::Change,
};
use serde_json::{Value, json};

use super::*;

fn entry(namespace: &str, name: &str, labels: Value) -> Change {
    let spec = json!({ "hosts": [format!("{name}.example")], "resolution": "DNS",
        "ports": [{ "number": 443, "name": "tls", "protocol": "TLS" }] });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels });
    let object =
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec });
    Change::config(parse(&object, &ParseContext::default()).unwrap().config)
}

fn store() -> Store {
    let label = json!({ GATEWAY: "istio-egressgateway" });
    Store::of([
        entry("default", "cnn", label.clone()),
        entry("default", "cnn.shop", label.clone()),
        entry("shop", "cnn", label),
        entry("shop", "direct", json!({})),
    ])
}

#[test]
fn an_entry_is_found_by_its_name_and_namespace() {
    let store = store();
    let found = |wanted: &str| find(&store, wanted, "default").map(|plan| plan.entry.meta.object().to_string());
    assert_eq!(found("cnn"), Ok("ServiceEntry/default/cnn".to_owned()));
    assert_eq!(found("cnn.shop"), Ok("ServiceEntry/default/cnn.shop".to_owned()), "names may have dots");
    assert_eq!(found("direct.shop"), Err(NoEgress::NoLabel("shop/direct".to_owned())));
    assert_eq!(found("direct"), Err(NoEgress::Unknown("direct".to_owned())));
    let of_shop = find(&store, "cnn", "shop").unwrap();
    assert_eq!(of_shop.entry.meta.object().to_string(), "ServiceEntry/shop/cnn");
}

#[test]
fn what_is_printed_can_be_applied() {
    let plan = find(&store(), "cnn", "shop").unwrap();
    let text = text(&plan).unwrap();
    assert!(text.starts_with("# In place of label lateen.io/use-egress-gateway of ServiceEntry shop/cnn"), "{text}");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let documents: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
    assert_eq!(documents, plan.objects);
    for document in documents {
        parse(&document, &ParseContext::default()).unwrap();
    }
}
