//! The wrapper that every kind has in Kubernetes.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    declare::{is_default, message, null_is_default},
    kind::Kind,
};

/// An object: what it is, what it is called, what the user asks for, and what became of it.
///
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#standard-api-terminology>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "K: Default + Deserialize<'de>"))]
pub struct Object<K> {
    /// `GROUP/VERSION`.
    #[serde(default)]
    pub api_version: String,
    /// The kind.
    #[serde(default)]
    pub kind: String,
    /// Name, place and marks.
    #[serde(default)]
    pub metadata: Metadata,
    /// What the user asks for.
    #[serde(default, deserialize_with = "null_is_default")]
    pub spec: K,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl<K: Kind> Object<K> {
    /// A new object, in the kind's newest version.
    pub fn new(namespace: &str, name: &str, spec: K) -> Self {
        let metadata = Metadata { name: name.to_owned(), namespace: Some(namespace.to_owned()), ..Metadata::default() };
        Self { api_version: K::INFO.api_version(), kind: K::KIND.to_owned(), metadata, spec, status: None }
    }
}

/// Name, place and marks of an object.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The name, unique for its kind and namespace.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub name: String,
    /// The namespace; `None` in a file that leaves it to the command line.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Counts changes of `spec`.
    #[serde(skip_serializing_if = "is_default")]
    pub generation: Option<i64>,
    /// Unique for ever.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub uid: String,
    /// Changes with every write; compared for equality only.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub resource_version: String,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub creation_timestamp: Option<String>,
    /// Since when it is being removed, RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub deletion_timestamp: Option<String>,
    /// The objects that it goes away with.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub owner_references: Vec<OwnerReference>,
    /// Who must let go before it is removed.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")]
    pub finalizers: Vec<String>,
    /// Everything else, kept as it is.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

message! {
    /// An object that another one goes away with.
    pub struct OwnerReference {
        /// Its `GROUP/VERSION`.
        pub api_version: String,
        /// Its kind.
        pub kind: String,
        /// Its name.
        pub name: String,
        /// Its uid.
        pub uid: String,
        /// Whether it is the one that manages the object.
        pub controller: Option<bool>,
        /// Whether it waits for the object's removal.
        pub block_owner_deletion: Option<bool>,
    }

    /// What became of an object.
    ///
    /// <https://istio.io/latest/docs/reference/config/meta/v1beta1/istio-status/>
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub struct Status {
        /// What is true of it, by type.
        pub conditions: Vec<StatusCondition>,
        /// Troubles that an analysis found.
        pub validation_messages: Vec<ValidationMessage>,
        /// The generation that all this is about.
        pub observed_generation: Option<Generation>,
        /// What only some kinds have, kept as it is: ServiceEntry's `addresses`.
        #[schemars(skip)]
        pub addresses: Vec<Value>,
    }

    /// A thing that is true of an object, or not.
    pub struct StatusCondition {
        /// What.
        pub r#type: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
        /// When it was last looked at, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        pub last_probe_time: Option<String>,
        /// When it last changed, RFC 3339.
        #[schemars(extend("format" = "date-time"))]
        pub last_transition_time: Option<String>,
        /// Why, in one word.
        pub reason: String,
        /// Why, in a sentence.
        pub message: String,
        /// The generation that this is about.
        pub observed_generation: Option<Generation>,
    }

    /// A trouble that an analysis found.
    pub struct ValidationMessage {
        /// Which one.
        pub r#type: Option<ValidationMessageType>,
        /// How bad.
        pub level: ValidationMessageLevel,
        /// Where it is explained.
        pub documentation_url: String,
    }

    /// A trouble's name.
    pub struct ValidationMessageType {
        /// Its name for people.
        pub name: String,
        /// Its name for programs, such as `IST0101`.
        pub code: String,
    }
}

crate::declare::names! {
    /// How bad a trouble is.
    pub enum ValidationMessageLevel {
        /// Not said.
        Unknown = 0 "UNKNOWN",
        /// It does not work.
        Error = 3 "ERROR",
        /// It may not work.
        Warning = 8 "WARNING",
        /// Good to know.
        Info = 12 "INFO",
    }
}

/// A generation. Istio writes it as a text, others as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Generation(pub i64);

impl<'de> Deserialize<'de> for Generation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number, or a number in quotes")]
        enum Wire {
            Number(i64),
            Text(String),
        }
        match Wire::deserialize(deserializer)? {
            Wire::Number(number) => Ok(Self(number)),
            Wire::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for Generation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Generation".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
        })
    }
}
