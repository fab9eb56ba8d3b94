//! Clusters for tests.

use std::sync::Arc;

use mesh_proto::{
    envoy::{
        envoy::config::{cluster::v3::Cluster, core::v3::Metadata},
        google::protobuf::{ListValue, Struct, Value, value::Kind as Json},
    },
    pack,
};
use mesh_snapshot::{ClusterConfig, Kind, Snapshot, Store};

/// A cluster, with its service's host, name and namespace in Istio's metadata.
pub(in crate::plane::telemetry) fn a_cluster(name: &str, service: Option<(&str, &str, &str)>) -> Arc<ClusterConfig> {
    let fields = |fields: Vec<(&str, Json)>| {
        let field = |(key, kind): (&str, Json)| (key.to_owned(), Value { kind: Some(kind) });
        Struct { fields: fields.into_iter().map(field).collect() }
    };
    let metadata = service.map(|(host, name, namespace)| {
        let text = |text: &str| Json::StringValue(text.to_owned());
        let service = fields(vec![("host", text(host)), ("name", text(name)), ("namespace", text(namespace))]);
        let services = ListValue { values: vec![Value { kind: Some(Json::StructValue(service)) }] };
        let istio = fields(vec![("services", Json::ListValue(services))]);
        Metadata { filter_metadata: [("istio".to_owned(), istio)].into(), ..Default::default() }
    });
    let mut store = Store::default();
    let cluster = Cluster { name: name.to_owned(), metadata, ..Default::default() };
    store.put(Kind::Cluster, name, &pack(&cluster)).unwrap();
    store.build(&Snapshot::default()).cluster(name).unwrap().config.clone()
}
