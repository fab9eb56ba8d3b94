//! Objects of configuration: judged by the one parser of the house, and sent on as their users wrote them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use mesh_kube::Key;
use mesh_model::{
    config::{Config, Kind},
    issue::{FieldPath, Issue},
    parse::{ParseContext, Parsed, parse},
};
use mesh_proto::{
    envoy::google::protobuf::Timestamp,
    mcp::{ConfigObject, Metadata},
    pack, type_url,
};
use mesh_xds::Resource;
use serde_json::{Map, Value, json};

use crate::record::wrap;

/// What the parser says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It counts.
    Accepted {
        /// What it says.
        config: Config,
        /// What its writer should know.
        warnings: Vec<Issue>,
        /// Fields that are set and do nothing here.
        without_effect: Vec<FieldPath>,
    },
    /// It is kept back: everything that is wrong with it.
    Refused(Vec<Issue>),
}

/// Judges an object.
pub fn judge(object: &Value, context: &ParseContext) -> Judgement {
    match parse(object, context) {
        Ok(Parsed { config, warnings, without_effect }) => Judgement::Accepted { config, warnings, without_effect },
        Err(issues) => Judgement::Refused(issues),
    }
}

/// The type URL of a kind's objects, in its newest version.
pub fn type_url_of(kind: Kind) -> String {
    type_url::config(kind.group(), kind.version(), kind.word())
}

/// The resource of an object: as it was written, without what no reader acts on (conditions, bookkeeping of tools), so that
/// its version changes only when its meaning may.
pub fn resource(kind: Kind, object: &Value) -> Resource {
    let json = trimmed(kind, object);
    let metadata = &json["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    let strings = |key: &str| {
        let map = metadata[key].as_object().into_iter().flatten();
        map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let created: Option<Time> = serde_json::from_value(metadata["creationTimestamp"].clone()).ok();
    wrap(
        Metadata {
            name: Key { namespace: text("namespace").to_owned(), name: text("name").to_owned() }.to_string(),
            create_time: created.map(|time| Timestamp { seconds: time.0.as_second(), nanos: 0 }),
            version: String::new(),
            labels: strings("labels"),
            annotations: strings("annotations"),
        },
        pack(&ConfigObject { json: json.to_string() }),
    )
}

fn trimmed(kind: Kind, object: &Value) -> Value {
    const KEPT: [&str; 7] = ["name", "namespace", "labels", "annotations", "generation", "uid", "creationTimestamp"];
    let given = &object["metadata"];
    let mut metadata: Map<String, Value> =
        KEPT.iter().filter(|key| !given[**key].is_null()).map(|key| ((*key).to_owned(), given[*key].clone())).collect();
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    let mut json = json!({
        "apiVersion": format!("{}/{}", kind.group(), kind.version()),
        "kind": kind.word(),
        "metadata": metadata,
        "spec": object["spec"],
    });
    // The one part of a status that means something: addresses that were given to the hosts, and stay theirs.
    if kind == Kind::ServiceEntry && object["status"]["addresses"].is_array() {
        json["status"] = json!({ "addresses": object["status"]["addresses"] });
    }
    json
}

#[cfg(test)]
mod tests;
