//! Who the proxy is, from JSON into xDS's message.

use mesh_bootstrap::VERSION;
use mesh_proto::envoy::{
    envoy::config::core::v3::{Locality, Node, node::UserAgentVersionType},
    google::protobuf::{ListValue, Struct, Value as Message, value::Kind},
};
use serde_json::{Map, Value};

/// The node of each stream.
pub(crate) fn message(node: &Value) -> Node {
    let locality = &node["locality"];
    Node {
        id: text(&node["id"]),
        cluster: text(&node["cluster"]),
        metadata: node["metadata"].as_object().map(fields),
        locality: locality.is_object().then(|| Locality {
            region: text(&locality["region"]),
            zone: text(&locality["zone"]),
            sub_zone: text(&locality["sub_zone"]),
        }),
        user_agent_name: "lateen".to_owned(),
        user_agent_version_type: Some(UserAgentVersionType::UserAgentVersion(VERSION.to_owned())),
        ..Node::default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn fields(map: &Map<String, Value>) -> Struct {
    Struct { fields: map.iter().map(|(key, value)| (key.clone(), value_of(value))).collect() }
}

fn value_of(value: &Value) -> Message {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(value_of).collect() }),
        Value::Object(map) => Kind::StructValue(fields(map)),
    };
    Message { kind: Some(kind) }
}
