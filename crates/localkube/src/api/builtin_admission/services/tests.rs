use std::sync::Arc;

use super::*;
use crate::{
    api::{Caller, Part, WriteOptions},
    kinds::Kinds,
    store::Stored,
};

struct Stage {
    api: Api,
    kind: Arc<Kind>,
}

impl Stage {
    fn new() -> Self {
        let kind = Kinds::default().served().find("", "v1", "services").expect("services").clone();
        Self { api: Api::default(), kind }
    }

    async fn create(&self, name: &str, spec: Value) -> Result<Arc<Stored>, Status> {
        let object = Object::new(json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec}))?;
        self.api.create(&Caller::component("tests"), &self.kind, object, &WriteOptions::default()).await
    }

    async fn update(&self, object: Object) -> Result<Arc<Stored>, Status> {
        self.api.update(&Caller::component("tests"), &self.kind, Part::Main, object, &WriteOptions::default()).await
    }
}

#[tokio::test]
async fn addresses_are_given_kept_and_never_twice() {
    let stage = Stage::new();
    let given = stage.create("a", json!({"ports": [{"port": 80}]})).await.expect("created");
    let address = given.object.text("/spec/clusterIP").to_owned();
    assert!(address.starts_with("10.96."), "{address}");
    assert_eq!(given.object.at("/spec/clusterIPs"), Some(&json!([address])));
    let error = stage.create("b", json!({"clusterIP": address, "ports": [{"port": 80}]})).await.expect_err("taken");
    let wanted = format!(
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"{address}\"]: failed to allocate IP {address}: \
         provided IP is already allocated"
    );
    assert_eq!(error.message, wanted);
    let error = stage.create("b", json!({"clusterIP": "10.97.0.1", "ports": [{"port": 80}]})).await.expect_err("far");
    assert!(error.message.contains("The range of valid IPs is 10.96.0.0/16"), "{error}");
    let mut silent = given.object.clone();
    silent.value_mut()["spec"] = json!({"ports": [{"port": 80}, {"port": 81, "name": "b"}], "selector": {"a": "b"}});
    silent.value_mut()["spec"]["ports"][0]["name"] = json!("a");
    let updated = stage.update(silent).await.expect("updated");
    assert_eq!(updated.object.text("/spec/clusterIP"), address);
    let headless = stage.create("h", json!({"clusterIP": "None", "ports": [{"port": 80}]})).await.expect("created");
    assert_eq!(headless.object.text("/spec/clusterIP"), "None");
    let external = stage.create("e", json!({"type": "ExternalName", "externalName": "x.org"})).await.expect("created");
    assert_eq!(external.object.at("/spec/clusterIP"), None);
}

#[tokio::test]
async fn node_ports_come_and_go_with_the_type() {
    let stage = Stage::new();
    let fixed = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]});
    let given = stage.create("a", fixed.clone()).await.expect("created");
    let error = stage.create("b", fixed).await.expect_err("taken");
    let wanted =
        "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated";
    assert_eq!(error.message, wanted);
    let far = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]});
    let error = stage.create("b", far).await.expect_err("far");
    assert!(error.message.contains("The range of valid ports is 30000-32767"), "{error}");
    let free = stage.create("b", json!({"type": "LoadBalancer", "ports": [{"port": 80}]})).await.expect("created");
    assert!(free.object.int("/spec/ports/0/nodePort").is_some_and(|port| NODE_PORTS.contains(&port)));
    let mut inside = given.object.clone();
    inside.value_mut()["spec"]["type"] = json!("ClusterIP");
    let inside = stage.update(inside).await.expect("updated");
    assert_eq!(inside.object.at("/spec/ports/0/nodePort"), None);
}
